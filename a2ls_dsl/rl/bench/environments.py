"""Agent steps per second of environments on all usable cores, by renderer or emulator."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.rl.envs.emulator import load_vector
from a2ls_dsl.rl.envs.game import Game
from a2ls_dsl.rl.envs.pool import EnvPool, usable_cores
from a2ls_dsl.rl.envs.suite import Way
from a2ls_dsl.rl.envs.tasks import Task, suite_of

OWN_VECTOR = "ale-vector"
"""ale-py's own vector environment: many games in threads of one process."""


@dataclass(frozen=True)
class EnvironmentSpeed:
    """Agent steps per second of all workers (or threads) together, by back end; or the error."""

    back_end: str
    workers: int
    steps_per_second: float = 0.0
    failed: str = ""


def measure_environments(task: Task, kinds: Sequence[str], budget: float) -> Iterator[EnvironmentSpeed]:
    """Play a task in each of its ways with random actions for `budget` seconds, two environments per worker.

    kinds: the kinds of observation to measure.
    """
    workers = usable_cores()
    for way in suite_of(task).ways(task):
        if way.observations in kinds:
            yield _measured(way.name, workers, partial(_of_way, way, workers, budget))
    if isinstance(task, Game):
        yield _measured(OWN_VECTOR, workers, partial(_vector_steps_per_second, task, workers, budget))


def _measured(name: str, workers: int, measure: Callable[[], float]) -> EnvironmentSpeed:
    try:
        return EnvironmentSpeed(name, workers, measure())
    except A2lError as error:
        return EnvironmentSpeed(name, workers, failed=error.message)


def seconds_of_step(pool: EnvPool, budget: float = 0.5) -> float:
    """Seconds of an agent step of each environment of a pool, measured for about `budget` seconds."""
    return pool.size / _steps_per_second(pool, budget)


def _of_way(way: Way, workers: int, budget: float) -> float:
    before = {name: os.environ.get(name) for name in way.variables}
    os.environ.update(way.variables)  # read by the worker processes
    try:
        with EnvPool(way.task, 2 * workers, workers, rendering=way.rendering) as pool:
            return _steps_per_second(pool, budget)
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _vector_steps_per_second(game: Game, threads: int, budget: float) -> float:
    size = 2 * threads
    vector = load_vector(game, size, threads)
    rng, strength = np.random.default_rng(0), np.ones(size, np.float32)
    actions = len(vector.get_action_set())
    vector.reset(np.arange(size), np.arange(size, dtype=np.int32))
    begin, steps = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - begin) < budget:
        vector.send(rng.integers(actions, size=size, dtype=np.int32), strength)
        vector.recv()
        steps += size
    return steps / elapsed


def _steps_per_second(pool: EnvPool, budget: float) -> float:
    rng, seeds = np.random.default_rng(0), np.arange(pool.size)
    pool.reset(seeds)
    begin, steps = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - begin) < budget:
        if pool.discrete:
            result = pool.step(rng.integers(pool.action_size, size=pool.size))
        else:
            result = pool.step(rng.uniform(-1, 1, (pool.size, pool.action_size)))
        steps += pool.size
        if result.last.any():
            pool.reset_where(result.last, seeds + steps)
    return steps / elapsed

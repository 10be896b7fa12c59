"""Agent steps and frames a second of the environments, on all usable cores, by renderer or emulator."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from importlib.util import find_spec

import numpy as np

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.rl.envs.emulator import load_vector
from a2ls_dsl.rl.envs.pool import EnvPool, usable_cores
from a2ls_dsl.rl.envs.rendering import Rendering
from a2ls_dsl.rl.envs.tasks import BACK_ENDS as EMULATORS
from a2ls_dsl.rl.envs.tasks import Game, Task

BACK_ENDS = ("vectors", "egl", "osmesa")
OWN_VECTOR = "ale-vector"
"""ale-py's own environment of many games in threads of one process."""


def back_ends(task: Task) -> tuple[str, ...]:
    """What may play a task: observations and renderers, or emulators."""
    if not isinstance(task, Game):
        return BACK_ENDS
    return (*(each for each in EMULATORS if find_spec(each.replace("-", "_"))), OWN_VECTOR)


@dataclass(frozen=True)
class EnvironmentSpeed:
    """Agent steps a second of all workers together, or threads, by back end; or what failed."""

    back_end: str
    workers: int
    steps_per_second: float = 0.0
    failed: str = ""


def measure_environments(task: Task, back_end: str, budget: float) -> EnvironmentSpeed:
    """Play a task with random actions for `budget` seconds, two environments a worker."""
    workers = usable_cores()
    if isinstance(task, Game):
        return _measure_game(task, back_end, workers, budget)
    before = os.environ.get("MUJOCO_GL")
    if back_end != "vectors":
        os.environ["MUJOCO_GL"] = back_end  # read by the workers, which are processes of their own
    try:
        rendering = None if back_end == "vectors" else Rendering()
        with EnvPool(task, 2 * workers, workers, rendering=rendering) as pool:
            return EnvironmentSpeed(back_end, workers, _steps_per_second(pool, budget))
    except A2lError as error:
        return EnvironmentSpeed(back_end, workers, failed=error.message)
    finally:
        if before is None:
            os.environ.pop("MUJOCO_GL", None)
        else:
            os.environ["MUJOCO_GL"] = before


def _measure_game(game: Game, back_end: str, workers: int, budget: float) -> EnvironmentSpeed:
    try:
        if back_end == OWN_VECTOR:
            return EnvironmentSpeed(back_end, workers, _vector_steps_per_second(game, workers, budget))
        with EnvPool(replace(game, back_end=back_end), 2 * workers, workers) as pool:
            return EnvironmentSpeed(back_end, workers, _steps_per_second(pool, budget))
    except A2lError as error:
        return EnvironmentSpeed(back_end, workers, failed=error.message)


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
        if pool.task.discrete:
            result = pool.step(rng.integers(pool.action_size, size=pool.size))
        else:
            result = pool.step(rng.uniform(-1, 1, (pool.size, pool.action_size)))
        steps += pool.size
        if result.last.any():
            pool.reset_where(result.last, seeds + steps)
    return steps / elapsed

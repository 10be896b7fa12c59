"""Agent steps and frames a second of the environments, on all usable cores, by renderer."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

import numpy as np

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.rl.envs.pool import EnvPool, usable_cores
from a2ls_dsl.rl.envs.rendering import Rendering
from a2ls_dsl.rl.envs.tasks import Task

BACK_ENDS = ("vectors", "egl", "osmesa")


@dataclass(frozen=True)
class EnvironmentSpeed:
    """Agent steps a second of all workers together, with vectors or frames by a renderer; or what failed."""

    back_end: str
    workers: int
    steps_per_second: float = 0.0
    failed: str = ""


def measure_environments(task: Task, back_end: str, budget: float) -> EnvironmentSpeed:
    """Play a task with random actions for `budget` seconds, two environments a worker."""
    workers = usable_cores()
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


def _steps_per_second(pool: EnvPool, budget: float) -> float:
    rng, seeds = np.random.default_rng(0), np.arange(pool.size)
    pool.reset(seeds)
    begin, steps = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - begin) < budget:
        result = pool.step(rng.uniform(-1, 1, (pool.size, pool.action_size)))
        steps += pool.size
        if result.last.any():
            pool.reset_where(result.last, seeds + steps)
    return steps / elapsed

"""Plays a task briefly with random actions, to check that agents can train on it."""

from __future__ import annotations

import time
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO

import numpy as np

from a2ls_dsl.rl.envs.pool import EnvPool
from a2ls_dsl.rl.envs.tasks import Task, suite_of

EPISODES = 3
SECONDS = 10.0


@dataclass(frozen=True)
class Trial:
    """The results. repeats: whether equal seeds and actions gave equal episodes; returns, steps: of whole
    episodes with random actions; terminated: how many of these ended by the task's own rules; episode_frames:
    the limit after which an episode is cut; cut: what else cut one, in words."""

    observation_shape: tuple[int, ...]
    action_size: int
    discrete: bool
    episode_frames: int
    repeats: bool
    returns: tuple[float, ...]
    steps: tuple[int, ...]
    terminated: int
    steps_per_second: float
    cut: str


def try_task(task: Task) -> Trial:
    """Play up to three episodes for about ten seconds, in two processes at once. Raises `A2lError`."""
    rng, returns, steps, terminated, repeats = np.random.default_rng(0), list[float](), list[int](), 0, True
    with EnvPool(task, 2, 2) as pool:
        begin, played = time.perf_counter(), 0
        while len(returns) < EPISODES and time.perf_counter() - begin < SECONDS:
            seen = pool.reset(np.full(2, len(returns)))
            total, length, last = 0.0, 0, False
            while not last and time.perf_counter() - begin < SECONDS:
                repeats = repeats and bool((seen[0] == seen[1]).all())
                if pool.discrete:
                    result = pool.step(np.full(2, rng.integers(pool.action_size)))
                else:
                    result = pool.step(np.tile(rng.uniform(-1, 1, (1, pool.action_size)), (2, 1)))
                pairs = ((values[0], values[1]) for values in (result.reward, result.last))
                repeats = repeats and all(first == second for first, second in pairs)
                seen, last = result.observation, bool(result.last.any())
                total, length, played = total + float(result.reward[0]), length + 1, played + 1
            if last:
                returns.append(total)
                steps.append(length)
                terminated += bool(result.terminated[0])
        seconds = time.perf_counter() - begin
        return Trial(
            pool.observation_shape,
            pool.action_size,
            pool.discrete,
            pool.episode_frames or task.episode_frames,
            bool(repeats),
            tuple(returns),
            tuple(steps),
            terminated,
            played / seconds,
            _cut(task),
        )


def _cut(task: Task) -> str:
    """What cuts an episode of an environment in this process, if it isn't its end: see `GymEnv.step`."""
    rng, deadline = np.random.default_rng(0), time.perf_counter() + SECONDS
    with redirect_stdout(StringIO()):
        env = suite_of(task).make(task, None, life_loss=False)
        env.reset(0)
        last = False
        while not last and time.perf_counter() < deadline:
            act = rng.integers(env.action_size) if env.discrete else rng.uniform(-1, 1, env.action_size)
            last = env.step(act).last
    return str(getattr(env, "cut", ""))

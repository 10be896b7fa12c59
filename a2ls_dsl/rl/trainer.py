"""Trains a stack of members on one task: physics in worker processes, learning here, evaluation in between.

The trainer only computes. It hands out what happened as it happens, and keeps its whole state in arrays, so
that commands decide what to show, what to store and when to stop.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from a2ls_dsl.backend.counter_rng import Purpose
from a2ls_dsl.lang.ast import Loss
from a2ls_dsl.rl.envs.pool import EnvPool, StepResult
from a2ls_dsl.rl.envs.tasks import Task
from a2ls_dsl.rl.replay import Replay
from a2ls_dsl.rl.sac import SacStack
from a2ls_dsl.rl.settings import EvaluationSettings, SacSettings

PROGRESS_SECONDS = 0.5


@dataclass(frozen=True)
class Plan:
    """What is to be trained: one member per loss (None: no auxiliary loss), each with its seed, on one task.

    frames: environment frames a member; replay capacity is cut to what they need.
    """

    task: Task
    losses: tuple[Loss | None, ...]
    seeds: tuple[int, ...]
    frames: int
    settings: SacSettings = field(default_factory=SacSettings)
    evaluation: EvaluationSettings = field(default_factory=EvaluationSettings)

    @property
    def steps(self) -> int:
        """Agent steps of each member."""
        return self.task.frames_to_steps(self.frames)

    @property
    def evaluation_frames(self) -> tuple[int, ...]:
        """The frames after which the policies are scored: every so many, and at the end."""
        every = self.evaluation.every_frames
        return (*range(every, self.frames, every), self.frames)


@dataclass(frozen=True)
class Progress:
    """Where a run stands. training_return: (members,) of the last full episodes, NaN before the first."""

    frames: int
    total_frames: int
    frames_per_second: float
    training_return: NDArray[np.float64]

    @property
    def seconds_left(self) -> float:
        """Estimated seconds to the end; infinite before the first measurement."""
        missing = self.total_frames - self.frames
        return missing / self.frames_per_second if self.frames_per_second > 0 else float("inf")


@dataclass(frozen=True)
class Evaluation:
    """The policies' scores after `frames` frames of training.

    returns: (members, episodes), undiscounted; training_return: (members,) mean over the training episodes
    since the last evaluation (NaN without any); metrics: means of the learner's figures by name, (members,);
    diverged: (members,) whether a member's parameters are no longer finite (its returns then count as 0).
    """

    frames: int
    returns: NDArray[np.float64]
    training_return: NDArray[np.float64]
    metrics: dict[str, list[float]]
    diverged: NDArray[np.bool_]

    @property
    def mean_return(self) -> NDArray[np.float64]:
        """(members,)"""
        return self.returns.mean(axis=1)


class Trainer:
    """Runs a plan. `run` yields; between two yields the state is consistent.

    Physics of a step overlaps with the update before it: update i sees the steps up to i - 1.
    """

    def __init__(self, plan: Plan, device: str = "cpu", workers: int | None = None) -> None:
        self.plan = plan
        self.device = device
        members = len(plan.losses)
        self.pool = EnvPool(plan.task, members, workers)
        try:
            self.evaluation_pool = EnvPool(plan.task, members, workers)
            sizes = self.pool.observation_size, self.pool.action_size
            self.stack = SacStack(plan.losses, plan.seeds, *sizes, plan.settings, device)
            # Two more rows an episode than steps, and one that is being written.
            episodes = plan.frames // plan.task.episode_frames + 2
            capacity = min(plan.settings.replay_capacity, plan.steps + 2 * episodes)
            horizon = self.stack.auxiliary.tables.horizon
            self.replay = Replay(horizon, capacity, *sizes).to(device)
        except BaseException:
            self.close()
            raise
        self.step = 0
        self.episode = np.zeros(members, np.int64)
        self.evaluations = 0
        self._episode_return = np.zeros(members)
        self._finished: list[list[float]] = [[] for _ in range(members)]
        self._last_return = np.full(members, np.nan)

    def close(self) -> None:
        """End the worker processes."""
        for name in ("pool", "evaluation_pool"):
            if hasattr(self, name):
                getattr(self, name).close()

    def __enter__(self) -> Trainer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def frames(self) -> int:
        """Frames trained so far, a member."""
        return min(self.plan.task.steps_to_frames(self.step), self.plan.frames)

    @property
    def between_episodes(self) -> bool:
        """Whether every member's episode has just ended: the state then needs no state of a simulation."""
        return bool((self.replay.position == 0).all())

    def run(self) -> Iterator[Progress | Evaluation]:
        """Train to the end of the plan from wherever the state stands; raises `A2lError` if a worker dies."""
        observation = self._begin(np.ones(len(self.plan.losses), np.bool_))
        started, start_frames, shown = time.perf_counter(), self.frames, 0.0
        due = [frames for frames in self.plan.evaluation_frames if frames > self.frames]
        while self.step < self.plan.steps:
            result, observation = self._step(observation)
            if result.last.any():
                observation = self._begin(result.last)
            elapsed = time.perf_counter() - started
            if due and self.frames >= due[0]:
                yield self._evaluate(due.pop(0))
            elif elapsed - shown > PROGRESS_SECONDS:
                shown = elapsed
                rate = (self.frames - start_frames) / elapsed
                yield Progress(self.frames, self.plan.frames, rate, self._last_return.copy())

    def _step(self, observation: Tensor) -> tuple[StepResult, Tensor]:
        """One agent step of every member, with one update; returns what the environments gave."""
        learning = self.step >= self.plan.settings.random_steps
        action = self.stack.act(observation, self.step) if learning else self.stack.random_action(self.step)
        self.pool.start(action.cpu().numpy())
        if learning:
            self.stack.update(self.replay)
        result = self.pool.wait()
        seen = self._tensor(result.observation)
        last = self._tensor(result.last)
        self.replay.append(action, self._tensor(result.reward), self._tensor(result.terminated), seen, last)
        self.step += 1
        self._count(result)
        return result, seen

    def _begin(self, where: NDArray[np.bool_]) -> Tensor:
        """Start the next episode of some members; an episode is a function of (seed, number of the episode)."""
        seeds = self._episode_seeds(Purpose.EPISODE, self.episode)
        observation = self._tensor(self.pool.reset_where(where, seeds))
        self.replay.begin(observation, self._tensor(where))
        self.episode += where
        return observation

    def _count(self, result: StepResult) -> None:
        self._episode_return += result.reward
        for member in np.flatnonzero(result.last):
            self._finished[member].append(float(self._episode_return[member]))
            self._last_return[member] = self._episode_return[member]
            self._episode_return[member] = 0.0

    def _evaluate(self, frames: int) -> Evaluation:
        """Score the deterministic policies on fresh episodes in environments of their own."""
        number, self.evaluations = self.evaluations, self.evaluations + 1
        episodes = self.plan.evaluation.episodes
        returns = np.stack([self._episode(number * episodes + each) for each in range(episodes)], axis=1)
        training = [float(np.mean(each)) if each else float("nan") for each in self._finished]
        self._finished = [[] for _ in self._finished]
        diverged = ~self.stack.finite().cpu().numpy()
        returns[diverged] = 0.0
        return Evaluation(frames, returns, np.array(training), self.stack.pop_metrics(), diverged)

    def _episode(self, number: int) -> NDArray[np.float64]:
        """One evaluation episode of every member: returns (members,)."""
        numbers = np.full(len(self.plan.losses), number)
        seen = self.evaluation_pool.reset(self._episode_seeds(Purpose.EVALUATION, numbers))
        total, running = np.zeros(len(numbers)), np.ones(len(numbers), np.bool_)
        while running.any():
            action = self.stack.act(self._tensor(seen))
            result = self.evaluation_pool.step(action.cpu().numpy())
            total += np.where(running, result.reward, 0.0)
            running &= ~result.last
            seen = result.observation
            if result.last.any() and running.any():
                # A lane that is done goes on in an episode that no longer counts.
                seen = self.evaluation_pool.reset_where(
                    result.last, self._episode_seeds(Purpose.EVALUATION, numbers)
                )
        return total

    def _episode_seeds(self, purpose: Purpose, number: NDArray[np.int64]) -> NDArray[np.int64]:
        counter = torch.as_tensor(number, device=self.device)
        return (self.stack.rng.bits(purpose, counter, 1)[:, 0] & 0xFFFFFFFF).cpu().numpy()

    def _tensor(self, array: NDArray[np.generic]) -> Tensor:
        return torch.as_tensor(array, device=self.device)


def aulc(returns: Sequence[float]) -> float:
    """Area under the learning curve: the mean of evaluation returns at equal distances (He et al. 2022)."""
    return float(np.mean(returns))

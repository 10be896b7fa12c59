"""Trains a stack of members on one task: physics in worker processes, learning here, evaluation in between.

The trainer only computes. It hands out what happened as it happens, and keeps its whole state in arrays, so
that commands decide what to show, what to store and when to stop.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from a2ls_dsl.backend.counter_rng import Purpose
from a2ls_dsl.lang.ast import Loss
from a2ls_dsl.rl.clock import Clock
from a2ls_dsl.rl.envs.pool import EnvPool, StepResult
from a2ls_dsl.rl.envs.tasks import Task
from a2ls_dsl.rl.evaluation import Evaluation, Evaluator
from a2ls_dsl.rl.learner import Arrays, Learner
from a2ls_dsl.rl.memory import check_memory
from a2ls_dsl.rl.observations import History, Observations
from a2ls_dsl.rl.replay import Replay
from a2ls_dsl.rl.settings import Computation, EvaluationSettings, PixelSettings, SacSettings

PROGRESS_SECONDS = 0.5
SPEED_SECONDS = 10.0


@dataclass(frozen=True)
class Plan:
    """What is to be trained: one member per loss (None: no auxiliary loss), each with its seed, on one task.

    frames: environment frames a member; replay capacity is cut to what they need. pixels: what is rendered;
    None trains on vectors.
    """

    task: Task
    losses: tuple[Loss | None, ...]
    seeds: tuple[int, ...]
    frames: int
    settings: SacSettings = field(default_factory=SacSettings)
    evaluation: EvaluationSettings = field(default_factory=EvaluationSettings)
    pixels: PixelSettings | None = None
    computation: Computation = field(default_factory=Computation)

    def __post_init__(self) -> None:
        """Raises `A2lError` where frames are no whole agent steps."""
        self.task.check_frames("the budget", self.frames)
        self.task.check_frames("the distance of two evaluations", self.evaluation.every_frames)

    @property
    def steps(self) -> int:
        """Agent steps of each member."""
        return self.task.frames_to_steps(self.frames)

    def next_evaluation(self, frames: int) -> int:
        """After which frame the policies are scored next: every so many, and at the end."""
        every = self.evaluation.every_frames
        return min((frames // every + 1) * every, self.frames)


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
class EpisodesEnded:
    """The episodes of all members have just ended together: a moment at which `state` is complete."""

    frames: int


class Trainer:
    """Runs a plan. `run` yields; between two yields the state is consistent.

    Physics of a step overlaps with an update: update i sees the steps up to i - 1. Evaluations are played on
    the side, at a pace that has each at its end before the next begins; so they come out later than at the
    frames that they are of. `exact` makes a member's results the same, bit for bit, in any company (see
    `learner.py`).
    """

    def __init__(
        self, plan: Plan, device: str = "cpu", workers: int | None = None, exact: bool = False
    ) -> None:
        self.plan, self.exact, self.clock = plan, exact, Clock()
        members = len(plan.losses)
        rendering = plan.pixels.rendering if plan.pixels else None
        self.pool = EnvPool(plan.task, members, workers, rendering=rendering)
        try:
            self.evaluation_pool = EnvPool(plan.task, members, workers, rendering=rendering)
            sizes = self._observations(), self.pool.action_size
            # An episode takes one row more than it has steps, and one row is being written.
            episodes = plan.frames // plan.task.episode_frames + 2
            self.replay_rows = min(plan.settings.replay_capacity, plan.steps + 2 * episodes)
            self.replay_bytes = Replay.bytes_needed(members, self.replay_rows, *sizes)
            check_memory(self.replay_bytes, members, device)
            self.learner = Learner(
                plan.losses,
                plan.seeds,
                *sizes,
                self.replay_rows,
                plan.settings,
                device,
                exact,
                plan.computation,
            )
        except BaseException:
            self.close()
            raise
        self.evaluator = Evaluator(self.evaluation_pool, self.learner, plan.evaluation.episodes)
        playing = plan.evaluation.episodes * plan.task.episode_steps
        self._pace = -(-playing // plan.task.frames_to_steps(plan.evaluation.every_frames))
        self.step = 0
        self._episode = np.zeros(members, np.int64)
        self._running = np.zeros(members, np.bool_)
        self._history = History(members, sizes[0])
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
        return not self._running.any()

    @property
    def finished(self) -> bool:
        """Whether the plan is fulfilled, the last evaluation included."""
        return self.step >= self.plan.steps and not self.evaluator.running

    def state(self) -> tuple[Arrays, dict[str, object]]:
        """Everything that a later process needs to go on, as arrays and JSON values.

        Only complete between episodes: the state of a simulation isn't kept.
        """
        arrays = self.learner.state() | {"episode": self._episode, "last_return": self._last_return}
        return arrays, {
            "step": self.step,
            "evaluator": self.evaluator.state(),
            "finished": self._finished,
        }

    def restore(self, arrays: Mapping[str, NDArray[np.generic]], values: Mapping[str, Any]) -> None:
        """Take over a state that `state` of the same plan returned."""
        self.learner.restore(arrays)
        self._episode = arrays["episode"].astype(np.int64)
        self._last_return = arrays["last_return"].astype(np.float64)
        self.step = int(values["step"])
        self.evaluator.restore(values["evaluator"])
        self._finished = [list(each) for each in values["finished"]]

    def run(self) -> Iterator[Progress | Evaluation | EpisodesEnded]:
        """Train to the end of the plan from wherever the state stands; raises `A2lError` if a worker dies."""
        speed = _Speed(self.frames)
        due = self.plan.next_evaluation(self.frames)
        while self.step < self.plan.steps:
            ended = self.tick()
            if self.frames == due:
                # Only one runs at a time. What is yielded comes last: it may be stored with the state.
                ended = ended or self.evaluator.finish()
                self._begin_evaluation(due)
                due = self.plan.next_evaluation(due)
            if ended is not None:
                yield ended
            if self.between_episodes:
                yield EpisodesEnded(self.frames)
            if speed.due():
                rate = speed.measure(self.frames)
                yield Progress(self.frames, self.plan.frames, rate, self._last_return.copy())
        if (ended := self.evaluator.finish()) is not None:
            yield ended

    def tick(self) -> Evaluation | None:
        """One agent step of every member, and one update once there is enough to learn from.

        Gives an evaluation that ended beside it; `run` begins them.
        """
        self._begin(~self._running)
        learning = self.step >= self.plan.settings.random_steps
        choose = self.learner.act if learning else self._random_action
        clock = self.clock
        with clock.part("acting"):
            action = choose(self._history.seen, self.step)
            self.pool.start(action)
        evaluating = self.evaluator.running
        if evaluating:
            with clock.part("evaluation"):
                self.evaluator.start()
        if learning:
            with clock.part("update"):
                self.learner.update()
        with clock.part("environments"):
            result = self.pool.wait()
        with clock.part("storing"):
            self.learner.append(action, result.reward, result.terminated, result.observation, result.last)
            self._history.push(result.observation)
        self._running = ~result.last
        self.step += 1
        self._count(result)
        if not evaluating:
            return None
        with clock.part("evaluation"):
            return self._evaluation_steps()

    def _observations(self) -> Observations:
        pixels, shape = self.plan.pixels, self.pool.observation_shape
        return Observations(shape, pixels.stack, pixels.crop) if pixels else Observations(shape)

    def _evaluation_steps(self) -> Evaluation | None:
        """Collect the evaluation's step that has begun, and play as many more as the pace asks for."""
        ended = self.evaluator.wait()
        for _ in range(self._pace - 1):
            if ended is not None:
                break
            self.evaluator.start()
            ended = self.evaluator.wait()
        return ended

    def _random_action(self, _: NDArray[Any], counter: int) -> NDArray[np.float32]:
        return self.learner.random_action(counter)

    def _begin(self, where: NDArray[np.bool_]) -> None:
        """Start the next episode of some members; it is a function of a member's seed and its number."""
        if where.any():
            seeds = self.learner.episode_seeds(Purpose.EPISODE, self._episode)
            first = self.pool.reset_where(where, seeds)
            self._history.begin(first, where)
            self.learner.begin(first, where)
            self._episode += where

    def _count(self, result: StepResult) -> None:
        self._episode_return += result.reward
        for member in np.flatnonzero(result.last):
            self._finished[member].append(float(self._episode_return[member]))
            self._last_return[member] = self._episode_return[member]
            self._episode_return[member] = 0.0

    def _begin_evaluation(self, frames: int) -> None:
        training = [float(np.mean(each)) if each else float("nan") for each in self._finished]
        self._finished = [[] for _ in self._finished]
        self.evaluator.begin(frames, np.array(training))


class _Speed:
    """Frames per second over the last seconds: a run's start, with random actions, is no guide to its end."""

    def __init__(self, frames: int) -> None:
        self._marks = deque([(time.perf_counter(), frames)])

    def due(self) -> bool:
        return time.perf_counter() - self._marks[-1][0] > PROGRESS_SECONDS

    def measure(self, frames: int) -> float:
        now = time.perf_counter()
        self._marks.append((now, frames))
        while len(self._marks) > 2 and now - self._marks[1][0] > SPEED_SECONDS:
            self._marks.popleft()
        begin, before = self._marks[0]
        return (frames - before) / (now - begin)


def aulc(returns: Sequence[float]) -> float:
    """Area under the learning curve: the mean of evaluation returns at equal distances (He et al. 2022)."""
    return float(np.mean(returns))

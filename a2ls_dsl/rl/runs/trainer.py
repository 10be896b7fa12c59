"""Trains a stack of members to a plan: all begin together, each has its slot to the end.

The trainer only computes. It hands out what happened as it happens, and keeps its whole state in arrays, so
that commands decide what to show, what to store and when to stop.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from a2ls_dsl.lang.syntax.tree import Loss
from a2ls_dsl.rl.runs.training import Member, Training
from a2ls_dsl.rl.slots.evaluation import Score
from a2ls_dsl.rl.slots.learner_state import Arrays
from a2ls_dsl.rl.slots.parts import Running
from a2ls_dsl.rl.slots.slots import Replaced
from a2ls_dsl.rl.slots.stacks import Stacks

PROGRESS_SECONDS = 0.5
SPEED_SECONDS = 10.0


@dataclass(frozen=True)
class Plan:
    """What is to be trained: one member per loss (None: no auxiliary loss), each with its seed.

    arms: the name of each member's loss, where names matter.
    """

    training: Training
    losses: tuple[Loss | None, ...]
    seeds: tuple[int, ...]
    arms: tuple[str, ...] = ()

    @property
    def members(self) -> tuple[Member, ...]:
        """Losses and seeds together."""
        return tuple(Member(loss, seed) for loss, seed in zip(self.losses, self.seeds, strict=True))

    @property
    def compares(self) -> bool:
        """Whether the members have several losses, by name."""
        return len(set(self.arms)) > 1

    @property
    def curves(self) -> tuple[str, ...]:
        """What the curve of each member is called: `seed-0`, of several losses `none-seed-0`."""
        seeds = [f"seed-{seed}" for seed in self.seeds]
        if not self.compares:
            return tuple(seeds)
        return tuple(f"{arm}-{seed}" for arm, seed in zip(self.arms, seeds, strict=True))


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
    """The policies' scores after `frames` frames of training; a score a member, in their order."""

    frames: int
    scores: tuple[Score, ...]

    @property
    def returns(self) -> NDArray[np.float64]:
        """(members, episodes), undiscounted."""
        return np.array([score.returns for score in self.scores])

    @property
    def mean_return(self) -> NDArray[np.float64]:
        """(members,)"""
        return np.asarray(self.returns.mean(axis=1))

    @property
    def diverged(self) -> NDArray[np.bool_]:
        """(members,) whether a member's policy is no longer finite; its returns then count as 0."""
        return np.array([score.diverged for score in self.scores])


@dataclass(frozen=True)
class Ticked:
    """An agent step is done, after `frames` frames of training: the state can be stored, the run be left."""

    frames: int


class Trainer:
    """Runs a plan. `run` yields; between two yields the state is consistent.

    Physics of a step overlaps with an update: update i sees the steps up to i - 1. Evaluations are played on
    the side, at a pace that has each at its end before the next begins; so they come out later than at the
    frames that they are of. A member whose policy is no longer finite stops at the evaluation that finds
    it, and all later ones repeat that. exact: a member's results are the same, bit for bit, in any company.
    """

    def __init__(
        self, plan: Plan, device: str = "cpu", workers: int | None = None, exact: bool = False
    ) -> None:
        self.plan, self.exact = plan, exact
        self.slots = Stacks(plan.training, plan.members, Running(device, workers, exact))
        # By frames and member, until those of all members are there.
        self._scores: dict[int, dict[int, Score]] = {}
        self._told = 0  # of workers that were replaced

    def close(self) -> None:
        """End the worker processes."""
        self.slots.close()

    def __enter__(self) -> Trainer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def frames(self) -> int:
        """Frames trained so far, a member."""
        return int(self.slots.frames.max())

    @property
    def trained(self) -> bool:
        """Whether all frames of the plan are trained; the last evaluation may still be running."""
        return not self.slots.busy.any()

    @property
    def finished(self) -> bool:
        """Whether the plan is fulfilled, the last evaluation included."""
        return self.trained and not self.slots.evaluating and not self._scores

    def state(self) -> tuple[Arrays, dict[str, Any]]:
        """Everything that a later process needs to go on."""
        arrays, values = self.slots.state()
        scores = [vars(score) for scores in self._scores.values() for score in scores.values()]
        return arrays, {"slots": values, "scores": scores}

    def restore(self, arrays: Mapping[str, NDArray[Any]], values: Mapping[str, Any]) -> None:
        """Take over a state that `state` of the same plan returned."""
        self.slots.restore(arrays, values["slots"])
        self._scores = {}
        for value in values["scores"]:
            self._keep(Score.of(value))

    def run(self) -> Iterator[Progress | Evaluation | Replaced | Ticked]:
        """Train to the end of the plan from wherever the state stands; raises `A2lError` if a worker dies."""
        speed = _Speed(self.frames)
        while not self.trained:
            scores = self.slots.tick()
            yield from self._complete(scores)
            yield from self._replaced()
            yield Ticked(self.frames)
            if speed.due():
                rate = speed.measure(self.frames)
                total = self.plan.training.frames
                yield Progress(self.frames, total, rate, self.slots.last_return.copy())
        while self.slots.evaluating:
            yield from self._complete(self.slots.evaluate())
            yield from self._replaced()
            yield Ticked(self.frames)

    def _replaced(self) -> Iterator[Replaced]:
        """The workers that were replaced since the last call."""
        new = self.slots.replaced[self._told :]
        self._told += len(new)
        yield from map(Replaced, new)

    def _complete(self, scores: Sequence[Score]) -> Iterator[Evaluation]:
        """The evaluations of all members that these scores complete."""
        for score in scores:
            self._keep(score)
            for later in self._repeated(score) if score.diverged else ():
                self._keep(later)
        ready = [frames for frames, scores in self._scores.items() if len(scores) == len(self.plan.losses)]
        for frames in sorted(ready):
            complete = self._scores.pop(frames)
            yield Evaluation(frames, tuple(complete[member] for member in sorted(complete)))

    def _repeated(self, score: Score) -> Iterator[Score]:
        """The evaluations still to come of a member that has diverged: it has stopped, its policy stays."""
        total, every = self.plan.training.frames, self.plan.training.evaluation.every_frames
        goals = [*range(score.frames + every, total, every), *[total] * (score.frames < total)]
        nothing = dict.fromkeys(score.metrics, math.nan)
        for number, goal in enumerate(goals, score.number + 1):
            yield replace(score, number=number, frames=goal, training_return=math.nan, metrics=nothing)

    def _keep(self, score: Score) -> None:
        self._scores.setdefault(score.frames, {})[score.member] = score


class _Speed:
    """Frames per second over the last seconds: the random steps at a run's start say nothing of its end."""

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

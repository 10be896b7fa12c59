"""Stacks of unequal losses, as in a search: in buckets of similar sizes, or padded to the largest."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.lang.syntax.tree import Loss
from a2ls_dsl.rl.bench.floor import synchronize
from a2ls_dsl.rl.bench.updates import ACTION, ROWS, VECTORS, check_reach, fill_replay, warm_up
from a2ls_dsl.rl.compute.footprint import footprint_of
from a2ls_dsl.rl.envs.tasks import Task
from a2ls_dsl.rl.settings import Computation, SacSettings
from a2ls_dsl.rl.slots.learner import Learner

_MOST_TURNS = 20


@dataclass(frozen=True, kw_only=True)
class CandidateTime:
    """What a candidate costs: milliseconds per member-update; updates: per candidate."""

    milliseconds: float
    updates: int

    @property
    def candidates_per_hour(self) -> float:
        """Candidates per hour if only what was measured took time."""
        return 3.6e6 / (self.milliseconds * self.updates)


@dataclass(frozen=True, kw_only=True)
class MixTime(CandidateTime):
    """A way to compute a stack, without physics: its padding limit (see `StackedLoss`) and its buckets."""

    padding: float
    buckets: int


def updates_of(task: Task, frames: int, settings: SacSettings) -> int:
    """The updates of a candidate that is trained for so many frames of a task.

    Raises `A2lError` for frames that are not whole agent steps or end before learning begins.
    """
    task.check_frames("the budget of a candidate", frames)
    updates = (task.frames_to_steps(frames) - settings.random_steps) * settings.updates_per_step
    if updates <= 0:
        begin_at = task.steps_to_frames(settings.random_steps)
        raise A2lError(
            f"a candidate of {frames:,} frames makes no update: learning begins after {begin_at:,}",
            f"give it more than {begin_at:,} frames",
        )
    return updates


def measure_mix(
    losses: Sequence[Loss],
    task: Task,
    frames: int,
    settings: SacSettings,
    device: str,
    computation: Computation,
    budget: float,
) -> list[MixTime]:
    """Measure padding to the largest loss and the padding of `computation`, in turns for `budget` seconds.

    frames: for training a candidate of the task. Raises `A2lError` for a loss that looks beyond the made-up
    episodes, and for frames without an update.
    """
    for loss in losses:
        check_reach(loss)
    updates = updates_of(task, frames, settings)
    fitting = (
        footprint_of(settings, losses, VECTORS, ACTION, ROWS, device=device).fitting(
            2 * len(losses), 1, device
        )
        // 2
    )
    if fitting < len(losses):
        raise A2lError(
            f"two stacks of {len(losses)} members don't fit into memory",
            f"measure stacks of {fitting}: --members {fitting}"
            if fitting
            else "use a machine with more memory",
        )
    ways = [replace(computation, padding=padding) for padding in (math.inf, computation.padding)]
    learners = [_filled(losses, settings, device, way) for way in ways]
    times: list[list[float]] = [[] for _ in ways]
    begin = time.perf_counter()
    while not times[-1] or (time.perf_counter() - begin < budget and len(times[-1]) < _MOST_TURNS):
        for learner, spent in zip(learners, times, strict=True):
            synchronize(device)
            start = time.perf_counter()
            for _ in range(settings.cycle):  # updates with and without the actor's part
                learner.update()
            synchronize(device)
            spent.append((time.perf_counter() - start) / settings.cycle)
    rows = list[MixTime]()
    for learner, spent in zip(learners, times, strict=True):
        auxiliary = learner.stacks[0].auxiliary
        with closing(learner):
            milliseconds = 1e3 * statistics.median(spent) / len(losses)
        rows.append(
            MixTime(
                padding=auxiliary.padding,
                buckets=len(auxiliary.buckets),
                milliseconds=milliseconds,
                updates=updates,
            )
        )
    return rows


def _filled(losses: Sequence[Loss], settings: SacSettings, device: str, computation: Computation) -> Learner:
    """A learner with random experience whose slots were filled one after another, as in a search."""
    learner = Learner(
        *(losses, range(len(losses)), VECTORS, ACTION, ROWS, settings, device),
        computation=computation,
        refill=True,
    )
    fill_replay(learner)
    for member in range(len(losses)):
        learner.activate(member)
        learner.update()
    for _ in range(warm_up(device)):
        learner.update()
    return learner

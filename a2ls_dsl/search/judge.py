"""What evaluations lead to: curves grow, rungs stop candidates that fall behind, ends of runs are stored."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from a2ls_dsl.rl.runs.curve import Point, area
from a2ls_dsl.rl.slots.evaluation import Score
from a2ls_dsl.search.candidates import Run, Status
from a2ls_dsl.search.rungs import foresight
from a2ls_dsl.search.settings import SearchSettings
from a2ls_dsl.search.study.reader import RUNG
from a2ls_dsl.search.study.study import Study

DIVERGED = "diverged: parameters are no longer finite"


class Judge:
    """Takes evaluations of runs. What it stores belongs to the study's current decision."""

    def __init__(self, settings: SearchSettings, study: Study, failure: str = DIVERGED) -> None:
        """failure: what is stored of a run without a score."""
        self._settings, self._study, self._failure = settings, study, failure
        self._rungs = {
            frames: _Rung(study.areas(frames), study.halves(frames), frames in study.open_rungs())
            for frames in settings.rung_frames
        }

    def take(self, run: Run, points: list[Point], score: Score, tick: int) -> Status:
        """Store an evaluation, and the end of the run if this is its last; returns the run's status.

        points: the run's evaluations so far, to which this one is added.
        """
        points.append(score.point)
        self._study.point(run, points[-1])
        begin = self._settings.learning
        curve = [(point.frames, point.with_training) for point in points]
        reached = area(curve, begin)
        status = self._status(run, score, reached)
        if status is Status.RUNNING:
            return status
        if status is Status.SCORED and self.in_question(run):
            for frames, rung in self._rungs.items():
                rung.halves.append((area(curve, begin, frames), area(curve, frames)))
        failed, training = status is Status.FAILED, area(_in_training(points), begin)
        self._study.finish(
            run,
            status,
            None if failed else reached,
            training if math.isfinite(training) else None,
            tick,
            self._failure if failed else "",
        )
        return status

    def in_question(self, run: Run) -> bool:
        """Whether gates and rungs may stop it: neither references nor runs with fresh seeds."""
        return run.seed == self._study.seed and not self._study.candidate(run.candidate).is_reference

    def _status(self, run: Run, score: Score, reached: float) -> Status:
        if score.diverged:
            return Status.FAILED
        if score.frames >= self._settings.frames:
            return Status.SCORED
        at_rung = score.frames in self._rungs and self.in_question(run)
        return Status.CULLED if at_rung and not self._goes_on(score.frames, reached) else Status.RUNNING

    def _goes_on(self, frames: int, reached: float) -> bool:
        """The decision of a rung; a closed one first checks whether to open."""
        rungs, rung = self._settings.rungs, self._rungs[frames]
        if rungs is not None and not rung.open and rungs.opens(evidence := foresight(rung.halves)):
            rung.open = True
            self._study.open_rung(frames, evidence)
        goes_on = rungs is None or not rung.open or rungs.goes_on(reached, rung.areas)
        rung.areas.append(reached)
        saved = 0 if goes_on else self._settings.frames - frames
        self._study.count(f"{RUNG}{frames}", passed=goes_on, stopped=not goes_on, frames=saved)
        return goes_on


@dataclass
class _Rung:
    """What a rung has seen: the areas of all that got there, both areas of whole curves; whether it is
    open."""

    areas: list[float]
    halves: list[tuple[float, float]]
    open: bool


def _in_training(points: Iterable[Point]) -> list[tuple[int, float]]:
    """The returns of training episodes, where any ended."""
    return [(point.frames, point.training_return) for point in points if math.isfinite(point.training_return)]

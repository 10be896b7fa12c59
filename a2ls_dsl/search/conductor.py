"""Decides who trains next and what becomes of whom: the search as a machine that is told what happened.

It neither trains nor waits. What is decided at a tick is stored in the study, as a whole, so that a search
that was killed is led through the same ticks again: from the one after which its slots were stored, or else
from those at which its runs in training had begun. What was decided is not decided a second time. A tick has
two halves: slots are filled, then scores come in; the study's clock counts halves.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from a2ls_dsl.lang.grammar import Grammar
from a2ls_dsl.rl.evaluation import Score
from a2ls_dsl.search.candidates import Candidate, Point, Run, Status, area, references
from a2ls_dsl.search.gates import Gate
from a2ls_dsl.search.reader import RUNG
from a2ls_dsl.search.rungs import foresight
from a2ls_dsl.search.settings import SearchSettings
from a2ls_dsl.search.strategies import Scored, strategy_of
from a2ls_dsl.search.study import Study

DIVERGED = "diverged: parameters are no longer finite"
PROPOSALS = 5
"""At most so many losses are proposed for each that may train; what gates stop is replaced."""


@dataclass(frozen=True)
class Ended:
    """A run that has ended, with what became of it, and its candidate as it is now."""

    run: Run
    status: Status
    candidate: Candidate


class Conductor:
    """Leads a search through its ticks. `gates` look at candidates before they train."""

    def __init__(
        self,
        settings: SearchSettings,
        grammar: Grammar,
        study: Study,
        gates: Sequence[Gate] = (),
        repeat: bool = True,
    ) -> None:
        """repeat: lead an interrupted search through its ticks again; else what was in training is queued."""
        self.settings, self.study, self.gates = settings, study, gates
        self.strategy = strategy_of(settings, grammar)
        self.stored = study.clock  # up to this half of a tick all is decided
        self._points: dict[int, list[Point]] = {}  # of the runs in training, by run
        self._running: dict[int, Run] = {}  # by slot
        self._taken = study.keys() | {one.key for one in references()}
        self._waiting = self._exhausted = False  # until something is scored; for ever
        self._rungs = {
            frames: _Rung(study.areas(frames), study.halves(frames), frames in study.open_rungs())
            for frames in settings.rung_frames
        }
        self._resume = self._interrupted(repeat)

    @property
    def first_tick(self) -> int:
        """Where to begin: a multiple of the updates' cycle, so that all are in step with it as before."""
        begun = [run.began for run in self._resume if run.began is not None]
        first = min(begun, default=(self.stored + 1) // 2)
        return first - first % self.settings.agent.cycle

    @property
    def training(self) -> Mapping[int, Run]:
        """The runs in training, by slot."""
        return self._running

    @property
    def busy(self) -> bool:
        """Whether any run is in training, or is to be taken up again."""
        return bool(self._running or self._resume)

    @property
    def finished(self) -> bool:
        """Whether nothing is in training and nothing is left to do."""
        return self._exhausted and not self.busy

    def fill(self, tick: int, free: Sequence[int]) -> list[tuple[int, Run]]:
        """Who takes which of the free slots at this tick."""
        half = 2 * tick
        if half <= self.stored:
            filled = [(run.slot, run) for run in self._resume if run.began == tick and run.slot is not None]
            self._resume = [run for run in self._resume if run.began != tick]
        elif free and not (self._waiting or self._exhausted):
            with self.study.deciding(half):
                filled = self._decide(tick, free)
            self.stored = half
            self._waiting = len(filled) < len(free)
            self._exhausted = not (filled or self._running)
        else:
            return []
        for slot, run in filled:
            self._running[slot], self._points[run.id] = run, []
        return filled

    def score(self, tick: int, scores: Sequence[Score]) -> tuple[list[int], list[Ended]]:
        """Take in the evaluations that ended at this tick: the slots to clear, and the runs that ended."""
        if not scores:
            return [], []
        half = 2 * tick + 1
        if half <= self.stored:
            for score in scores:
                self._points[self._running[score.member].id].append(_point(score))
            return [], []
        with self.study.deciding(half):
            ended = [each for score in scores if (each := self._take(tick, score)) is not None]
        self.stored = half
        if ended:
            self.study.settle()
        self._waiting = self._waiting and not ended
        cleared = [score.member for score in scores if score.member not in self._running]
        return cleared, [Ended(run, status, self.study.candidate(run.candidate)) for run, status in ended]

    def lose(self, slots: Sequence[int]) -> None:
        """The members of these slots are lost: their runs are queued again, and come first."""
        runs = [self._running.pop(slot) for slot in slots if slot in self._running]
        for run in runs:
            del self._points[run.id]
        self._queue_again(runs)
        self._waiting = self._waiting and not runs

    def state(self, tick: int) -> dict[str, Any]:
        """What `take_up` needs beside the study: who trains after this tick, and their evaluations so far."""
        runs = [
            [slot, run.id, run.began, [vars(point) for point in self._points[run.id]]]
            for slot, run in self._running.items()
        ]
        return {"tick": tick, "clock": self.study.clock, "runs": runs}

    def take_up(self, state: Mapping[str, Any]) -> list[int] | None:
        """Go on where `state` was taken, with the runs that trained then instead of beginning them anew.

        Gives the slots of those that have ended since, as the study knows; None, and nothing is done, where
        the study doesn't go on from there.
        """
        inside = {(slot, number, began): points for slot, number, began, points in state["runs"]}
        begun = {
            (run.slot, run.id, run.began): run
            for run in self._resume
            if run.slot is not None and run.began is not None and run.began <= state["tick"]
        }
        if not begun.keys() <= inside.keys() or state["clock"] > self.study.clock:
            return None
        for (slot, number, _), run in begun.items():
            self._running[slot] = run
            self._points[number] = [
                Point(**{**each, "returns": tuple(each["returns"])})
                for each in inside[slot, number, run.began]
            ]
        self._resume = [run for run in self._resume if run not in begun.values()]
        return [slot for slot, *_ in inside.keys() - begun.keys()]

    # What the study knows, as strategies ask for it.

    @property
    def proposed(self) -> int:
        """See `Knowledge`."""
        counts = self.study.counts()
        return sum(counts.values()) - (len(references()) if self.newest else 0)

    @property
    def newest(self) -> int:
        """See `Knowledge`."""
        return self.study.generations

    @property
    def waiting(self) -> bool:
        """See `Knowledge`."""
        counts = self.study.counts()
        return bool(counts[Status.QUEUED] + counts[Status.RUNNING])

    @property
    def taken(self) -> Collection[str]:
        """See `Knowledge`."""
        return self._taken

    def generation(self, number: int) -> Sequence[Scored]:
        """See `Knowledge`."""
        return _scored(self.study.candidates(number, Status.SCORED))

    def latest(self, number: int) -> Sequence[Scored]:
        """See `Knowledge`."""
        return _scored(self.study.latest(number))

    # Decisions, all stored together.

    def _decide(self, tick: int, free: Sequence[int]) -> list[tuple[int, Run]]:
        """Fill free slots with what is queued, else with proposals, else with runs that confirm."""
        filled: list[tuple[int, Run]] = []
        for slot in free:
            run = self._next()
            if run is None:
                break
            self.study.start(run, slot, tick)
            filled.append((slot, replace(run, slot=slot, began=tick, status=Status.RUNNING)))
        return filled

    def _next(self) -> Run | None:
        """The next run that passes the gates."""
        while True:
            queued = self.study.runs(Status.QUEUED, limit=1)
            if queued and self._passes(queued[0]):
                return queued[0]
            if not queued and not (self._propose() or self._confirm()):
                return None

    def _passes(self, run: Run) -> bool:
        if not self._in_question(run):
            return True
        for gate in self.gates:
            if reason := gate.stops(run.loss):
                self.study.reject(run, gate.name, reason)
                return False
            self.study.count(gate.name, passed=1)
        return True

    def _propose(self) -> bool:
        """Ask the strategy; False if it has nothing now, or the budget is spent."""
        budget, rejected = self.settings.candidates, self.study.counts()[Status.REJECTED]
        left = min(budget - (self.proposed - rejected), PROPOSALS * budget - self.proposed)
        if left <= 0:
            return False
        rng = np.random.default_rng(self.settings.seed)
        if state := self.study.rng_state():
            rng.bit_generator.state = state
        proposals = self.strategy.propose(self, rng)[:left]
        if not proposals:
            return False
        self.study.propose(proposals, self._next_generation, rng.bit_generator.state)
        self._taken |= {each.key for each in proposals}
        return True

    @property
    def _next_generation(self) -> int:
        """Populations are numbered; of single proposals, so many as a population make a generation."""
        if self.settings.strategy == "paper":
            return self.newest + 1
        return 1 + self.proposed // self.settings.population

    def _confirm(self) -> bool:
        """Once all are scored: let the best and the references run with fresh seeds; False if they have."""
        wanted = self.settings.confirm
        if not wanted or not self.proposed or self.waiting or self._running:
            return False
        candidates = self.study.candidates(status=Status.SCORED)
        found = {
            loss: each for each in candidates if not each.is_reference and (loss := each.loss) is not None
        }
        # By the search's own runs alone: who is chosen must not change as fresh runs end.
        ranked = self.strategy.ranked([Scored(loss, each.score or 0.0) for loss, each in found.items()])
        chosen = [
            *(found[loss] for loss in ranked[:wanted]),
            *(each for each in candidates if each.is_reference),
        ]
        missing = {each.id: self._fresh_seeds(each) for each in chosen}
        for number, seeds in missing.items():
            self.study.confirm(number, seeds)
        return any(missing.values())

    def _fresh_seeds(self, candidate: Candidate) -> list[int]:
        """The fresh seeds with which a candidate is still to run."""
        trained = {run.seed for run in self.study.runs(candidate=candidate.id)}
        return [seed for seed in self.settings.fresh_seeds if seed not in trained]

    # What becomes of scores, all stored together.

    def _take(self, tick: int, score: Score) -> tuple[Run, Status] | None:
        """Store an evaluation; the run and its status, if it has ended with it."""
        run = self._running[score.member]
        points = self._points[run.id]
        points.append(_point(score))
        self.study.point(run, points[-1])
        begin = self.settings.learning
        found = area(_curve(points), begin)
        status = self._verdict(run, score, found)
        if status is Status.RUNNING:
            return None
        if status is Status.SCORED and self._in_question(run):
            for frames, rung in self._rungs.items():
                rung.halves.append((area(_curve(points), begin, frames), area(_curve(points), frames)))
        failed, training = status is Status.FAILED, area(_curve(points, training=True), begin)
        self.study.finish(
            run,
            status,
            None if failed else found,
            training if math.isfinite(training) else None,
            tick,
            DIVERGED if failed else "",
        )
        del self._running[score.member], self._points[run.id]
        return run, status

    def _verdict(self, run: Run, score: Score, reached: float) -> Status:
        if score.diverged:
            return Status.FAILED
        if score.frames >= self.settings.frames:
            return Status.SCORED
        if (
            score.frames in self._rungs
            and self._in_question(run)
            and not self._goes_on(score.frames, reached)
        ):
            return Status.CULLED
        return Status.RUNNING

    def _goes_on(self, frames: int, reached: float) -> bool:
        """What the rung says; a closed one looks whether it may open."""
        rungs, rung = self.settings.rungs, self._rungs[frames]
        if rungs is not None and not rung.open and rungs.opens(found := foresight(rung.halves)):
            rung.open = True
            self.study.open_rung(frames, found)
        goes_on = rungs is None or not rung.open or rungs.goes_on(reached, rung.areas)
        rung.areas.append(reached)
        saved = 0 if goes_on else self.settings.frames - frames
        self.study.count(f"{RUNG}{frames}", passed=goes_on, stopped=not goes_on, frames=saved)
        return goes_on

    def _in_question(self, run: Run) -> bool:
        """Whether gates and rungs may stop it: neither references nor runs with fresh seeds."""
        return run.seed == self.study.seed and not self.study.candidate(run.candidate).is_reference

    def _interrupted(self, repeat: bool) -> list[Run]:
        """The runs to be taken up again; those whose slot there no longer is are queued."""
        runs = self.study.runs(Status.RUNNING)
        lost = [run for run in runs if not repeat or run.slot is None or run.slot >= self.settings.stack]
        self._queue_again(lost)
        return [run for run in runs if run not in lost]

    def _queue_again(self, runs: Sequence[Run]) -> None:
        if runs:
            with self.study.deciding(self.stored):
                for run in runs:
                    self.study.requeue(run)


@dataclass
class _Rung:
    """What a rung has seen: areas of all that came there, both areas of whole curves; whether it is open."""

    areas: list[float]
    halves: list[tuple[float, float]]
    open: bool


def _point(score: Score) -> Point:
    return Point(score.frames, score.returns, score.training_return)


def _curve(points: Iterable[Point], training: bool = False) -> list[tuple[int, float]]:
    """A run's curve, of its evaluations or of the returns of training episodes, where any ended."""
    curve = [(each.frames, each.training_return if training else each.mean_return) for each in points]
    return [(frames, value) for frames, value in curve if math.isfinite(value)]


def _scored(candidates: Iterable[Candidate]) -> list[Scored]:
    return [
        Scored(loss, each.mean, 1 + each.fresh_runs)
        for each in candidates
        if not each.is_reference and (loss := each.loss) is not None
    ]

"""Decides who trains next and what becomes of whom: the search as a machine that is told what happened.

It neither trains nor waits. What is decided at a tick is stored in the study, as a whole, so that a search
that was killed is led through the same ticks again: from the one after which its slots were stored, or else
from those at which its runs in training had begun. What was decided is not decided a second time. A tick has
two halves: slots are filled, then scores come in; the study's clock counts halves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from a2ls_dsl.lang.grammar import Grammar
from a2ls_dsl.rl.runs.curve import Point
from a2ls_dsl.rl.slots.evaluation import Score
from a2ls_dsl.search.candidates import Candidate, Run, Status
from a2ls_dsl.search.finals import Finals
from a2ls_dsl.search.gates.batch import Gate
from a2ls_dsl.search.judge import DIVERGED, Judge
from a2ls_dsl.search.settings import SearchSettings
from a2ls_dsl.search.strategies.calls import proposed, strategy_of
from a2ls_dsl.search.strategies.evolution import Proposal
from a2ls_dsl.search.strategies.knowledge import StudyKnowledge
from a2ls_dsl.search.strategies.proposals import check_from_outside, given
from a2ls_dsl.search.study.study import Study

PROPOSALS = 5
"""At most this many losses are proposed for each that may train; what gates stop is replaced."""


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
        failure: str = DIVERGED,
    ) -> None:
        """repeat: whether an interrupted search is led through the same ticks again, as long as runs take.
        failure: what is stored of a run without a score.
        """
        self.settings, self.study, self.gates = settings, study, gates
        self.strategy = strategy_of(settings, grammar)
        self.known, self._judge = StudyKnowledge(study, grammar), Judge(settings, study, failure)
        self._finals = Finals(settings, study, self.strategy)
        self.stored = study.clock  # up to this half of a tick all is decided
        self._points: dict[int, list[Point]] = {}  # of the runs in training, by run
        self._running: dict[int, Run] = {}  # by slot
        self._waiting = self._exhausted = False  # until something is scored; for ever
        self._repeats = repeat
        self._taken_up: int | None = None  # the tick after which the slots were stored
        self._resume = self._interrupted()

    def begin(self) -> int:
        """The first tick, to be asked for once slots were taken up, or couldn't be.

        Where ticks aren't repeated, runs that were not taken up are queued again. Where they are, it is a
        multiple of the updates' cycle, so that all are in step with it as before.
        """
        if not self._repeats:
            self._queue_again(self._resume)
            self._resume = []
            return self.stored // 2 + 1
        if self._taken_up is not None:
            return self._taken_up + 1
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
                self._points[self._running[score.member].id].append(score.point)
            return [], []
        with self.study.deciding(half):
            ended = [end for score in scores if (end := self._take(tick, score)) is not None]
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

        Gives the slots of those that have ended since, as the study knows, or were lost; None, and nothing is
        done, where the study doesn't go on from there.
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
            self._points[number] = [Point.of(point) for point in inside[slot, number, run.began]]
        self._resume = [run for run in self._resume if run not in begun.values()]
        self._taken_up = state["tick"]
        if not self._repeats:
            with self.study.deciding(self.stored):
                for run in begun.values():
                    self.study.rewind(run, max((point.frames for point in self._points[run.id]), default=0))
        return [slot for slot, *_ in inside.keys() - begun.keys()]

    def place(self, tick: int, slot: int, proposal: Proposal) -> list[tuple[int, Run]]:
        """Let a loss from outside take a free slot at this tick, whatever is queued; empty if it did before.

        Raises `A2lError` for a loss that can't be trained here.
        """
        check_from_outside(self.settings, [proposal])
        generational = getattr(self.strategy, "generational", False)
        with self.study.deciding(2 * tick):
            if proposal.key not in self.known.taken:
                generation = max(self.known.newest, 1) if generational else self._next_generation
                self.study.propose([proposal], generation, self._rng().bit_generator.state)
                self.known.taken.add(proposal.key)
            queued = (run for run in self.study.runs(Status.QUEUED) if run.loss == proposal.loss)
            run = next(queued, None)
            if run is None:
                return []
            self.study.start(run, slot, tick)
        self.stored, self._exhausted = 2 * tick, False
        run = replace(run, slot=slot, began=tick, status=Status.RUNNING)
        self._running[slot], self._points[run.id] = run, []
        return [(slot, run)]

    # Decisions, all stored together.

    def _decide(self, tick: int, free: Sequence[int]) -> list[tuple[int, Run]]:
        """Fill free slots with what is queued, else with proposals, else with what the search ends with."""
        filled: list[tuple[int, Run]] = []
        for place, slot in enumerate(free):
            self.known.free = len(free) - place
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
            if not queued and not (self._propose() or self._end()):
                return None

    def _passes(self, run: Run) -> bool:
        if not self._judge.in_question(run):
            return True
        for gate in self.gates:
            if reason := gate.stops(run.loss):
                self.study.reject(run, gate.name, reason)
                return False
            self.study.count(gate.name, passed=1)
        return True

    def _end(self) -> bool:
        """Queue what the search ends with, once all are scored; False if there is nothing more."""
        known = self.known
        return bool(known.proposed) and not (known.waiting or self._running) and self._finals.queue()

    def _take(self, tick: int, score: Score) -> tuple[Run, Status] | None:
        """Store an evaluation; the run and its status, if it has ended with it."""
        run = self._running[score.member]
        status = self._judge.take(run, self._points[run.id], score, tick)
        if status is Status.RUNNING:
            return None
        del self._running[score.member], self._points[run.id]
        return run, status

    def _propose(self) -> bool:
        """Ask the strategy; False if it has nothing now, or the budget is spent.

        The losses that the search starts from stand first, in place of as many of the first proposals.
        """
        settings = self.settings
        budget, rejected = settings.searched, self.study.counts()[Status.REJECTED]
        left = min(budget - (self.known.proposed - rejected), PROPOSALS * budget - self.known.proposed)
        if left <= 0:
            return False
        known, rng = self.known, self._rng()
        first = given(settings, known.taken) if not known.newest else []
        known.taken |= {proposal.key for proposal in first}
        proposals = proposed(self.strategy, settings.strategy, known, rng)
        proposals = [*first, *proposals][: max(len(first), min(len(proposals), left))]
        if not proposals:
            return False
        check_from_outside(settings, proposals)
        self.study.propose(proposals, self._next_generation, rng.bit_generator.state)
        known.taken |= {proposal.key for proposal in proposals}
        return True

    def _rng(self) -> np.random.Generator:
        """The generator that proposes, as the study holds it."""
        rng = np.random.default_rng(self.settings.seed)
        if state := self.study.rng_state():
            rng.bit_generator.state = state
        return rng

    @property
    def _next_generation(self) -> int:
        """Populations are numbered; of single proposals, that many as a population make a generation."""
        if getattr(self.strategy, "generational", False):
            return self.known.newest + 1
        return 1 + self.known.proposed // self.settings.population

    # What was interrupted.

    def _interrupted(self) -> list[Run]:
        """The runs to be taken up again; those whose slot there no longer is are queued."""
        runs = self.study.runs(Status.RUNNING)
        if not self._repeats:
            return runs
        lost = [run for run in runs if run.slot is None or run.slot >= self.settings.stack]
        self._queue_again(lost)
        return [run for run in runs if run not in lost]

    def _queue_again(self, runs: Sequence[Run]) -> None:
        if runs:
            with self.study.deciding(self.stored):
                for run in runs:
                    self.study.requeue(run)

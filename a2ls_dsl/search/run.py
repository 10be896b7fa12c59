"""Runs a search: proposes, trains stacks of candidates, stores what they scored, tells what happens.

It shows nothing. Commands hand in a function that is called with every event.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.lang.grammar import Grammar
from a2ls_dsl.rl.device import choose_device, make_deterministic
from a2ls_dsl.rl.envs.tasks import find_task
from a2ls_dsl.rl.slots import Training
from a2ls_dsl.rl.trainer import Evaluation, Plan, Progress, Trainer, aulc
from a2ls_dsl.search.candidates import Candidate, Outcome, Point, references
from a2ls_dsl.search.evolution import Proposal, first_population, next_population
from a2ls_dsl.search.hall_of_fame import write_hall_of_fame
from a2ls_dsl.search.settings import SearchSettings
from a2ls_dsl.search.study import Study

DIVERGED = "diverged: parameters are no longer finite"


@dataclass(frozen=True)
class SearchStarted:
    """The study is open. done: how many of the `total` candidates and references are trained already."""

    settings: SearchSettings
    folder: Path
    resumed: bool
    done: int
    total: int
    leaderboard: tuple[Candidate, ...]


@dataclass(frozen=True)
class GenerationStarted:
    """A population is proposed, or taken up again: what is still to be trained, in stacks of these sizes."""

    number: int
    candidates: int
    stacks: tuple[int, ...]


@dataclass(frozen=True)
class StackProgress:
    """Where the stack in training stands. frames: of each member; seconds left: for the stack, the search."""

    generation: int
    members: int
    frames: int
    frames_per_second: float
    seconds_left: float
    search_seconds_left: float


@dataclass(frozen=True)
class StackScored:
    """The scores of a stack are stored; `leaderboard` is that of the study now."""

    generation: int
    scored: tuple[Candidate, ...]
    leaderboard: tuple[Candidate, ...]


@dataclass(frozen=True)
class SpaceExhausted:
    """The grammar holds fewer new losses than a population needs. found: those it still had."""

    generation: int
    found: int


Event: TypeAlias = SearchStarted | GenerationStarted | StackProgress | StackScored | SpaceExhausted
OnEvent: TypeAlias = Callable[[Event], None]


def evolve(
    settings: SearchSettings,
    folder: Path,
    on_event: OnEvent = lambda event: None,
    workers: int | None = None,
    device: str | None = None,
) -> None:
    """Run a search to its end, from wherever the study in `folder` stands.

    workers: processes of physics, by default one a core; device: of the learner, by default CUDA if there.
    Raises `A2lError`; whatever it raises, all stacks that were scored are stored. A deterministic search sets
    torch to one thread and deterministic algorithms for the whole process.
    """
    grammar = settings.space()
    chosen = choose_device(device)
    if settings.deterministic:
        make_deterministic(chosen)
    with Study(folder, settings, grammar) as study:
        search = _Search(settings, grammar, study, on_event, workers, chosen)
        try:
            search.run()
        except KeyboardInterrupt:
            study.log("interrupted", {})
            raise
        study.log("finished", {})


class _Search:
    def __init__(
        self,
        settings: SearchSettings,
        grammar: Grammar,
        study: Study,
        on_event: OnEvent,
        workers: int | None,
        device: str,
    ) -> None:
        self.settings, self.grammar, self.study = settings, grammar, study
        self.tell, self.workers, self.device = on_event, workers, device
        self.task = find_task(settings.env)

    def run(self) -> None:
        settings, stored = self.settings, self.study.candidates()
        unproposed = max(0, settings.generations - self.study.generations)
        total = len(stored) + unproposed * settings.population + (0 if stored else len(references()))
        done = sum(each.done for each in stored)
        board = tuple(self.study.leaderboard())
        self.tell(SearchStarted(settings, self.study.folder, self.study.resumed, done, total, board))
        for number in range(1, settings.generations + 1):
            if number > self.study.generations and not self._propose(number):
                break
            self._train_generation(number)
        write_hall_of_fame(self.study)

    def _propose(self, number: int) -> bool:
        """Queue the next population; False if the space holds nothing that isn't scored."""
        rng = np.random.default_rng(self.settings.seed)
        if state := self.study.rng_state():
            rng.bit_generator.state = state
        proposals = self._population(number, rng)
        if len(proposals) < self.settings.population:
            self.tell(SpaceExhausted(number, len(proposals)))
        if proposals:
            self.study.add_generation(proposals, rng.bit_generator.state)
        return bool(proposals)

    def _population(self, number: int, rng: np.random.Generator) -> list[Proposal]:
        settings = self.settings
        taken = {each.key for each in self.study.candidates()} | {one.key for one in references()}
        if number == 1 or settings.strategy == "random":
            return first_population(self.grammar, settings.population, settings.evolution, rng, taken)
        before = [each for each in self.study.candidates(number - 1) if not each.is_reference]
        # One that diverged is no parent, even where the best quarter would have room for it.
        scored = [
            (loss, each.score or 0.0)
            for each in before
            if each.status == "scored" and (loss := each.loss) is not None
        ]
        return next_population(self.grammar, scored, settings.population, settings.evolution, rng, taken)

    def _train_generation(self, number: int) -> None:
        queued = self.study.candidates(number, queued=True)
        if not queued:
            return
        stacks = stack_sizes(len(queued), self.settings.stack)
        self.tell(GenerationStarted(number, len(queued), stacks))
        while queued := self.study.candidates(number, queued=True):
            # A stack is stored as a whole, so that a resumed search cuts the rest into the same stacks.
            size = stack_sizes(len(queued), self.settings.stack)[0]
            self._train_stack(number, queued[:size])

    def _train_stack(self, number: int, stack: Sequence[Candidate]) -> None:
        started = time.perf_counter()
        self.study.start(stack)
        evaluations = self._evaluations(number, stack)
        outcomes = [_outcome(each, index, evaluations) for index, each in enumerate(stack)]
        self.study.record(outcomes, round(time.perf_counter() - started, 1))
        write_hall_of_fame(self.study)
        ids = {each.id for each in stack}
        scored = tuple(each for each in self.study.candidates(number) if each.id in ids)
        self.tell(StackScored(number, scored, tuple(self.study.leaderboard())))

    def _evaluations(self, number: int, stack: Sequence[Candidate]) -> list[Evaluation]:
        settings = self.settings
        # Every candidate has the study's seed: equal first weights, equal episodes. That pairs the
        # comparison. The paper has one seed a candidate too; which, it does not say [U]. Finalists need
        # fresh seeds, as this one is spent.
        training = Training(self.task, settings.frames, settings.sac, settings.evaluation)
        plan = Plan(training, tuple(each.loss for each in stack), (settings.seed,) * len(stack))
        later = self._members_after(number)
        found: list[Evaluation] = []
        try:
            with Trainer(plan, self.device, self.workers, exact=settings.deterministic) as trainer:
                for event in trainer.run():
                    if isinstance(event, Evaluation):
                        found.append(event)
                    elif isinstance(event, Progress):
                        self.tell(self._progress(number, len(stack), later, event))
        except torch.OutOfMemoryError:
            raise A2lError(
                f"a stack of {len(stack)} members does not fit into the memory of {self.device}",
                f"run the same command with --stack {max(1, len(stack) // 2)}; what was scored stays",
            ) from None
        return found

    def _progress(self, number: int, members: int, later: int, event: Progress) -> StackProgress:
        left = rest = math.inf
        # The random steps before learning begins say nothing about its speed.
        if event.frames > self.task.steps_to_frames(self.settings.sac.random_steps):
            # Time goes with members times frames: about true for large stacks, and on a CPU.
            left = event.seconds_left
            rest = later * event.total_frames / (members * event.frames_per_second)
        return StackProgress(number, members, event.frames, event.frames_per_second, left, left + rest)

    def _members_after(self, number: int) -> int:
        """How many members are still to be trained when the current ones are done."""
        waiting = len(self.study.candidates(number, queued=True))
        return waiting + (self.settings.generations - number) * self.settings.population


def stack_sizes(candidates: int, limit: int) -> tuple[int, ...]:
    """As few stacks as possible of at most `limit` members, as equal as possible, the large ones first."""
    count = math.ceil(candidates / limit)
    return tuple(len(range(index, candidates, count)) for index in range(count))


def _outcome(candidate: Candidate, member: int, evaluations: Sequence[Evaluation]) -> Outcome:
    """The curve and the score of one member of a stack."""
    curve = tuple(
        Point(each.frames, tuple(each.returns[member].tolist()), each.scores[member].training_return)
        for each in evaluations
    )
    training = [point.training_return for point in curve if math.isfinite(point.training_return)]
    training_score = aulc(training) if training else float("nan")
    if any(each.diverged[member] for each in evaluations):
        return Outcome(candidate.id, 0.0, training_score, curve, DIVERGED)
    return Outcome(candidate.id, aulc([point.mean_return for point in curve]), training_score, curve)

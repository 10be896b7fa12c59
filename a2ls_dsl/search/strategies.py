"""What to try next: the strategies of a search, behind one small interface.

A strategy is asked for proposals whenever a slot would be empty. It sees what the study knows, and nothing
else; the same knowledge and the same generator give the same proposals.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from a2ls_dsl.lang.ast import Loss
from a2ls_dsl.lang.grammar import Grammar
from a2ls_dsl.search.evolution import Proposal, child_of, first_population, next_population
from a2ls_dsl.search.model import ModelSearch
from a2ls_dsl.search.settings import EvolutionSettings, SearchSettings

if TYPE_CHECKING:
    from numpy.random import Generator


@dataclass(frozen=True)
class Scored:
    """A loss of the search that has a score: the mean of so many runs."""

    loss: Loss
    score: float
    runs: int = 1


class Knowledge(Protocol):
    """What a study knows, as strategies need it."""

    @property
    def proposed(self) -> int:
        """How many losses were proposed so far."""

    @property
    def newest(self) -> int:
        """The number of the newest generation; 0 before the first."""

    @property
    def waiting(self) -> bool:
        """Whether any of them is still to get its score."""

    @property
    def taken(self) -> Collection[str]:
        """The keys that must not be proposed: all known ones."""

    def generation(self, number: int) -> Sequence[Scored]:
        """The scored losses of a generation, in the order of proposal."""

    def latest(self, number: int) -> Sequence[Scored]:
        """The losses that were scored last, the newest at the end."""


class Strategy(Protocol):
    """Proposes losses."""

    def propose(self, known: Knowledge, rng: Generator) -> list[Proposal]:
        """What to train next, as many as it likes; empty: nothing before something more is scored.

        Whatever is left of the budget is the caller's to watch: it takes from the front what it can use.
        """

    def ranked(self, scored: Sequence[Scored]) -> list[Loss]:
        """What is scored, the best first as the strategy believes: the front is confirmed."""


class RankedByScore:
    """What a strategy without a model believes; of equal scores the earlier is the better."""

    def ranked(self, scored: Sequence[Scored]) -> list[Loss]:
        """See `Strategy`."""
        return [each.loss for each in sorted(scored, key=lambda each: -each.score)]


@dataclass(frozen=True)
class PaperEvolution(RankedByScore):
    """The evolution of He et al. 2022: score a population, keep the best quarter, mutate, and again."""

    grammar: Grammar
    population: int
    settings: EvolutionSettings

    def propose(self, known: Knowledge, rng: Generator) -> list[Proposal]:
        """A whole population, once the one before is scored."""
        if known.waiting:
            return []
        if known.newest == 0:
            return first_population(self.grammar, self.population, self.settings, rng, known.taken)
        scored = [(each.loss, each.score) for each in known.generation(known.newest)]
        return next_population(self.grammar, scored, self.population, self.settings, rng, known.taken)


@dataclass(frozen=True)
class SteadyEvolution(RankedByScore):
    """Regularised evolution (Real et al. 2019) over the paper's mutations: a child a free slot, nobody waits.

    The living are the `population` losses that were scored last, so that a lucky score dies of age. A parent
    is the best of a sample of them, `keep` in size; which move makes the child is drawn with the paper's
    shares.
    """

    grammar: Grammar
    population: int
    settings: EvolutionSettings

    def propose(self, known: Knowledge, rng: Generator) -> list[Proposal]:
        """The first population at once, then one child at a time."""
        if known.proposed == 0:
            return first_population(self.grammar, self.population, self.settings, rng, known.taken)
        living = known.latest(self.population)
        if len(living) < 2:
            return [] if known.waiting else self._fresh(known, rng)
        size = max(2, math.ceil(self.settings.keep * len(living)))
        parents = [self._parent(living, size, rng) for _ in range(2)]
        child = child_of(self.grammar, parents, self.settings, rng, known.taken)
        return [child] if child is not None else []

    def _fresh(self, known: Knowledge, rng: Generator) -> list[Proposal]:
        return first_population(self.grammar, 1, self.settings, rng, known.taken)

    def _parent(self, living: Sequence[Scored], size: int, rng: Generator) -> Loss:
        """The winner of a tournament; of equal scores the newer."""
        entered = sorted(int(each) for each in rng.choice(len(living), size=size, replace=False))
        return max((living[each] for each in reversed(entered)), key=lambda each: each.score).loss


@dataclass(frozen=True)
class RandomSearch(RankedByScore):
    """Fresh losses only, from the first population's distribution: the baseline of every search."""

    grammar: Grammar
    settings: EvolutionSettings

    def propose(self, known: Knowledge, rng: Generator) -> list[Proposal]:
        """One loss."""
        return first_population(self.grammar, 1, self.settings, rng, known.taken)


def strategy_of(settings: SearchSettings, grammar: Grammar) -> Strategy:
    """The strategy that settings name."""
    if settings.strategy == "paper":
        return PaperEvolution(grammar, settings.population, settings.evolution)
    if settings.strategy == "async":
        return SteadyEvolution(grammar, settings.population, settings.evolution)
    if settings.strategy == "model":
        return ModelSearch(grammar, settings.candidates, settings.evolution)
    return RandomSearch(grammar, settings.evolution)

"""The evolution of He et al. 2022, its steady state, and random search: strategies without a model.

Nothing here trains, stores or shows. The same arguments and the same generator give the same proposals. Moves
apply to losses of the grammar only; scored losses from outside have no children.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING

from a2ls_dsl.lang.grammar import Grammar
from a2ls_dsl.lang.grammar.combinatorics import Prior, pick
from a2ls_dsl.lang.rules.canonical import key
from a2ls_dsl.lang.syntax.tree import Loss
from a2ls_dsl.search.settings import EvolutionSettings

if TYPE_CHECKING:
    from numpy.random import Generator

    from a2ls_dsl.search.settings import SearchSettings
    from a2ls_dsl.search.strategies.registry import Knowledge, Scored

ATTEMPTS = 50
"""How often a loss that is taken is mutated or drawn again before something else is tried."""


class Origin(StrEnum):
    """Where a candidate comes from: the move that made it. References are not candidates of the search."""

    REFERENCE = "reference"
    RANDOM = "random"
    REPLACEMENT = "replacement"
    CROSSOVER = "crossover"
    HORIZON = "horizon"
    GIVEN = "given"  # by the user, to start from
    STRATEGY = "strategy"  # a strategy of the user's own


@dataclass(frozen=True)
class Proposal:
    """A loss to be scored, and the move that made it; parents: the keys of the losses it was applied to."""

    loss: Loss
    origin: Origin
    parents: tuple[str, ...] = ()

    @cached_property
    def key(self) -> str:
        """The identity of the loss."""
        return key(self.loss)


class PaperEvolution:
    """The evolution of He et al. 2022: score a population, keep the best quarter, mutate, repeat."""

    generational = True

    def __init__(self, grammar: Grammar, settings: SearchSettings) -> None:
        self._grammar, self._population, self._settings = grammar, settings.population, settings.evolution

    def propose(self, known: Knowledge, rng: Generator) -> list[Proposal]:
        """A whole population, once the one before is scored."""
        if known.waiting:
            return []
        if known.newest == 0:
            return first_population(self._grammar, self._population, self._settings, rng, known.taken)
        scored = [(entry.loss, entry.score) for entry in known.generation(known.newest) if entry.inside]
        return next_population(self._grammar, scored, self._population, self._settings, rng, known.taken)


class SteadyEvolution:
    """Regularised evolution (Real et al. 2019) over the paper's mutations: one child per free slot, no
    waiting.

    The living are the `population` losses that were scored last, so that a lucky score dies of age. A parent
    is the best of a random sample, `keep` of the living; the move that makes the child is drawn with the
    paper's shares.
    """

    def __init__(self, grammar: Grammar, settings: SearchSettings) -> None:
        self._grammar, self._population, self._settings = grammar, settings.population, settings.evolution

    def propose(self, known: Knowledge, rng: Generator) -> list[Proposal]:
        """The first population at once, then one child at a time."""
        if known.proposed == 0:
            return first_population(self._grammar, self._population, self._settings, rng, known.taken)
        living = [entry for entry in known.latest(self._population) if entry.inside]
        if len(living) < 2:
            return [] if known.waiting else self._fresh(known, rng)
        size = max(2, math.ceil(self._settings.keep * len(living)))
        parents = [self._parent(living, size, rng) for _ in range(2)]
        child = child_of(self._grammar, parents, self._settings, rng, known.taken)
        return [child] if child is not None else []

    def _fresh(self, known: Knowledge, rng: Generator) -> list[Proposal]:
        return first_population(self._grammar, 1, self._settings, rng, known.taken)

    def _parent(self, living: Sequence[Scored], size: int, rng: Generator) -> Loss:
        """The winner of a tournament; of equal scores the newer."""
        entered = sorted(int(place) for place in rng.choice(len(living), size=size, replace=False))
        return max((living[place] for place in reversed(entered)), key=lambda entry: entry.score).loss


class RandomSearch:
    """Fresh losses only, from the first population's distribution: the baseline of every search."""

    def __init__(self, grammar: Grammar, settings: SearchSettings) -> None:
        self._grammar, self._settings = grammar, settings.evolution

    def propose(self, known: Knowledge, rng: Generator) -> list[Proposal]:
        """One loss."""
        return first_population(self._grammar, 1, self._settings, rng, known.taken)


def first_population(
    grammar: Grammar, n: int, settings: EvolutionSettings, rng: Generator, taken: Collection[str] = ()
) -> list[Proposal]:
    """`n` fresh losses that look like dynamics and reward models more often than by chance; none `taken`.

    Fewer than `n` only if the grammar holds no more. Random search repeats this, so with the same seed it has
    the first population of the evolution, and the two differ by the evolution alone.
    """
    seen = set(taken)
    proposals: list[Proposal] = []
    for _ in range(n):
        proposal = _fresh(grammar, rng, settings.first_prior, seen)
        if proposal is None:
            break
        seen.add(proposal.key)
        proposals.append(proposal)
    return proposals


def next_population(
    grammar: Grammar,
    scored: Sequence[tuple[Loss, float]],
    n: int,
    settings: EvolutionSettings,
    rng: Generator,
    taken: Collection[str] = (),
) -> list[Proposal]:
    """The population after one whose losses were `scored`: children of its best, and some fresh losses.

    No proposal is `taken`, scored or repeated. Fewer than `n` only if the grammar holds no more.
    """
    parents = best(scored, settings.keep)
    seen = {*taken, *(key(loss) for loss, _ in scored)}
    proposals: list[Proposal] = []
    for origin, number in quotas(n, settings).items():
        for _ in range(number):
            proposal = _child(grammar, origin, parents, rng, seen) or _fresh(grammar, rng, None, seen)
            if proposal is None:
                return proposals
            seen.add(proposal.key)
            proposals.append(proposal)
    return proposals


def child_of(
    grammar: Grammar,
    parents: Sequence[Loss],
    settings: EvolutionSettings,
    rng: Generator,
    taken: Collection[str] = (),
) -> Proposal | None:
    """One child by a move drawn with the evolution's shares; None if the grammar holds no new loss.

    The move is applied to the first of `parents`, which is crossed with another of its horizon, if any.
    """
    origins, shares = zip(*_shares(settings).items(), strict=True)
    origin = origins[int(rng.choice(len(origins), p=shares))]
    child = _child(grammar, origin, parents[:1], rng, taken, parents)
    return child or _fresh(grammar, rng, None, taken)


def best(scored: Sequence[tuple[Loss, float]], keep: float) -> list[Loss]:
    """The best share of a population, rounded up; of equal scores the smaller key first."""
    ranked = sorted(scored, key=lambda pair: (-pair[1], key(pair[0])))
    return [loss for loss, _ in ranked[: math.ceil(keep * len(ranked))]]


def quotas(n: int, settings: EvolutionSettings) -> dict[Origin, int]:
    """How many of `n` proposals each move makes: its share, rounded so that they add up to `n`."""
    shares = _shares(settings)
    # Whole parts first, the rest to the largest remainders; rounded, so that float errors don't decide.
    exact = {origin: round(share * n, 9) for origin, share in shares.items()}
    counts = {origin: math.floor(number) for origin, number in exact.items()}
    by_remainder = sorted(exact, key=lambda origin: counts[origin] - exact[origin])
    for origin in by_remainder[: n - sum(counts.values())]:
        counts[origin] += 1
    return counts


def _shares(settings: EvolutionSettings) -> dict[Origin, float]:
    return {
        Origin.REPLACEMENT: settings.replacement,
        Origin.CROSSOVER: settings.crossover,
        Origin.HORIZON: settings.horizon,
        Origin.RANDOM: settings.random,
    }


def _child(
    grammar: Grammar,
    origin: Origin,
    parents: Sequence[Loss],
    rng: Generator,
    taken: Collection[str],
    mates: Sequence[Loss] | None = None,
) -> Proposal | None:
    """A child by one move. A child that is taken is mutated again [P]."""
    if origin is Origin.RANDOM or not parents:
        return None
    parent = pick(rng, parents)
    used = [parent]
    if origin is Origin.REPLACEMENT:
        child = grammar.replace(parent, rng)
    elif origin is Origin.HORIZON:
        child = grammar.change_horizon(parent, rng)
    else:
        fitting = _mates(parent, parents if mates is None else mates)
        if not fitting:
            return None
        used.append(pick(rng, fitting))
        child = grammar.crossover(parent, used[1], rng)
    for _ in range(ATTEMPTS):
        if key(child) not in taken:
            return Proposal(child, origin, tuple(key(loss) for loss in used))
        child = grammar.mutate(child, rng)
    return None


def _mates(parent: Loss, parents: Sequence[Loss]) -> list[Loss]:
    """The parents that a parent can be crossed with: those of its horizon; if there are none, all others."""
    others = [other for other in parents if other != parent]
    return [other for other in others if other.horizon == parent.horizon] or others


def _fresh(grammar: Grammar, rng: Generator, prior: Prior | None, taken: Collection[str]) -> Proposal | None:
    """A fresh loss that is not taken; None if the grammar holds no other."""
    for _ in range(ATTEMPTS):
        loss = grammar.sample(rng, prior)
        if key(loss) not in taken:
            return Proposal(loss, Origin.RANDOM)
    # Hardly any loss is left: go through all. That ends soon, as any loss that isn't taken will do.
    left = (loss for loss in grammar.enumerate() if key(loss) not in taken)
    return next((Proposal(loss, Origin.RANDOM) for loss in left), None)

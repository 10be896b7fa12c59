"""A search led by a model: a Gaussian process says which losses may be the best (see `gaussian.py`).

What it proposes next maximises functions drawn from the model (Thompson 1933): what is surely good, and what
may be. The model is made anew from what the study knows, so that nothing of it has to be stored.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from a2ls_dsl.lang.ast import Loss
from a2ls_dsl.lang.grammar import Grammar
from a2ls_dsl.search.evolution import Proposal, child_of, first_population
from a2ls_dsl.search.features import features_of
from a2ls_dsl.search.gaussian import Fit, Scores, fit, posterior
from a2ls_dsl.search.settings import EvolutionSettings

if TYPE_CHECKING:
    from numpy.random import Generator

    from a2ls_dsl.search.strategies import Knowledge, Scored

FIRST = 0.2
"""The share of the budget that is drawn as the first population, before the model leads."""

PARENTS = 1 / 8
"""The share of the scored losses, the best by the model's mean, that children are made of."""


@dataclass(frozen=True)
class ModelSearch:
    """Thompson sampling over a pool of `fresh` draws and `children` of the best, `batch` losses at a time.

    budget: how many losses the search may train.
    """

    grammar: Grammar
    budget: int
    settings: EvolutionSettings
    batch: int = 10
    fresh: int = 60
    children: int = 200

    def propose(self, known: Knowledge, rng: Generator) -> list[Proposal]:
        """The first fifth of the budget at once; batches, once half of that is scored."""
        first = math.ceil(FIRST * self.budget)
        if known.proposed < first:
            return first_population(self.grammar, first - known.proposed, self.settings, rng, known.taken)
        scored = known.latest(known.proposed)
        if len(scored) < max(2, first // 2):
            return [] if known.waiting else self._fresh(known, rng, self.batch)
        losses, scores = [each.loss for each in scored], _scores(scored)
        fitted = fit(features_of(losses), scores)
        pool = self._pool(known, _ranked(losses, scores, fitted), rng)
        if not pool:
            return []
        believed = posterior(features_of([*losses, *(each.loss for each in pool)]), scores, fitted)
        chosen: dict[int, None] = {}
        for drawn in believed.after(len(losses)).samples(min(self.batch, len(pool)), rng):
            order = (int(place) for place in (-drawn).argsort(kind="stable"))
            chosen[next(place for place in order if place not in chosen)] = None
        return [pool[place] for place in chosen]

    def ranked(self, scored: Sequence[Scored]) -> list[Loss]:
        """What is scored, the best first as the model believes."""
        losses, scores = [each.loss for each in scored], _scores(scored)
        return _ranked(losses, scores, fit(features_of(losses), scores)) if len(losses) > 1 else losses

    def _fresh(self, known: Knowledge, rng: Generator, n: int) -> list[Proposal]:
        return first_population(self.grammar, n, self.settings, rng, known.taken)

    def _pool(self, known: Knowledge, ranked: Sequence[Loss], rng: Generator) -> list[Proposal]:
        """New losses to choose from; few or none where the grammar hardly holds more."""
        pool = self._fresh(known, rng, self.fresh)
        if len(pool) < self.fresh:
            return pool  # all that is left
        best = ranked[: max(2, math.ceil(PARENTS * len(ranked)))]
        taken = {*known.taken, *(each.key for each in pool)}
        for _ in range(self.children):
            parents = [best[int(place)] for place in rng.choice(len(best), size=2, replace=False)]
            child = child_of(self.grammar, parents, self.settings, rng, taken)
            if child is None:
                break
            taken.add(child.key)
            pool.append(child)
        return pool


def _scores(scored: Sequence[Scored]) -> Scores:
    return Scores([each.score for each in scored], [each.runs for each in scored])


def _ranked(losses: Sequence[Loss], scores: Scores, fitted: Fit) -> list[Loss]:
    mean = posterior(features_of(losses), scores, fitted).mean
    return [losses[int(place)] for place in (-mean).argsort(kind="stable")]

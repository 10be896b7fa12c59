"""A search led by a model: a Gaussian process predicts which losses may be the best (see `gaussian.py`).

The next proposals maximise functions drawn from the model (Thompson 1933), so they are losses that are surely
good, and losses that may be. The model is fitted afresh to what the study knows, so none of it is stored.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from a2ls_dsl.lang.grammar import Grammar
from a2ls_dsl.lang.syntax.tree import Loss
from a2ls_dsl.search.strategies.evolution import Proposal, child_of, first_population
from a2ls_dsl.search.strategies.features import features_of
from a2ls_dsl.search.strategies.gaussian import Fit, Scores, fit, posterior

if TYPE_CHECKING:
    from numpy.random import Generator

    from a2ls_dsl.search.settings import SearchSettings
    from a2ls_dsl.search.strategies.registry import Knowledge, Scored

FIRST = 0.2
"""The share of the budget that is drawn as the first population, before the model leads."""

SCORED_A_LOSS = 100
"""Per this many scored losses one more loss is chosen at a time, even without a free slot: fitting gets
slow."""

PARENTS = 1 / 8
"""The share of the scored losses that become parents: the best by the model's mean."""


class ModelSearch:
    """Thompson sampling over a pool of `fresh` draws and `children` of the best: one loss per free slot.

    No slot waits for scores: as long as there are too few for a model, losses are drawn like the first ones.
    """

    fresh, children = 60, 200

    def __init__(self, grammar: Grammar, settings: SearchSettings) -> None:
        self._grammar, self._budget, self._settings = grammar, settings.searched, settings.evolution

    def propose(self, known: Knowledge, rng: Generator) -> list[Proposal]:
        """The first fifth of the budget at once; then what the model chooses, once half of that is scored."""
        first = math.ceil(FIRST * self._budget)
        if known.proposed < first:
            return self._draw(known, rng, first - known.proposed)
        scored = known.latest(known.proposed)
        if len(scored) < max(2, first // 2):
            return self._draw(known, rng, known.free)
        losses, scores = [entry.loss for entry in scored], _scores(scored)
        fitted = fit(features_of(losses), scores)
        believed = _order(losses, scores, fitted)
        pool = self._pool(known, [losses[place] for place in believed if scored[place].inside], rng)
        if not pool:
            return []
        after = posterior(features_of([*losses, *(proposal.loss for proposal in pool)]), scores, fitted)
        wanted = max(known.free, len(scored) // SCORED_A_LOSS)
        chosen: dict[int, None] = {}
        for drawn in after.after(len(losses)).samples(min(wanted, len(pool)), rng):
            order = (int(place) for place in (-drawn).argsort(kind="stable"))
            chosen[next(place for place in order if place not in chosen)] = None
        return [pool[place] for place in chosen]

    def ranked(self, scored: Sequence[Scored]) -> list[Loss]:
        """The scored losses, the best first by the model's mean."""
        losses, scores = [entry.loss for entry in scored], _scores(scored)
        if len(losses) < 2:
            return losses
        return [losses[place] for place in _order(losses, scores, fit(features_of(losses), scores))]

    def _draw(self, known: Knowledge, rng: Generator, n: int) -> list[Proposal]:
        return first_population(self._grammar, n, self._settings, rng, known.taken)

    def _pool(self, known: Knowledge, ranked: Sequence[Loss], rng: Generator) -> list[Proposal]:
        """New losses to choose from; few or none if the grammar hardly holds more.

        ranked: the losses of the grammar that are scored, the best first.
        """
        pool = self._draw(known, rng, self.fresh)
        if len(pool) < self.fresh or len(ranked) < 2:
            return pool  # all that is left, or nothing to make children of
        best = ranked[: max(2, math.ceil(PARENTS * len(ranked)))]
        taken = {*known.taken, *(proposal.key for proposal in pool)}
        for _ in range(self.children):
            parents = [best[int(place)] for place in rng.choice(len(best), size=2, replace=False)]
            child = child_of(self._grammar, parents, self._settings, rng, taken)
            if child is None:
                break
            taken.add(child.key)
            pool.append(child)
        return pool


def _scores(scored: Sequence[Scored]) -> Scores:
    return Scores([entry.score for entry in scored], [entry.runs for entry in scored])


def _order(losses: Sequence[Loss], scores: Scores, fitted: Fit) -> list[int]:
    """The places of losses, the best first by the model's mean."""
    mean = posterior(features_of(losses), scores, fitted).mean
    return [int(place) for place in (-mean).argsort(kind="stable")]

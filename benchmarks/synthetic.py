"""Tries search strategies where the truth is known: how good is the loss that a search names in the end?

    python benchmarks/synthetic.py --searches 20 --evaluations 100 --icc 0.3 0.8

Every search has a truth of its own over the a2ls space: a function of the patterns of a loss, or of the
elements of its two sets; half of its variance is additive, half pairwise interactions, and of all 20 % is of
the loss alone. It is counted in standard deviations of the first population, whose mean is 0. A score is the
truth and noise, so that one seed has the intraclass correlation (ICC) named. Strategies run in the real
conductor and study. Printed are means and standard errors over searches of the truth of the loss named: the
one with the best score; by `pick`, the best as the strategy's model believes; and the best of as many fresh
draws, if the truth could be seen.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from a2ls_dsl.lang.ast import Element, Loss
from a2ls_dsl.lang.canonical import comparisons, key
from a2ls_dsl.lang.grammar import Grammar
from a2ls_dsl.rl.settings import EvaluationSettings, SacSettings
from a2ls_dsl.search.conductor import Conductor
from a2ls_dsl.search.evolution import first_population
from a2ls_dsl.search.model import ModelSearch
from a2ls_dsl.search.patterns import features_of_loss
from a2ls_dsl.search.rehearsal import rehearse
from a2ls_dsl.search.settings import SearchSettings
from a2ls_dsl.search.study import Study

Found = dict[tuple[str, float, str], list[float]]

SLOTS = 10
SETTINGS = SearchSettings(
    "cartpole-swingup",
    population=20,
    generations=5,
    frames=1_000,
    stack=SLOTS,
    sac=SacSettings(random_steps=10),
    evaluation=EvaluationSettings(1_000, 1),
)
STRATEGIES = ("random", "paper", "async", "model")
WORLDS = ("patterns", "elements")
CENSUS = 400
"""The truth's mean and deviation are those of so many draws of the first population."""
OWN = 0.2
"""The share of the truth's variance that is of the loss alone."""


@lru_cache(maxsize=100_000)
def described(loss: Loss, world: str) -> NDArray[np.float64]:
    """What a truth is a function of: patterns and sizes, or a 1 for every element of each set."""
    if world == "patterns":
        return np.array(list(features_of_loss(loss).values()))
    indicators = np.zeros((2, 3, 11))
    for _, term in comparisons(loss):
        for side, items in enumerate((term.source, term.target)):
            for item in items:
                if isinstance(item, Element):
                    indicators[side, "sar".index(item.stream.value), item.offset] = 1
    return indicators.ravel()


@dataclass(frozen=True)
class Truth:
    """A truth of a search; `noise`: the deviation of one seed's score from it."""

    world: str
    search: int
    noise: float
    centre: NDArray[np.float64]
    scale: NDArray[np.float64]
    weights: NDArray[np.float64]
    pairs: NDArray[np.float64]
    levels: Sequence[tuple[float, float]] = ((0.0, 1.0), (0.0, 1.0))

    def parts(self, loss: Loss) -> tuple[float, float]:
        """The additive part and that of the interactions, in any units."""
        columns = (described(loss, self.world) - self.centre) / self.scale
        return float(columns @ self.weights), float(columns @ self.pairs @ columns)

    def __call__(self, loss: Loss) -> float:
        """The true quality of a loss."""
        shared = [(part - mean) / sd for part, (mean, sd) in zip(self.parts(loss), self.levels, strict=True)]
        return math.sqrt((1 - OWN) / 2) * sum(shared) + math.sqrt(OWN) * _normal(key(loss), self.search)

    def score(self, loss: Loss, seed: int) -> float:
        """What training it with a seed gives."""
        return self(loss) + self.noise * _normal(key(loss), self.search, seed)


def truth_of(world: str, icc: float, search: int, grammar: Grammar) -> Truth:
    """The truth of a search: the same for all strategies."""
    rng = np.random.default_rng([search, WORLDS.index(world)])
    census = [each.loss for each in first_population(grammar, CENSUS, SETTINGS.evolution, rng)]
    columns = np.array([described(loss, world) for loss in census])
    size, deviation = len(columns[0]), columns.std(axis=0)
    pairs = np.zeros((size, size))
    chosen = list(combinations(range(size), 2))
    for place in rng.choice(len(chosen), size=size, replace=False):
        pairs[chosen[place]] = rng.standard_normal()
    truth = Truth(
        world,
        search,
        math.sqrt((1 - icc) / icc),
        columns.mean(axis=0),
        np.where(deviation > 0, deviation, 1.0),
        np.array(rng.standard_normal(size)),
        pairs,
    )
    found = np.array([truth.parts(loss) for loss in census])
    levels = list(zip(found.mean(axis=0).tolist(), found.std(axis=0).tolist(), strict=True))
    return replace(truth, levels=levels)


def _normal(*names: object) -> float:
    """A standard normal number that names decide."""
    seed = int.from_bytes(hashlib.sha256(repr(names).encode()).digest()[:8])
    return float(np.random.default_rng(seed).standard_normal())


def named(strategy: str, truth: Truth, evaluations: int) -> dict[str, float]:
    """The true quality of what a search names, by how it is named."""
    population = min(SETTINGS.population, evaluations)
    settings = replace(
        SETTINGS,
        strategy=strategy,
        seed=truth.search,
        population=population,
        generations=evaluations // population,
    )
    grammar = settings.space()
    with tempfile.TemporaryDirectory() as folder, Study(Path(folder), settings, grammar) as study:
        conductor = Conductor(settings, grammar, study)
        rehearse(
            conductor,
            settings,
            SLOTS,
            lambda loss, seed: [0.0 if loss is None else truth.score(loss, seed)],
        )
        scored = conductor.latest(evaluations)
    found = {strategy: truth(max(scored, key=lambda each: each.score).loss)}
    if isinstance(conductor.strategy, ModelSearch):
        found[f"{strategy}, pick"] = truth(conductor.strategy.ranked(scored)[0])
    if strategy == "random":
        found["the best draw, if known"] = max(truth(each.loss) for each in scored)
    return found


def table(
    searches: int, evaluations: int, iccs: Sequence[float]
) -> dict[tuple[str, float, str], list[float]]:
    """The true quality of what every search named, by world, ICC and how it was named."""
    grammar = SETTINGS.space()
    found: Found = {}
    for world in WORLDS:
        for icc in iccs:
            for search in range(searches):
                truth = truth_of(world, icc, search, grammar)
                for strategy in STRATEGIES:
                    for name, quality in named(strategy, truth, evaluations).items():
                        found.setdefault((world, icc, name), []).append(quality)
    return found


def cell(values: Sequence[float]) -> str:
    """Mean and standard error."""
    error = float(np.std(values, ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else math.nan
    return f"{np.mean(values):.2f} ± {error:.2f}"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--searches", type=int, default=20)
    parser.add_argument("--evaluations", type=int, default=100)
    parser.add_argument("--icc", type=float, nargs="+", default=[0.3, 0.8])
    options = parser.parse_args(arguments)
    found = table(options.searches, options.evaluations, options.icc)
    worlds = [(world, icc) for world in WORLDS for icc in options.icc]
    print(f"true quality of the loss named, {options.searches} searches of {options.evaluations} evaluations")
    print("| strategy | " + " | ".join(f"{world} {icc}" for world, icc in worlds) + " |")
    print("|---|" + "---|" * len(worlds))
    for name in dict.fromkeys(name for _, _, name in found):
        print(f"| {name} | " + " | ".join(cell(found[*world, name]) for world in worlds) + " |")


if __name__ == "__main__":
    main()

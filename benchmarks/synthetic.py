"""Tries search strategies where the truth is known: how good is the loss that a search names in the end?

    python benchmarks/synthetic.py --searches 20

Every search has a truth of its own over the a2ls space: a function of the patterns of a loss, or of the
elements of its two sets; half of its variance is additive, half pairwise interactions, and of all 20 % is of
the loss alone. It is counted in standard deviations of the first population, whose mean is 0. A score is the
truth and noise, so that one seed has the intraclass correlation (ICC) named. Strategies run in the real
conductor and study, each with and without the race of finalists in the same number of evaluations. Printed
are means and standard errors over searches of the truth of the loss named: the one with the best score; by
its own pick, the best as the strategy's model believes; after the race, the first of the leaderboard; and the
best of as many fresh draws, if the truth could be seen. Rows go to `synthetic.csv` beside this file; those
that are there are not made again, so the command can be stopped and repeated.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import math
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import combinations, product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from a2ls_dsl.lang.grammar import Grammar
from a2ls_dsl.lang.rules.canonical import comparisons, key
from a2ls_dsl.lang.syntax.tree import Element, Loss
from a2ls_dsl.rl.settings import EvaluationSettings, SacSettings
from a2ls_dsl.search.conductor import Conductor
from a2ls_dsl.search.patterns import features_of_loss
from a2ls_dsl.search.race import SHARE
from a2ls_dsl.search.rehearsal import rehearse
from a2ls_dsl.search.settings import SearchSettings
from a2ls_dsl.search.strategies.evolution import first_population
from a2ls_dsl.search.study.study import Study

SLOTS = 10
SETTINGS = SearchSettings(
    "cartpole-swingup",
    population=20,
    generations=5,
    frames=1_000,
    stack=SLOTS,
    agent=SacSettings(random_steps=10),
    evaluation=EvaluationSettings(1_000, 1),
)
STRATEGIES = ("random", "paper", "async", "model")
TABLE = Path(__file__).with_suffix(".csv")
COLUMNS = ("world", "icc", "evaluations", "search", "named", "quality")
KNOWN = "the best draw, if known"
DIFFERENCES = (
    *((f"{strategy}, race", strategy) for strategy in STRATEGIES),
    ("model, race", "model, its own pick"),
    *(("model, race", f"{strategy}, race") for strategy in STRATEGIES[:-1]),
    *(("model", strategy) for strategy in STRATEGIES[:-1]),
)
WORLDS = ("patterns", "elements")
CENSUS = 400
"""The truth's mean and deviation are those of this many draws of the first population."""
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
    census = [proposal.loss for proposal in first_population(grammar, CENSUS, SETTINGS.evolution, rng)]
    columns = np.array([described(loss, world) for loss in census])
    size, deviation = len(columns[0]), columns.std(axis=0)
    # What is there or not has one scale: by their own deviations, what is rare would outweigh all.
    indicators = (np.minimum(columns, 1) == columns).all(axis=0)
    deviation = np.where(indicators, 0.5, deviation)
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
    parts = np.array([truth.parts(loss) for loss in census])
    levels = list(zip(parts.mean(axis=0).tolist(), parts.std(axis=0).tolist(), strict=True))
    return replace(truth, levels=levels)


def _normal(*names: object) -> float:
    """A standard normal number that names decide."""
    seed = int.from_bytes(hashlib.sha256(repr(names).encode()).digest()[:8])
    return float(np.random.default_rng(seed).standard_normal())


def named(strategy: str, race: bool, truth: Truth, evaluations: int) -> dict[str, float]:
    """The true quality of what a search names, by how it is named."""
    population = min(SETTINGS.population, evaluations)
    settings = replace(
        SETTINGS,
        strategy=strategy,
        seed=truth.search,
        population=population,
        generations=evaluations // population,
        race=SHARE if race else 0.0,
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
        scored = conductor.known.latest(evaluations)
        best = next(
            candidate.loss
            for candidate in study.leaderboard()
            if candidate.loss and not candidate.is_reference
        )
    if race:
        return {f"{strategy}, race": truth(best)}
    qualities = {strategy: truth(best)}
    if hasattr(conductor.strategy, "ranked"):
        qualities[f"{strategy}, its own pick"] = truth(conductor.strategy.ranked(scored)[0])
    if strategy == "random":
        qualities[KNOWN] = max(truth(entry.loss) for entry in scored)
    return qualities


def fill(table: Path, searches: int, evaluations: int, iccs: Sequence[float]) -> None:
    """Run the searches that a table lacks, and add what each of them named."""
    grammar = SETTINGS.space()
    done = {
        (row["world"], float(row["icc"]), row["search"], row["named"]) for row in read(table, evaluations)
    }
    if not table.exists():
        table.write_text(",".join(COLUMNS) + "\n", encoding="utf-8")
    wanted = [
        (search, world, icc, strategy, race)
        for search in range(searches)
        for world, icc, strategy, race in product(WORLDS, iccs, STRATEGIES, (False, True))
        if (world, icc, str(search), f"{strategy}, race" if race else strategy) not in done
    ]
    for place, (search, world, icc, strategy, race) in enumerate(wanted):
        truth = truth_of(world, icc, search, grammar)
        qualities = named(strategy, race, truth, evaluations)
        with table.open("a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            for name, quality in qualities.items():
                writer.writerow([world, icc, evaluations, search, name, f"{quality:.4f}"])
        if place % 50 == 0:
            print(f"{place} of {len(wanted)} searches", file=sys.stderr, flush=True)


def read(table: Path, evaluations: int) -> list[dict[str, str]]:
    """The rows of a table with that many evaluations."""
    if not table.exists():
        return []
    with table.open(encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if int(row["evaluations"]) == evaluations]


def cell(values: Sequence[float]) -> str:
    """Mean and standard error."""
    error = float(np.std(values, ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else math.nan
    return f"{np.mean(values):.2f} ± {error:.2f}"


def show(rows: Sequence[dict[str, str]], iccs: Sequence[float]) -> None:
    """Print the true quality of what was named, and differences within searches."""
    tables: dict[tuple[str, float], dict[str, dict[str, float]]] = {}
    for row in rows:
        world = tables.setdefault((row["world"], float(row["icc"])), {})
        world.setdefault(row["named"], {})[row["search"]] = float(row["quality"])
    worlds = [pair for pair in product(WORLDS, iccs) if pair in tables]
    head = " | ".join(f"{world} {icc:g}" for world, icc in worlds)
    print(f"| named by | {head} |\n|---|" + "---|" * len(worlds))
    names = dict.fromkeys(name for world in worlds for name in tables[world])
    for name in names:
        print(f"| {name} | " + " | ".join(cell([*tables[world][name].values()]) for world in worlds) + " |")
    print(f"\n| difference within searches | {head} |\n|---|" + "---|" * len(worlds))
    for first, other in DIFFERENCES:
        if first in names and other in names:
            cells = [cell(_paired(tables[world][first], tables[world][other])) for world in worlds]
            print(f"| {first} − {other} | " + " | ".join(cells) + " |")


def _paired(first: dict[str, float], other: dict[str, float]) -> list[float]:
    return [first[search] - other[search] for search in first.keys() & other.keys()]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--searches", type=int, default=20)
    parser.add_argument("--evaluations", type=int, default=100)
    parser.add_argument("--icc", type=float, nargs="+", default=[0.1, 0.3, 0.8])
    parser.add_argument("--to", type=Path, default=TABLE, metavar="FILE.csv")
    options = parser.parse_args(arguments)
    fill(options.to, options.searches, options.evaluations, options.icc)
    rows = [row for row in read(options.to, options.evaluations) if int(row["search"]) < options.searches]
    print(
        f"true quality of the loss named, {options.searches} searches of {options.evaluations} evaluations\n"
    )
    show(rows, options.icc)


if __name__ == "__main__":
    main()

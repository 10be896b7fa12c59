"""Tries search strategies on losses that were all trained before: how good is the loss that a search names?

    python benchmarks/surrogate/compare.py --searches 100
    python benchmarks/surrogate/compare.py --table walker.csv --env walker-walk --strategies model random

Every strategy runs the real conductor and study, with curves out of a table in place of training. What it
proposes that isn't in the table becomes the nearest loss there. Printed are means over search seeds with 95 %
bootstrap intervals. In the first column a search sees the curves of one seed, and the loss that it names is
judged by the evaluations of the other seeds, which it has not seen; a race has no seeds there. In the others
a run is made anew: the mean curve of its loss, and one seed's deviation from the mean of a loss drawn at
random. Means are drawn in to the variance that the correlation of one seed says, and a loss is judged by its
mean.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from make_table import ENV, GRAMMAR, TABLE, settings_of, text_of
from numpy.typing import NDArray

from a2ls_dsl.lang.grammar import Grammar
from a2ls_dsl.lang.syntax.tree import Loss
from a2ls_dsl.rl.settings import EvaluationSettings
from a2ls_dsl.search.candidates import parsed
from a2ls_dsl.search.conductor import Conductor
from a2ls_dsl.search.race import SHARE
from a2ls_dsl.search.rehearsal import rehearse
from a2ls_dsl.search.rungs import Rungs
from a2ls_dsl.search.settings import SearchSettings
from a2ls_dsl.search.strategies.features import parts
from a2ls_dsl.search.strategies.registry import STRATEGIES
from a2ls_dsl.search.study.study import Study

SLOTS = 16
Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Table:
    """frames: of the points; evaluated: returns of evaluations of losses, by their text, and curves: what a
    score counts, (losses, seeds, points) both."""

    frames: Sequence[int]
    texts: Sequence[str]
    evaluated: Matrix
    curves: Matrix

    @property
    def scores(self) -> Matrix:
        """The areas under the curves, (losses, seeds)."""
        areas: Matrix = self.curves.mean(axis=2)
        return areas

    @property
    def correlation(self) -> float:
        """The intraclass correlation of one seed, seeds centred; 0 where losses don't differ."""
        scores = self.scores - self.scores.mean(axis=0)
        losses, seeds = scores.shape
        between = seeds * scores.mean(axis=1).var() * losses / (losses - 1)
        within = ((scores - scores.mean(axis=1, keepdims=True)) ** 2).sum() / ((losses - 1) * (seeds - 1))
        return max(0.0, float((between - within) / (between + (seeds - 1) * within)))

    def row(self, loss: Loss | None) -> int:
        """The row of a loss; that of no loss for a reference that the table lacks."""
        text = text_of(loss)
        return self.texts.index(text if text in self.texts else "none")

    def resampled(self) -> tuple[Matrix, Matrix]:
        """Mean curves, drawn in to the correlation's variance, and deviations of seeds: (losses, points)."""
        seeds = self.curves.shape[1]
        centred = self.curves - self.curves.mean(axis=0)
        means = centred.mean(axis=1)
        deviations = (centred - means[:, None]) * math.sqrt(seeds / (seeds - 1))
        # Of the variance of a mean, so much is of the loss.
        icc = self.correlation
        share = seeds * icc / (1 + (seeds - 1) * icc)
        return self.curves.mean(axis=(0, 1)) + math.sqrt(share) * means, deviations.reshape(
            -1, means.shape[1]
        )


def read(path: Path, training: float = 0.5) -> Table:
    """A table: of every loss the first runs, as many as no loss has; losses with fewer are left out.

    training: the share of training episodes in what a score counts, where the table has them.
    """
    with path.open(encoding="utf-8", newline="") as file:
        head, *lines = csv.reader(file)
    rows: dict[str, list[list[float]]] = {}
    for loss, _, *returns in lines:
        rows.setdefault(loss, []).append([float(figure) for figure in returns])
    if (seeds := len(rows["none"])) < 2:
        raise SystemExit(f"{path} has one run of no loss: make_table.py adds another seed of each loss")
    whole = {loss: curves[:seeds] for loss, curves in rows.items() if len(curves) >= seeds}
    frames = [int(name) for name in head[2:] if name.isdecimal()]
    evaluated, trained = np.split(np.array(list(whole.values())), [len(frames)], axis=2)
    curves = (1 - training) * evaluated + training * trained if trained.size else evaluated
    return Table(frames, list(whole), evaluated, curves)


MOVES = ("sample", "replace", "crossover", "change_horizon", "mutate")


class InTable:
    """A grammar of which only the losses of a table are there: what it draws or makes is the nearest of them.

    Nearest: by how often each holds each part (`features.parts`); of equally near ones the first.
    """

    def __init__(self, grammar: Grammar, table: Table) -> None:
        self._grammar = grammar
        self._losses = [loss for text in table.texts if (loss := parsed(text)) is not None]
        self._own = frozenset(self._losses)
        counts = [parts(loss) for loss in self._losses]
        self._columns = {name: place for place, name in enumerate(sorted(set[str]().union(*counts)))}
        self._bags = np.zeros((len(counts), len(self._columns)))
        for row, bag in enumerate(counts):
            for name, number in bag.items():
                self._bags[row, self._columns[name]] = number
        self._nearest: dict[Loss, Loss] = {}

    def __getattr__(self, name: str) -> Any:
        """Draws and moves of the grammar, each to the nearest loss; all else as it is."""
        method = getattr(self._grammar, name)
        if name not in MOVES:
            return method
        return lambda *arguments: self._snapped(method(*arguments))

    def enumerate(self) -> Iterator[Loss]:
        """The losses of the table."""
        return iter(self._losses)

    def contains(self, loss: Loss) -> bool:
        """Whether moves of the grammar can be applied to a loss of the table."""
        return loss in self._own and self._grammar.contains(loss)

    def _snapped(self, loss: Loss) -> Loss:
        if loss in self._own:
            return loss
        if loss not in self._nearest:
            bag, beside = np.zeros(len(self._columns)), 0
            for name, number in parts(loss).items():
                if name in self._columns:
                    bag[self._columns[name]] = number
                else:
                    beside += number  # as far from all of the table
            self._nearest[loss] = self._losses[int(np.abs(self._bags - bag).sum(axis=1).argmin())]
        return self._nearest[loss]


def named(
    settings: SearchSettings, grammar: Any, curve: Callable[[Loss | None, int], Sequence[float]]
) -> Loss:
    """The loss that a search names: the first of its leaderboard; without a race a model's own choice."""
    with tempfile.TemporaryDirectory() as folder, Study(Path(folder), settings, grammar) as study:
        conductor = Conductor(settings, grammar, study)
        rehearse(conductor, settings, SLOTS, curve)
        if not settings.race and hasattr(conductor.strategy, "ranked"):
            chosen: Loss = conductor.strategy.ranked(conductor.known.latest(settings.candidates))[0]
            return chosen
        return next(
            candidate.loss
            for candidate in study.leaderboard()
            if candidate.loss and not candidate.is_reference
        )


def on_seen_seeds(table: Table, settings: SearchSettings, grammar: Any, search: int) -> float:
    """What evaluations give, with the seeds that a search doesn't see, for the loss that it names."""
    seen = search % table.curves.shape[1]
    loss = named(
        replace(settings, seed=search, race=0.0),
        grammar,
        lambda loss, _: table.curves[table.row(loss), seen].tolist(),
    )
    return float(np.delete(table.evaluated[table.row(loss)], seen, axis=0).mean())


def resampled(table: Table, settings: SearchSettings, grammar: Any, search: int) -> float:
    """The mean of the loss that a search names, where runs are made anew."""
    means, deviations = table.resampled()

    def curve(loss: Loss | None, seed: int) -> Sequence[float]:
        row = table.row(loss)
        digits = hashlib.sha256(f"{search} {row} {seed}".encode()).digest()[:8]
        made: list[float] = (means[row] + deviations[int.from_bytes(digits) % len(deviations)]).tolist()
        return made

    return float(means[table.row(named(replace(settings, seed=search), grammar, curve))].mean())


def interval(values: Sequence[float], rng: np.random.Generator) -> str:
    """The mean and its 95 % bootstrap interval."""
    means = rng.choice(values, (2_000, len(values))).mean(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return f"{np.mean(values):.1f} [{low:.1f}, {high:.1f}]"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--searches", type=int, default=100)
    parser.add_argument("--table", type=Path, default=TABLE, metavar="FILE.csv")
    parser.add_argument("--env", default=ENV)
    parser.add_argument("--grammar", default=GRAMMAR)
    parser.add_argument("--training", type=float, default=0.5, help="its share in what a score counts")
    parser.add_argument("--budget", type=int, default=100, help="runs of candidates in a search")
    parser.add_argument("--strategies", nargs="+", default=list(STRATEGIES), metavar="NAME")
    options = parser.parse_args(arguments)
    table, rng = read(options.table, options.training), np.random.default_rng(0)
    population = min(20, options.budget)
    settings = replace(
        settings_of(options.env, options.grammar),
        population=population,
        generations=options.budget // population,
        frames=table.frames[-1],
        stack=SLOTS,
        evaluation=EvaluationSettings(table.frames[0], 1),
    )
    grammar = InTable(settings.space(), table)
    scores = table.scores.mean(axis=1)
    losses, seeds = table.scores.shape
    print(f"{losses} losses with {seeds} seeds on {options.env}: ", end="")
    print(f"scores {scores.min():.1f} to {scores.max():.1f}, ", end="")
    print(f"median {np.median(scores):.1f}, none {scores[table.row(None)]:.1f}")
    print(f"intraclass correlation of one seed: {table.correlation:.2f}")
    columns = ("judged by unseen seeds", "runs made anew", f"the same, {SHARE:.0%} of it raced")
    print(f"\n| strategy | {' | '.join(columns)} |\n|---|---|---|---|")
    for name in options.strategies:
        for rungs in (None, Rungs()) if name in STRATEGIES and STRATEGIES[name].cascade else (None,):
            own = replace(settings, strategy=name, rungs=rungs)
            cells = [
                interval([judge(table, chosen, grammar, search) for search in range(options.searches)], rng)
                for judge, chosen in (
                    (on_seen_seeds, own),
                    (resampled, replace(own, race=0.0)),
                    (resampled, own),
                )
            ]
            print(f"| {name}{', rungs' * bool(rungs)} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()

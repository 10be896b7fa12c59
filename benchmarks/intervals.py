"""How often do the intervals of `a2ls_dsl/report/statistics.py` exclude the truth? By simulation, 5 % is
right.

    python benchmarks/intervals.py              # two equal arms: differences, and the probability of being
    better python benchmarks/intervals.py --patterns   # studies without any pattern: how often a table finds
    one

Two arms have the same distribution of returns: normal, bimodal (a run learns or does not), or skewed.
`shared` is the part of the variance that a seed brings to both. Beside the intervals in use stands the
bootstrap of the interquartile mean's difference, stratified by task (Agarwal et al. 2021), which was in use
before.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy import stats

from a2ls_dsl.lang.grammar import load_grammar
from a2ls_dsl.lang.syntax.printer import print_loss
from a2ls_dsl.report.patterns import table_of
from a2ls_dsl.report.statistics import Runs, difference, probability_of_improvement
from a2ls_dsl.search.patterns import features
from a2ls_dsl.search.settings import EvolutionSettings

Floats = NDArray[np.float64]
Draw = Callable[[Generator, tuple[int, ...]], Floats]
SIZES = ((1, 3), (2, 3), (1, 5), (2, 5), (9, 3), (1, 10), (9, 10))
"""Tasks and seeds of an experiment."""

RETURNS: dict[str, Draw] = {
    "normal": lambda rng, shape: rng.normal(500.0, 100.0, shape),
    "bimodal": lambda rng, shape: np.where(rng.random(shape) < 0.5, 100.0, 800.0) + rng.normal(0, 40, shape),
    "skewed": lambda rng, shape: 100.0 * rng.exponential(1.0, shape),
}


@dataclass(frozen=True)
class Case:
    """Experiments of one kind, and the shares of their intervals that exclude the truth."""

    returns: str
    shared: float
    tasks: int
    seeds: int
    difference: float
    better: float
    bootstrap: float


def cases(repeats: int, resamples: int) -> Iterator[Case]:
    """All of them, with the same draws each time."""
    for name, draw in RETURNS.items():
        for shared in (0.0, 0.5):
            for tasks, seeds in SIZES:
                rng = np.random.default_rng([tasks, seeds])
                missed = np.zeros(3)
                for _ in range(repeats):
                    arms = np.sqrt(1 - shared) * draw(rng, (2, tasks, seeds))
                    arms = arms + np.sqrt(shared) * draw(rng, (tasks, seeds))
                    ours, theirs = ([_runs(row) for row in arm] for arm in arms)
                    missed += (
                        difference(ours, theirs).excludes(0.0),
                        probability_of_improvement(ours, theirs).excludes(0.5),
                        _bootstrap_excludes(arms, rng, resamples),
                    )
                yield Case(name, shared, tasks, seeds, *(float(share) for share in missed / repeats))


def _runs(scores: Floats) -> Runs:
    return {seed: float(score) for seed, score in enumerate(scores)}


def _bootstrap_excludes(arms: Floats, rng: Generator, resamples: int) -> bool:
    """Whether the percentile interval of the difference of interquartile means excludes 0. arms: (2, tasks,
    seeds)."""
    _, tasks, seeds = arms.shape
    drawn = rng.integers(seeds, size=(2, resamples, tasks, seeds))
    scores = np.take_along_axis(np.broadcast_to(arms[:, None], drawn.shape), drawn, axis=3)
    middle = stats.trim_mean(scores.reshape(2, resamples, -1), 0.25, axis=2)
    low, high = np.quantile(middle[0] - middle[1], [0.025, 0.975])
    return not low <= 0 <= high


@dataclass(frozen=True)
class Shares:
    """The shares of studies without a pattern in which each column finds one at p < 0.05."""

    plain: float
    holm: float
    joint_holm: float


def patterns(repeats: int, losses: int) -> Shares:
    """Studies of random losses whose scores have nothing to do with them."""
    rng, grammar = np.random.default_rng(0), load_grammar("a2ls").restricted(("mse",), False)
    prior = EvolutionSettings().first_prior
    hits = np.zeros(3)
    for _ in range(repeats):
        texts = [print_loss(grammar.sample(rng, prior)) for _ in range(losses)]
        readable = [traits for text in texts if (traits := features(text)) is not None]
        rows = table_of([(traits, float(rng.normal())) for traits in readable]).rows
        columns = [[r.plain.p for r in rows], [r.holm for r in rows], [r.joint_holm for r in rows]]
        hits += [any(p < 0.05 for p in column) for column in columns]
    return Shares(*(float(share) for share in hits / repeats))


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=1_000, help="experiments, or studies")
    parser.add_argument("--resamples", type=int, default=500, help="of a bootstrap")
    parser.add_argument("--patterns", action="store_true", help="the pattern table instead")
    parser.add_argument("--losses", type=int, default=100, help="of a study")
    options = parser.parse_args()
    if options.patterns:
        shares = patterns(options.repeats, options.losses)
        print(
            f"{options.repeats} studies of {options.losses} losses without any pattern; p < 0.05 somewhere in"
        )
        print(
            f"  plain t-tests {shares.plain:.2f}  Holm {shares.holm:.2f}  joint, Holm {shares.joint_holm:.2f}"
        )
        return
    print("| returns | shared | tasks | seeds | difference | P(better) | bootstrap of IQM |")
    print("|---|---|---|---|---|---|---|")
    for case in cases(options.repeats, options.resamples):
        figures = " | ".join(f"{share:.3f}" for share in (case.difference, case.better, case.bootstrap))
        print(f"| {case.returns} | {case.shared:g} | {case.tasks} | {case.seeds} | {figures} |")


if __name__ == "__main__":
    main()

"""Intervals over seeds: what the scores of a few runs tell, and what they don't.

A sample is a run with a seed of its own; episodes of one run are not samples. Scores come as one mapping per
task, from seed to score. Arms that share seeds share what a seed brings (initial parameters, the
environment's draws), so they are compared on their common seeds.

The intervals hold at the number of seeds there is: `benchmarks/intervals.py` counts how often they exclude
the truth over normal, bimodal and skewed returns. Percentile bootstraps of the interquartile mean don't
(Agarwal et al. 2021 recommend them; with two tasks of three seeds they miss the truth in 12 % of experiments,
not 5 %), so the interquartile mean stands here without an interval.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import fdtrc, stdtrit  # scipy.stats takes a second to load

Floats = NDArray[np.float64]
Runs = Mapping[int, float]
"""The scores of one task by seed."""

CONFIDENCE = 0.95
LEAST_FREEDOM = 2
"""Runs beyond the first of each task, over all tasks: with fewer (one task, two seeds) there is no interval.
Two runs that happen to end in the same mode of bimodal returns would give one that is far too short."""

PAIRED_FREEDOM = 4
"""From so many on, the spread of the differences within seeds is estimated well enough to be worth more than
the degrees of freedom that pairing costs. With fewer, Welch's interval, which ignores that seeds are shared,
is used: it is wider than it need be where a seed moves both arms alike."""


@dataclass(frozen=True)
class Interval:
    """An estimate and the ends of its confidence interval; these are NaN where nothing can be said."""

    value: float
    low: float = math.nan
    high: float = math.nan

    @property
    def bounded(self) -> bool:
        """Whether there is an interval; a single run has none."""
        return not (math.isnan(self.low) or math.isnan(self.high))

    def excludes(self, value: float) -> bool:
        """Whether a value lies outside; never, if nothing can be said."""
        return self.bounded and not self.low <= value <= self.high


def iqm(scores: ArrayLike) -> float:
    """The interquartile mean: the mean of all scores but the lowest and the highest quarter.

    At each end floor(n / 4) of n scores are dropped, so fewer than four have their plain mean.
    """
    values = np.sort(np.asarray(scores, np.float64), axis=None)
    n = len(values)
    return float(values[n // 4 : n - n // 4].mean())


def mean_interval(scores: ArrayLike, confidence: float = CONFIDENCE) -> Interval:
    """The mean of one task's runs with Student's interval."""
    values = np.asarray(scores, np.float64)
    if values.ndim != 1 or not values.size:
        raise ValueError(f"a task's scores are a row of seeds, not of shape {values.shape}")
    return _interval(float(values.mean()), [_spread(values)], confidence)


def mean_over_tasks(tasks: Sequence[Runs], confidence: float = CONFIDENCE) -> Interval:
    """The mean over tasks of the means over seeds, all tasks with the same weight; degrees of freedom after
    Satterthwaite."""
    rows = [_values(runs.values()) for runs in _some(tasks)]
    spreads = [_scaled(_spread(row), len(rows)) for row in rows]
    return _interval(float(np.mean([row.mean() for row in rows])), spreads, confidence)


def difference(ours: Sequence[Runs], theirs: Sequence[Runs], confidence: float = CONFIDENCE) -> Interval:
    """The mean over tasks of ours less theirs, on their common seeds; on all seeds, if fewer than two are
    common.

    With common seeds and `PAIRED_FREEDOM`, Student's interval of the differences within seeds, else Welch's;
    over several tasks the degrees of freedom are Satterthwaite's. Raises `ValueError` without scores.
    """
    pairs = [_matched(*task) for task in _paired(ours, theirs)]
    tasks = len(pairs)
    value = float(np.mean([mine.mean() - other.mean() for mine, other, _ in pairs]))
    freedom = sum(min(len(mine), len(other)) - 1 for mine, other, _ in pairs)
    if freedom < LEAST_FREEDOM:
        return Interval(value)
    if all(common for *_, common in pairs) and freedom >= PAIRED_FREEDOM:
        spreads = [_spread(mine - other) for mine, other, _ in pairs]
    else:
        spreads = [_spread(side) for mine, other, _ in pairs for side in (mine, other)]
    return _interval(value, [_scaled(spread, tasks) for spread in spreads], confidence)


def probability_of_improvement(
    ours: Sequence[Runs], theirs: Sequence[Runs], confidence: float = CONFIDENCE
) -> Interval:
    """How probably a run of ours scores higher than one of theirs on a task; ties count half.

    Within a task it is Mann and Whitney's U over the number of pairs; then the mean over the tasks. The ends
    are those probabilities that the estimate would just not contradict (a score interval, after Newcombe
    2006, method 5), with Student's quantile in place of the normal one.
    """
    rows = [(_values(mine.values()), _values(other.values())) for mine, other in _paired(ours, theirs)]
    wins = [((np.sign(mine[:, None] - other[None, :]) + 1) / 2).mean() for mine, other in rows]
    value = float(np.mean(wins))
    sizes = [(len(mine), len(other)) for mine, other in rows]
    if min(min(size) for size in sizes) < 2 or sum(min(size) - 1 for size in sizes) < LEAST_FREEDOM:
        return Interval(value)
    quantile = _student(confidence, sum(n + m - 2 for n, m in sizes))

    def contradicted(truth: float) -> bool:
        variance = sum(_variance_of_wins(truth, *size) for size in sizes) / len(sizes) ** 2
        return abs(value - truth) > quantile * math.sqrt(variance)

    return Interval(value, _end(contradicted, value, 0.0), _end(contradicted, value, 1.0))


@dataclass(frozen=True)
class Blocked:
    """A table of arms by seeds: p-values of no difference between arms, and between seeds (F-tests).

    intraclass: the share of an arm's effect in the variance of one run, seeds' effects taken out.
    """

    arms: float
    seeds: float
    intraclass: float


def blocked(runs: Sequence[Runs]) -> Blocked | None:
    """Whether arms (one mapping each) differ when they are compared within seeds, and whether seeds do.

    Uses the seeds that all arms have; None for fewer than two arms or two seeds, or without any spread.
    """
    common = sorted(set.intersection(*(set(run) for run in runs))) if runs else []
    table = np.array([[run[seed] for seed in common] for run in runs])
    if min(table.shape, default=0) < 2 or table.ndim != 2:
        return None
    arms, seeds = table.shape
    by_arm, by_seed = table.mean(axis=1), table.mean(axis=0)
    rest = table - by_arm[:, None] - by_seed[None, :] + table.mean()
    freedom = (arms - 1) * (seeds - 1)
    error = float((rest**2).sum()) / freedom
    if not error > 0:
        return None
    between = float(by_arm.var(ddof=1)) * seeds
    of_seeds = float(by_seed.var(ddof=1)) * arms
    effect = max((between - error) / seeds, 0.0)
    return Blocked(
        float(fdtrc(arms - 1, freedom, between / error)),
        float(fdtrc(seeds - 1, freedom, of_seeds / error)),
        effect / (effect + error),
    )


_Spread = tuple[float, int]
"""The squared standard error of a mean, and its degrees of freedom; of one run there are none."""


def _spread(values: Floats) -> _Spread:
    n = len(values)
    return (float(values.var(ddof=1)) / n if n > 1 else math.nan), n - 1


def _scaled(spread: _Spread, tasks: int) -> _Spread:
    return spread[0] / tasks**2, spread[1]


def _interval(value: float, spreads: Sequence[_Spread], confidence: float) -> Interval:
    """Around a sum of independent means; without ends if there is no spread: equal runs don't tell how far
    off they are."""
    total = sum(error for error, _ in spreads)
    if not total > 0:
        return Interval(value)
    freedom = total**2 / sum(error**2 / degrees for error, degrees in spreads)
    half = _student(confidence, freedom) * math.sqrt(total)
    return Interval(value, value - half, value + half)


def _values(scores: Iterable[float]) -> Floats:
    values = np.array(list(scores), np.float64)
    if not values.size:
        raise ValueError("a task has no scores")
    return values


def _some(tasks: Sequence[Runs]) -> Sequence[Runs]:
    if not tasks:
        raise ValueError("there are no scores")
    return tasks


def _paired(ours: Sequence[Runs], theirs: Sequence[Runs]) -> list[tuple[Runs, Runs]]:
    if len(_some(ours)) != len(_some(theirs)):
        raise ValueError(f"{len(ours)} tasks can't be compared with {len(theirs)}")
    return list(zip(ours, theirs, strict=True))


def _matched(ours: Runs, theirs: Runs) -> tuple[Floats, Floats, bool]:
    """The scores of both on their common seeds, in one order; or all of both, if they share fewer than
    two."""
    common = sorted(set(ours) & set(theirs))
    if len(common) < 2:
        return _values(ours.values()), _values(theirs.values()), False
    return _values(ours[seed] for seed in common), _values(theirs[seed] for seed in common), True


def _variance_of_wins(truth: float, n: int, m: int) -> float:
    """The variance of Mann and Whitney's U over n * m pairs, if `truth` is its mean (Newcombe 2006)."""
    mean = (n + m) / 2 - 1
    terms = mean * (1 - truth) / (2 - truth) + mean * truth / (1 + truth)
    return truth * (1 - truth) * (1 + terms) / (n * m)


def _end(contradicted: Callable[[float], bool], inside: float, outside: float) -> float:
    """Where truths between the estimate and an end of the scale begin to be contradicted, by bisection."""
    if not contradicted(outside):
        return outside
    for _ in range(60):
        middle = (inside + outside) / 2
        inside, outside = (inside, middle) if contradicted(middle) else (middle, outside)
    return inside


def _student(confidence: float, freedom: float) -> float:
    return float(stdtrit(freedom, (1 + confidence) / 2))

"""Intervals over seeds: what scores of a few runs say, and what they don't.

After Agarwal et al. 2021 ("Deep reinforcement learning at the edge of the statistical precipice"): the
interquartile mean over all runs of all tasks, intervals by a bootstrap that is stratified by task, and the
probability of improvement. A sample is a run with a seed of its own; episodes of one run are no samples.

Scores come as one row of seeds a task, `scores[task][seed]`; tasks may have different numbers of seeds. Where
tasks are put together, their scores should be on one scale.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Scores = Sequence[ArrayLike]
"""One row of seeds a task; an array (tasks, seeds) is one, too."""
Statistic = Callable[[Floats], Floats]
"""Reduces the last axis: the scores of all tasks and seeds, (..., n) -> (...)."""

RESAMPLES = 10_000
CONFIDENCE = 0.95
_AT_ONCE = 2_000_000
"""Numbers that are drawn at a time: bounds the memory."""


@dataclass(frozen=True)
class Interval:
    """An estimate and the ends of its confidence interval; these are NaN where nothing can be said."""

    value: float
    low: float = math.nan
    high: float = math.nan

    @property
    def known(self) -> bool:
        """Whether there is an interval; one run has none."""
        return not (math.isnan(self.low) or math.isnan(self.high))

    def excludes(self, value: float) -> bool:
        """Whether a value lies outside; never, if nothing can be said."""
        return self.known and not self.low <= value <= self.high


def mean(scores: Floats) -> Floats:
    """The mean over the last axis."""
    return np.asarray(scores.mean(axis=-1))


def median(scores: Floats) -> Floats:
    """The median over the last axis."""
    return np.asarray(np.median(scores, axis=-1))


def iqm(scores: ArrayLike) -> Floats:
    """The interquartile mean over the last axis: what is left without the lowest and the highest quarter.

    From each end floor(n / 4) of n scores go, so that fewer than four have their plain mean.
    """
    values = np.sort(np.asarray(scores, np.float64), axis=-1)
    n = values.shape[-1]
    return np.asarray(values[..., n // 4 : n - n // 4].mean(axis=-1))


def bootstrap(
    scores: Scores,
    rng: Generator,
    statistic: Statistic = iqm,
    resamples: int = RESAMPLES,
    confidence: float = CONFIDENCE,
) -> Interval:
    """A statistic of all scores with its percentile interval; seeds are drawn anew within each task.

    The interval is unknown where a task has one seed. With fewer than about five seeds in all it is too
    short: for the mean of one task take `mean_interval`. Raises `ValueError` without scores.
    """
    rows = _rows(scores)
    value = float(statistic(np.concatenate(rows)))
    if min(map(len, rows)) < 2:
        return Interval(value)
    drawn = [statistic(chunk) for chunk in _chunks(rows, rng, resamples)]
    return _percentiles(value, np.concatenate(drawn), confidence)


def bootstrap_difference(
    ours: Scores,
    theirs: Scores,
    rng: Generator,
    statistic: Statistic = iqm,
    resamples: int = RESAMPLES,
    confidence: float = CONFIDENCE,
) -> Interval:
    """statistic(ours) - statistic(theirs), the runs of both drawn anew independently, within each task."""
    rows, others = _paired(ours, theirs)
    value = float(statistic(np.concatenate(rows)) - statistic(np.concatenate(others)))
    if min(map(len, [*rows, *others])) < 2:
        return Interval(value)
    drawn = [
        np.concatenate([statistic(chunk) for chunk in _chunks(side, rng, resamples)])
        for side in (rows, others)
    ]
    return _percentiles(value, drawn[0] - drawn[1], confidence)


def probability_of_improvement(
    ours: Scores,
    theirs: Scores,
    rng: Generator,
    resamples: int = RESAMPLES,
    confidence: float = CONFIDENCE,
) -> Interval:
    """How probably a run of ours scores higher than one of theirs on a task; ties count half.

    Within a task it is Mann and Whitney's U over the number of pairs; then the mean over the tasks.
    """
    values, drawn = [], np.zeros(resamples)
    rows, others = _paired(ours, theirs)
    for mine, other in zip(rows, others, strict=True):
        wins = (np.sign(mine[:, None] - other[None, :]) + 1) / 2
        values.append(wins.mean())
        # A resample is how often each run is drawn, so its mean over pairs is a product with the wins.
        times, against = (
            rng.multinomial(n, np.full(n, 1 / n), size=resamples).astype(np.float64) / n for n in wins.shape
        )
        drawn += ((times @ wins) * against).sum(axis=1) / len(rows)
    value = float(np.mean(values))
    if min(map(len, [*rows, *others])) < 2:
        return Interval(value)
    return _percentiles(value, drawn, confidence)


def mean_interval(scores: ArrayLike, confidence: float = CONFIDENCE) -> Interval:
    """The mean of one task's seeds with Student's interval: for few seeds, taken as normal."""
    values = _row(scores)
    error = _squared_error(values)
    if error is None:
        return Interval(float(values.mean()))
    half = _student(confidence, len(values) - 1) * math.sqrt(error)
    return Interval(float(values.mean()), float(values.mean()) - half, float(values.mean()) + half)


def mean_difference(ours: ArrayLike, theirs: ArrayLike, confidence: float = CONFIDENCE) -> Interval:
    """mean(ours) - mean(theirs) on one task, with Welch's interval: for few seeds and unequal spreads."""
    return difference_over_tasks([ours], [theirs], confidence)


def difference_over_tasks(ours: Scores, theirs: Scores, confidence: float = CONFIDENCE) -> Interval:
    """The mean over tasks of mean(ours) - mean(theirs), with Welch's interval, all tasks weighing the same.

    Holds with few seeds, where a bootstrap's interval is too short. Degrees of freedom: Satterthwaite's.
    """
    rows, others = _paired(ours, theirs)
    value = float(np.mean([mine.mean() - other.mean() for mine, other in zip(rows, others, strict=True)]))
    sides = [*rows, *others]
    if min(map(len, sides)) < 2:
        return Interval(value)
    errors = np.array([side.var(ddof=1) / len(side) for side in sides]) / len(rows) ** 2
    total = float(errors.sum())
    if total == 0:
        return Interval(value, value, value)
    freedom = total**2 / float((errors**2 / [len(side) - 1 for side in sides]).sum())
    half = _student(confidence, freedom) * math.sqrt(total)
    return Interval(value, value - half, value + half)


def summarised_difference(
    ours: tuple[float, float, int], theirs: tuple[float, float, int], confidence: float = CONFIDENCE
) -> Interval:
    """`mean_difference` of what is known only as (mean, standard error of the mean, number of runs)."""
    value = ours[0] - theirs[0]
    errors, freedoms = ([ours[i], theirs[i]] for i in (1, 2))
    total = sum(error**2 for error in errors)
    if min(freedoms) < 2 or not total > 0:
        return Interval(value)
    parts = sum(error**4 / (runs - 1) for error, runs in zip(errors, freedoms, strict=True))
    half = _student(confidence, total**2 / parts) * math.sqrt(total)
    return Interval(value, value - half, value + half)


def _row(scores: ArrayLike) -> Floats:
    values = np.asarray(scores, np.float64)
    if values.ndim != 1 or not values.size:
        raise ValueError(f"a task's scores are a row of seeds, not of shape {values.shape}")
    return values


def _rows(scores: Scores) -> list[Floats]:
    rows = [_row(each) for each in scores]
    if not rows:
        raise ValueError("there are no scores")
    return rows


def _paired(ours: Scores, theirs: Scores) -> tuple[list[Floats], list[Floats]]:
    rows, others = _rows(ours), _rows(theirs)
    if len(rows) != len(others):
        raise ValueError(f"{len(rows)} tasks can't be compared with {len(others)}")
    return rows, others


def _chunks(rows: Sequence[Floats], rng: Generator, resamples: int) -> Iterator[Floats]:
    """Resamples (some, scores), seeds drawn with replacement within each row; `resamples` in all."""
    size = max(1, _AT_ONCE // sum(map(len, rows)))
    for done in range(0, resamples, size):
        count = min(size, resamples - done)
        drawn = [row[rng.integers(len(row), size=(count, len(row)))] for row in rows]
        yield np.concatenate(drawn, axis=1)


def _percentiles(value: float, drawn: Floats, confidence: float) -> Interval:
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(value, float(low), float(high))


def _squared_error(values: Floats) -> float | None:
    """The squared standard error of a mean; None for one run."""
    return float(values.var(ddof=1)) / len(values) if len(values) > 1 else None


def _student(confidence: float, freedom: float) -> float:
    from scipy.stats import t  # not at the top: it takes half a second

    return float(t.ppf((1 + confidence) / 2, freedom))

"""Least squares with intervals, and p-values corrected for their number."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr, stdtrit  # scipy.stats takes a second to load

from a2ls_dsl.report.statistics import CONFIDENCE, Interval

Floats = NDArray[np.float64]
_SMALL = 1e-8
_Rule = Callable[[Floats, int], Floats]
"""Corrects n p-values in rising order."""


@dataclass(frozen=True)
class Coefficient:
    """The change in the outcome per unit of a column, with its interval and the p-value of no change.

    NaN where the data can't tell, as the column is constant or a sum of others.
    """

    effect: Interval
    p: float


UNKNOWN = Coefficient(Interval(math.nan), math.nan)


def least_squares(
    columns: ArrayLike, outcome: ArrayLike, confidence: float = CONFIDENCE
) -> tuple[Coefficient, ...]:
    """Ordinary least squares with an intercept: one coefficient per column, all estimated together.

    columns: (n, k), outcome: (n,). Errors are HC3 (MacKinnon and White 1985): they hold where the outcome
    scatters more for some rows than for others. Raises `ValueError` for shapes that don't fit.
    """
    given, y = np.asarray(columns, np.float64), np.asarray(outcome, np.float64)
    if given.ndim != 2 or y.shape != given.shape[:1]:
        raise ValueError(f"columns of shape {given.shape} and an outcome of shape {y.shape} don't fit")
    n, k = given.shape
    if n == 0:
        return _nothing(k)
    scale = np.abs(given).max(axis=0, initial=0.0)
    x = np.column_stack([np.ones(n), given / np.where(scale > 0, scale, 1.0)])
    inverse = np.linalg.pinv(x, rcond=1e-10)
    rank = int(np.linalg.matrix_rank(x, tol=1e-8 * np.linalg.norm(x)))
    if n <= rank:
        return _nothing(k)
    coefficients = inverse @ y
    leverage = np.einsum("ij,ji->i", x, inverse)
    # A row with leverage 1 is always fitted exactly: a coefficient that rests on it alone has no interval.
    free = 1 - leverage > _SMALL
    alone = (np.abs(inverse[:, ~free]) > _SMALL).any(axis=1)
    pulls = inverse[:, free] * ((y - x @ coefficients)[free] / (1 - leverage[free]))
    errors = np.sqrt((pulls**2).sum(axis=1))
    estimable = _estimable(x, inverse) & ~alone
    estimates = [
        _coefficient(float(value), float(error), n - rank, confidence)
        for value, error in zip(coefficients, errors, strict=True)
    ]
    return tuple(
        _scaled(estimate, float(by)) if certain else UNKNOWN
        for estimate, certain, by in zip(estimates[1:], estimable[1:], scale, strict=True)
    )


def holm(p: ArrayLike) -> Floats:
    """Holm's corrected p-values: with a probability of 95 %, no effect below 0.05 is a false one.

    NaN, a test that could not be made, stays NaN and does not count.
    """
    return _corrected(p, lambda values, n: np.maximum.accumulate(values * (n - np.arange(n))))


def benjamini_hochberg(p: ArrayLike) -> Floats:
    """Benjamini and Hochberg's: of the effects below 0.05, at most 5 % on average are false. NaN as in
    `holm`."""
    return _corrected(
        p, lambda values, n: np.minimum.accumulate((values * n / np.arange(1, n + 1))[::-1])[::-1]
    )


def _corrected(p: ArrayLike, rule: _Rule) -> Floats:
    values = np.asarray(p, np.float64)
    valid = np.flatnonzero(~np.isnan(values))
    order = valid[np.argsort(values[valid], kind="stable")]
    result = np.full(values.shape, math.nan)
    if len(order):
        result[order] = np.minimum(rule(values[order], len(order)), 1.0)
    return result


def _nothing(k: int) -> tuple[Coefficient, ...]:
    return tuple(UNKNOWN for _ in range(k))


def _estimable(x: Floats, inverse: Floats) -> NDArray[np.bool_]:
    """Which coefficients the rows of x determine: those whose unit vector they span."""
    gaps = np.linalg.norm(np.eye(x.shape[1]) - inverse @ x, axis=0)
    return np.asarray(gaps < 1e-6)


def _coefficient(value: float, error: float, freedom: int, confidence: float) -> Coefficient:
    half = float(stdtrit(freedom, (1 + confidence) / 2)) * error
    p = float(2 * stdtr(freedom, -abs(value) / error)) if error > 0 else math.nan
    return Coefficient(Interval(value, value - half, value + half), p)


def _scaled(coefficient: Coefficient, by: float) -> Coefficient:
    effect = coefficient.effect
    return Coefficient(Interval(effect.value / by, effect.low / by, effect.high / by), coefficient.p)


def stars(p: float) -> str:
    """The marks of the paper's table: `**` below 0.01, `*` below 0.05."""
    return "**" if p < 0.01 else "*" if p < 0.05 else ""


def t_test(ours: Floats, theirs: Floats, confidence: float = CONFIDENCE) -> Coefficient:
    """mean(ours) - mean(theirs) by Student's test of two samples with one variance."""
    if min(len(ours), len(theirs)) < 1 or len(ours) + len(theirs) < 3:
        return UNKNOWN
    value = float(np.mean(ours) - np.mean(theirs))
    if np.ptp(ours) == np.ptp(theirs) == 0:
        return Coefficient(Interval(value), math.nan)
    freedom = len(ours) + len(theirs) - 2
    squares = sum(float(((sample - np.mean(sample)) ** 2).sum()) for sample in (ours, theirs))
    error = math.sqrt(squares / freedom * (1 / len(ours) + 1 / len(theirs)))
    return _coefficient(value, error, freedom, confidence)

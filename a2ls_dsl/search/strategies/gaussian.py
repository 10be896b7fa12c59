"""A Gaussian process over losses: what their scores tell about the scores of others.

Its covariance is a sum of four kernels: linear and squared-exponential in the patterns, linear and
exponential in the distance of the bags of parts. Their shares, the lengths and the share of noise are chosen
from a small grid to make the scores most probable, whatever their scale (Rasmussen and Williams 2006, 5.4.1).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.spatial.distance import cdist

from a2ls_dsl.search.strategies.features import Features, Matrix

NOISES = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Shares of the variance of one run's score that are noise."""

JITTER = 1e-9
"""Added to a covariance's diagonal against rounding, as a share of its variance."""


@dataclass(frozen=True)
class Mix:
    """A point of the grid, without the noise.

    patterns: the share of the patterns' kernels, the rest is the bag's; linear: the share of the linear ones
    in both; length: that of the bag's exponential kernel, in median distances between scored losses.
    """

    patterns: float
    linear: float
    length: float


@dataclass(frozen=True)
class Fit:
    """A point of the grid. noise: the share of the variance of one run's score."""

    mix: Mix
    noise: float


MIXES = tuple(
    Mix(patterns, linear, length)
    for patterns, linear, length in product((0.0, 0.5, 1.0), (0.25, 0.75), (0.5, 2.0))
    if patterns < 1.0 or length == 0.5  # without the bag its length has no effect
)


class Kernels:
    """The four kernels over losses. The first `scored` losses have scores and set the scales."""

    def __init__(self, features: Features, scored: int) -> None:
        patterns, bag = (
            _scaled(features.patterns, scored),
            features.bag - features.bag[:scored].mean(axis=0),
        )
        squares = cdist(patterns, patterns, "sqeuclidean")
        self._linear = [_normalised(columns @ columns.T, scored) for columns in (patterns, bag)]
        self._squares = squares / _median(squares, scored)
        distances = cdist(features.bag, features.bag, "cityblock")
        self._distances = distances / _median(distances, scored)

    def covariance(self, mix: Mix) -> Matrix:
        """The covariance of all losses. For those with scores the mean of its diagonal is 1, unless all are
        alike."""
        curved = (np.exp(-self._squares / 2), np.exp(-self._distances / mix.length))
        both = [
            mix.linear * linear + (1 - mix.linear) * other
            for linear, other in zip(self._linear, curved, strict=True)
        ]
        total: Matrix = mix.patterns * both[0] + (1 - mix.patterns) * both[1]
        return total


@dataclass(frozen=True)
class Posterior:
    """The model's belief about losses: mean scores (n,) and their covariance (n, n), without runs' noise."""

    mean: Matrix
    covariance: Matrix

    def after(self, first: int) -> Posterior:
        """The belief about all losses after the first `first`."""
        return Posterior(self.mean[first:], self.covariance[first:, first:])

    def samples(self, n: int, rng: np.random.Generator) -> Matrix:
        """`n` functions drawn from it, one per row."""
        size = len(self.mean)
        scale = max(float(np.trace(self.covariance)) / max(size, 1), JITTER)
        # By eigenvalues: if rounding decides a covariance's rank, it has no Cholesky factor.
        values, vectors = np.linalg.eigh(self.covariance + JITTER * scale * np.eye(size))
        root = vectors * np.sqrt(np.maximum(values, 0.0))
        drawn: Matrix = self.mean + rng.standard_normal((n, size)) @ root.T
        return drawn


@dataclass(frozen=True)
class Scores:
    """The scores of losses, each the mean of its number of `runs`."""

    scores: Sequence[float]
    runs: Sequence[int]

    @property
    def centre(self) -> float:
        """The mean of all runs."""
        return float(np.average(self.scores, weights=self.runs))

    @property
    def scale(self) -> float:
        """The deviation; 1 where all are equal."""
        return float(np.std(self.scores)) or 1.0

    @property
    def standard(self) -> Matrix:
        """The scores, centred and in units of their deviation."""
        return (np.array(self.scores, dtype=float) - self.centre) / self.scale

    def noise(self, share: float) -> Matrix:
        """The variances of the scores' noise, if it is this share of one run's variance."""
        return share / np.array(self.runs, dtype=float)


def posterior(features: Features, scores: Scores, fitted: Fit) -> Posterior:
    """The belief about all losses in `features`, given the scores of the first of them."""
    covariance = (1 - fitted.noise) * Kernels(features, len(scores.scores)).covariance(fitted.mix)
    mean, rest, variance = condition(covariance, scores.standard, scores.noise(fitted.noise))
    return Posterior(scores.centre + scores.scale * mean, scores.scale**2 * variance * rest)


def condition(covariance: Matrix, values: Matrix, noise: Matrix) -> tuple[Matrix, Matrix, float]:
    """Mean and covariance of all, given the `values` of the first and the variances of their `noise`.

    The third is the scale of all variances that makes the values most probable.
    """
    scored = len(values)
    factor = cho_factor(covariance[:scored, :scored] + np.diag(noise), lower=True)
    between = covariance[:scored]
    weights = cho_solve(factor, values)
    mean = between.T @ weights
    rest = covariance - between.T @ cho_solve(factor, between)
    return mean, rest, float(values @ weights) / scored


def fit(features: Features, scores: Scores) -> Fit:
    """The point of the grid with the largest marginal likelihood; the first of equal ones."""
    values = scores.standard
    kernels = Kernels(features.first(len(values)), len(values))
    best, fitted = -math.inf, Fit(MIXES[0], NOISES[0])
    for mix in MIXES:
        covariance = kernels.covariance(mix)
        for noise in NOISES:
            likelihood = log_likelihood((1 - noise) * covariance + np.diag(scores.noise(noise)), values)
            if likelihood > best:
                best, fitted = likelihood, Fit(mix, noise)
    return fitted


def log_likelihood(covariance: Matrix, values: Matrix) -> float:
    """The log likelihood of values with this covariance at its most probable scale, up to a constant."""
    factor = cho_factor(covariance, lower=True)
    square = max(float(values @ cho_solve(factor, values)), 1e-300)
    return -0.5 * len(values) * math.log(square) - float(np.log(np.diag(factor[0])).sum())


def _scaled(columns: Matrix, scored: int) -> Matrix:
    """Columns with mean 0 and deviation 1 over the first rows; constant columns keep their scale."""
    deviation = columns[:scored].std(axis=0)
    scaled: Matrix = (columns - columns[:scored].mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)
    return scaled


def _normalised(kernel: Matrix, scored: int) -> Matrix:
    level = float(np.diag(kernel)[:scored].mean())
    return kernel / level if level > 0 else kernel


def _median(distances: Matrix, scored: int) -> float:
    """The median distance between two different losses with scores; 1 if there are none."""
    above = distances[:scored, :scored][np.triu_indices(scored, 1)]
    return float(np.median(above[above > 0])) if (above > 0).any() else 1.0

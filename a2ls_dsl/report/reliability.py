"""How much of a score is the loss, and how much the seed: the intraclass correlation of one seed.

All candidates of a search share a seed, so what decides their order is how they differ within it. A two-way
analysis of variance takes out what a seed does to all losses alike (Shrout & Fleiss 1979, ICC(3,1)).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import fdtrc  # scipy.stats takes a second to load


@dataclass(frozen=True)
class Reliability:
    """icc: correlation of two seeds' scores over losses; p: of the F-test that losses differ."""

    icc: float
    p: float


def reliability(scores: ArrayLike) -> Reliability:
    """What one seed's score is worth. scores: (losses, seeds), every loss with the same seeds.

    NaN where there are fewer than two losses or two seeds, or where all scores are equal.
    """
    values = np.asarray(scores, np.float64)
    losses, seeds = values.shape
    if losses < 2 or seeds < 2:
        return Reliability(math.nan, math.nan)
    centred = values - values.mean()
    of_losses, of_seeds = centred.mean(axis=1), centred.mean(axis=0)
    rest = centred - of_losses[:, None] - of_seeds[None, :]
    between = seeds * float(of_losses @ of_losses) / (losses - 1)
    within = float((rest**2).sum()) / ((losses - 1) * (seeds - 1))
    if between + within == 0.0:
        return Reliability(math.nan, math.nan)
    icc = (between - within) / (between + (seeds - 1) * within)
    ratio = between / within if within else math.inf
    return Reliability(icc, float(fdtrc(losses - 1, (losses - 1) * (seeds - 1), ratio)))

"""Early stopping: asynchronous successive halving on the area under the learning curve.

After Li et al. 2020 (ASHA), without pauses: a candidate that isn't good enough at a rung is stopped for
good, and its slot goes to the next one. Stopping early is only worth it where early areas foretell what comes
later, which differs from task to task. So a rung begins closed, and opens for good once the study itself
shows that they do.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ONE_SIDED = 1.645
"""How many standard errors the end of a one-sided 95 % interval is from its estimate."""


@dataclass(frozen=True)
class Foresight:
    """How well areas up to a rung foretell the areas after it, over `curves` whole curves.

    correlation: Spearman's, None if curves are too few or all alike; low: the lower end of its one-sided 95 %
    interval. The early area is compared with the area after the rung, not with the final score, which
    contains the early area: even curves of noise would correlate with it.
    """

    correlation: float | None
    low: float
    curves: int


@dataclass(frozen=True)
class RungState:
    """A rung of a study, and whether it stops candidates; what it foretold when it opened, or does now."""

    frames: int
    open: bool
    foresight: Foresight

    def __str__(self) -> str:
        """As in reports: `rung 2000: opened, as areas before and after it correlate by 0.71 ...`."""
        seen = self.foresight
        if seen.correlation is None:
            evidence = f"{seen.curves:,} whole curves don't tell whether areas before it foretell those after"
        else:
            evidence = (
                f"areas before and after it correlate by {seen.correlation:.2f} (95 %: above {seen.low:.2f}) "
                f"over {seen.curves:,} whole curves"
            )
        return f"rung {self.frames}: {'opened, as' if self.open else 'closed:'} {evidence}"


@dataclass(frozen=True)
class Rungs:
    """Shares of the budget at which candidates are compared with those that got there before.

    keep: share of those at a rung that may go on; tolerance: how far an area may be below that of the last
    one that goes on, in standard deviations of the areas at the rung, since scores of one seed are noisy. A
    rung opens once `grace` candidates or more have trained to their end and the correlation of their areas
    before and after it is above `correlation`, by the lower end of its interval.
    """

    shares: tuple[float, ...] = (0.25, 0.5)
    keep: float = 0.4
    grace: int = 8
    tolerance: float = 0.25
    correlation: float = 0.3

    def frames(self, budget: int, every: int, learning: int) -> tuple[int, ...]:
        """The rungs in frames: the evaluations (one every `every` frames) at or next after the shares.

        There are none up to `learning` frames, when learning begins: before it there is nothing to compare.
        """
        rungs = {every * math.ceil(share * budget / every) for share in self.shares}
        return tuple(sorted(frames for frames in rungs if learning < frames < budget))

    def opens(self, foresight: Foresight) -> bool:
        """Whether early areas foretell late ones well enough to stop candidates by them."""
        return foresight.curves >= self.grace and foresight.low > self.correlation

    def goes_on(self, area: float, before: Sequence[float]) -> bool:
        """Whether a candidate with this area goes on at an open rung; before: the areas of earlier ones."""
        place = math.ceil(self.keep * (len(before) + 1)) - 1
        last = sorted([*before, area], reverse=True)[place]
        return area >= last - self.tolerance * float(np.std([*before, area]))


def foresight(halves: Sequence[tuple[float, float]]) -> Foresight:
    """How well areas up to a rung foretell those after it; halves: both areas of each whole curve.

    The interval is Fisher's, with the variance of a rank correlation (Fieller, Hartley and Pearson 1957).
    """
    number = len(halves)
    # Sorted, so that the sum doesn't depend on the order in which curves ended.
    early, late = (_ranks(values) for values in np.array(sorted(halves), dtype=float).reshape(-1, 2).T)
    spread = float(early.std() * late.std()) if number > 3 else 0.0
    if spread == 0.0:
        return Foresight(None, -1.0, number)
    correlation = float(((early - early.mean()) * (late - late.mean())).mean()) / spread
    inside = min(max(correlation, -1 + 1e-12), 1 - 1e-12)
    low = math.tanh(math.atanh(inside) - ONE_SIDED * math.sqrt(1.06 / (number - 3)))
    return Foresight(inside, low, number)


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks from 1; equal values share the mean of theirs."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: NDArray[np.float64] = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return ranks

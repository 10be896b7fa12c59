"""Early stopping: asynchronous successive halving on the area under the learning curve.

After Li et al. 2020 (ASHA), without pauses: who isn't good enough at a rung when it comes there is stopped
for good, and its slot goes to the next candidate.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Rungs:
    """Shares of the budget at which candidates are compared with those that came there before.

    keep: share of those at a rung that may go on; grace: how many always go on there, as there is nothing to
    compare with; tolerance: how far below the last that goes on a score may lie, as a share of that one's,
    since scores of one seed are noisy.
    """

    shares: tuple[float, ...] = (0.25, 0.5)
    keep: float = 0.4
    grace: int = 6
    tolerance: float = 0.05

    def frames(self, budget: int, every: int) -> tuple[int, ...]:
        """The rungs in frames: the evaluations (one every so many frames) nearest above the shares."""
        found = {every * math.ceil(share * budget / every) for share in self.shares}
        return tuple(sorted(each for each in found if each < budget))

    def goes_on(self, score: float, before: Sequence[float]) -> bool:
        """Whether a candidate with this score goes on; before: the scores of those that were at the rung."""
        if len(before) < self.grace:
            return True
        place = math.ceil(self.keep * (len(before) + 1)) - 1
        last = sorted([*before, score], reverse=True)[place]
        return score >= last - self.tolerance * abs(last)

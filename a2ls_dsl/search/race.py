"""The race that ends a search: its best run with fresh seeds, and the worse half drops out, round by round.

Sequential halving (Karnin, Koren and Somekh 2013). Every round has an equal part of the race's runs, and all
finalists that are still in it run with the same fresh seeds. Who goes on is decided by the mean over all runs
of a loss, that of the search among them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

SHARE = 0.2
"""The share of a search's budget that its race takes, by default."""

MOST_RACED = 0.5
"""It may take so much: what is raced has to be found first."""


@dataclass(frozen=True)
class Lap:
    """Where a race stands.

    order: the finalists, the best first: who dropped out later, then who has the higher mean. missing: how
    many of the race's seeds, the first ones, a finalist has to have run with next; empty at the end.
    """

    order: tuple[int, ...]
    missing: Mapping[int, int]

    @property
    def ended(self) -> bool:
        """Whether all is run."""
        return not self.missing


def finalists(runs: int) -> int:
    """How many losses a race of that many runs has: as many as could run in all its rounds."""
    number = min(runs, 1)
    while (number + 1) * _rounds(number + 1) <= runs:
        number += 1
    return number


def laps(number: int, runs: int) -> list[tuple[int, int]]:
    """The rounds of a race of `number` losses: how many run in each, and how many seeds they then have."""
    plan, seeds = list[tuple[int, int]](), 0
    for left in range(_rounds(number), 0, -1):
        more = max(runs // left // number, 1)
        runs, seeds = runs - more * number, seeds + more
        plan.append((number, seeds))
        number = math.ceil(number / 2)
    return plan


def seeds_by_place(number: int, runs: int) -> list[int]:
    """With how many fresh seeds the first, the second, ... of a race have run at its end."""
    seeds = [0] * number
    for racing, until in laps(number, runs) if number else []:
        seeds[:racing] = [until] * racing
    return seeds


def standing(own: Sequence[float], fresh: Sequence[Mapping[int, float]], runs: int) -> Lap:
    """Where a race stands, by the scores of its finalists' runs.

    own: of the search's runs, in the order in which the search ranks them; fresh: of those in the race, by
    the number of the seed. Finalists are named by their places. In a round all have the same seeds, so what a
    seed brings to all of them is in all of their means.
    """
    racing, out = list(range(len(own))), list[int]()
    for number, seeds in laps(len(own), runs) if own else []:
        out, racing = racing[number:] + out, racing[:number]
        if any(not set(range(seeds)) <= fresh[place].keys() for place in racing):
            return Lap((*racing, *out), dict.fromkeys(racing, seeds))
        means = {
            place: (own[place] + math.fsum(fresh[place][seed] for seed in range(seeds))) / (1 + seeds)
            for place in racing
        }
        racing.sort(key=lambda place: -means[place])
    return Lap((*racing, *out), {})


def _rounds(number: int) -> int:
    """How many rounds halve that many finalists to two, the last of which decides between them."""
    return max(1, math.ceil(math.log2(number)))

"""Numbers in loss files: how they are printed, and which ones a parameter accepts."""

from __future__ import annotations

import math
from dataclasses import dataclass

from a2ls_dsl.diagnostics import A2lError

_EXACT = 10**15
"""Below this, every whole number is printed without a point and reads back as the same float."""


@dataclass(frozen=True)
class Range:
    """The numbers that a parameter accepts: from `least` to `most`, only whole ones if `whole`.

    `above` and `below` exclude the end itself.
    """

    least: float
    most: float
    whole: bool = False
    above: bool = False
    below: bool = False

    def holds(self, value: float) -> bool:
        """Whether a number is in the range."""
        low = value > self.least if self.above else value >= self.least
        high = value < self.most if self.below else value <= self.most
        return math.isfinite(value) and low and high and (not self.whole or value == int(value))

    def __str__(self) -> str:
        """`a whole number from 2 to 512`, `a number above 0, at most 1`."""
        least, most = print_number(self.least), print_number(self.most)
        kind = "a whole number" if self.whole else "a number"
        if not (self.above or self.below):
            return f"{kind} from {least} to {most}"
        lower = f"above {least}" if self.above else f"of at least {least}"
        return f"{kind} {lower}" + (f" and below {most}" if self.below else f", at most {most}")


POSITIVE_SHARE = Range(0, 1, above=True)
"""Discounts and decays: above 0, at most 1."""


MAX_DIGITS = 40
"""The length of the longest number that is read, in characters."""


def number_of_text(text: str) -> float | A2lError:
    """The number that a text such as `-1e-3` stands for, or the error in it."""
    if len(text) > MAX_DIGITS:
        return A2lError(f"a number has at most {MAX_DIGITS} characters", "write a shorter one")
    if not math.isfinite(float(text)):
        return A2lError(f"the number {text} is not finite", "write a smaller one")
    return float(text)


def print_number(value: float) -> str:
    """A number that reads back as itself: `4`, `0.05`, `1e-08`."""
    return str(int(value)) if value == int(value) and abs(value) < _EXACT else repr(float(value))

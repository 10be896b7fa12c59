"""The weights of terms: which numbers they may be, and how nested ones multiply."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Context, Decimal

from a2ls_dsl.lang.messages.codes import Rule
from a2ls_dsl.lang.syntax.printer import print_weight
from a2ls_dsl.lang.syntax.tree import Schedule, Weight
from a2ls_dsl.words.language import SCHEDULE
from a2ls_dsl.words.numbers import Range, print_number

WEIGHT = Range(1e-30, 1e30)
"""What a weight may be, alone and multiplied out: float32 holds it, with room for the loss beside it."""

MAX_FRAMES = 10**12
"""The longest schedule, in environment frames."""

SCHEDULE_FIX = f"write {SCHEDULE}(FROM, TO, FRAMES), e.g. {SCHEDULE}(0.0, 1.0, 100000)"

_EXACT = Context(prec=40)
"""Holds the product of two floats, whose shortest decimal forms have 17 digits each at most."""


def schedule_of(numbers: Sequence[float]) -> Schedule | None:
    """The schedule of three numbers, of which the last one is whole; None of any others."""
    if len(numbers) != 3 or numbers[2] != int(numbers[2]):
        return None
    return Schedule(numbers[0], numbers[1], int(numbers[2]))


NO_SCHEDULE = "a schedule takes three numbers, the last one whole"


def weight_problem(weight: Weight) -> tuple[str, str, str] | None:
    """Code, message and fix for a weight that can't be one; None if it can."""
    if not isinstance(weight, Schedule):
        if WEIGHT.holds(weight):
            return None
        if weight > 0:
            return Rule.WEIGHT, f"a weight is {WEIGHT}, not {print_number(weight)}", "write one nearer to 1"
        message = f"the weight {weight!r} is not positive and finite"
        return Rule.WEIGHT, message, "write a number above 0, or leave the term out"
    given = [end for end in (weight.start, weight.end) if end != 0]
    if not given or min(given) < 0:
        message = f"the weights of {print_weight(weight)} are not 0 or more, with one above 0"
        return Rule.SCHEDULE, message, SCHEDULE_FIX if given else "a term that is never there is left out"
    if not all(map(WEIGHT.holds, given)):
        message = f"a weight of a schedule is 0 or {WEIGHT}; not so {print_weight(weight)}"
        return Rule.SCHEDULE, message, "write weights nearer to 1"
    if not 1 <= weight.frames <= MAX_FRAMES:
        return Rule.SCHEDULE, f"a schedule takes from 1 to {MAX_FRAMES:,} frames", SCHEDULE_FIX
    return None


def ends(weight: Weight) -> tuple[float, float]:
    """The least weight above 0 and the greatest that a sound weight takes."""
    if not isinstance(weight, Schedule):
        return weight, weight
    given = [end for end in (weight.start, weight.end) if end > 0]
    return min(given), max(given)


def canonical_weight(weight: Weight) -> Weight:
    """A schedule between two equal weights is a constant."""
    if isinstance(weight, Schedule):
        start, end = float(weight.start), float(weight.end)
        return start if start == end else Schedule(start, end, weight.frames)
    return float(weight)


def product(a: float, b: float) -> float:
    """The product of two numbers as they are written: of 0.1 and 0.2 it is 0.02."""
    return float(_EXACT.multiply(Decimal(repr(float(a))), Decimal(repr(float(b)))))


def times(outer: Weight, inner: Weight) -> Weight:
    """The weight of a term of weight `inner` in a loss that has the weight `outer`."""
    match canonical_weight(outer), canonical_weight(inner):
        case Schedule(start, end, frames), float(factor):
            return Schedule(product(factor, start), product(factor, end), frames)
        case float(factor), Schedule(start, end, frames):
            return Schedule(product(factor, start), product(factor, end), frames)
        case float(factor), float(other):
            return product(factor, other)
    raise ValueError("the product of two schedules is none; the checker refuses it")

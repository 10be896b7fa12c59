"""Sums: which weights terms may have and how nested ones multiply, the order of terms, the names of heads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from decimal import Context, Decimal
from itertools import chain, groupby, islice, permutations
from itertools import product as combinations
from math import factorial, prod
from typing import TypeAlias

from a2ls_dsl.lang.messages.codes import Rule
from a2ls_dsl.lang.syntax.printer import print_term, print_weight
from a2ls_dsl.lang.syntax.tree import (
    Call,
    Comparison,
    Element,
    Item,
    Loss,
    Option,
    Ref,
    Return,
    Rollout,
    Schedule,
    Weight,
    Weighted,
    elements_of,
)
from a2ls_dsl.words.language import SCHEDULE
from a2ls_dsl.words.maps import MAPS
from a2ls_dsl.words.numbers import Range, print_number
from a2ls_dsl.words.registry import operators

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


_TermKey: TypeAlias = tuple[str, tuple[float, ...]]


def shared_names(term: Comparison | Ref) -> list[str]:
    """The names that a comparison's heads have behind `as`."""
    options = term.options if isinstance(term, Comparison) else ()
    return [option.shared for option in options if option.shared]


def view_names(term: Comparison | Ref) -> list[str]:
    """The names that a comparison's views have behind `as`."""
    elements = elements_of(term.items) if isinstance(term, Comparison) else ()
    return [call.shared for element in elements for call in element.calls if call.shared]


def named_apart(loss: Loss, place: int) -> Loss:
    """A loss whose maps and views have names that no other part has: a name counts in its definition only."""

    def apart(name: str) -> str:
        return f"{place}.{name}"

    return Loss(tuple(_viewed(_renamed(weighted, apart), apart) for weighted in loss.terms))


def ordered_terms(terms: Iterable[Weighted]) -> tuple[Weighted, ...]:
    """Terms in canonical order; names that stand once are lost, the others become h1, ... and v1, ..."""
    given = list(terms)
    uses = Counter(name for weighted in given for name in view_names(weighted.term))
    if not uses:
        return _ordered_maps(given)
    given = [_viewed(weighted, lambda name: name if uses[name] > 1 else None) for weighted in given]
    ways = [[_viewed(weighted, names.get) for weighted in given] for names in _names_of_views(given)]
    return min(map(_ordered_maps, ways), key=lambda way: [_key(weighted) for weighted in way])


MAX_WAYS = 120
"""In so many ways at most alike views are numbered to find the first one in order."""


def _names_of_views(terms: list[Weighted]) -> list[dict[str, str]]:
    """The ways to call the views v1, v2, ... that don't depend on their names: those alike in any order."""
    names = dict.fromkeys(name for weighted in terms for name in view_names(weighted.term))
    marks: dict[str, list[_TermKey]] = {name: [] for name in names}
    for weighted in terms:
        plain = _renamed(weighted, lambda name: "h")
        for name in dict.fromkeys(view_names(weighted.term)):
            marked = {other: "v" if other == name else "w" for other in names}
            marks[name].append(_key(_viewed(plain, marked.get)))
    ranks = {name: sorted(marks[name]) for name in names}
    alike = [list(group) for _, group in groupby(sorted(names, key=ranks.__getitem__), ranks.__getitem__)]
    ways = combinations(*map(permutations, alike))
    few = islice(ways, MAX_WAYS if prod(map(factorial, map(len, alike))) <= MAX_WAYS else 1)
    return [{name: f"v{n}" for n, name in enumerate(chain(*way), start=1)} for way in few]


def _ordered_maps(given: list[Weighted]) -> tuple[Weighted, ...]:
    """Terms in canonical order, with names of their maps that depend on this order alone."""
    uses = Counter(name for weighted in given for name in shared_names(weighted.term))
    if not uses:
        return tuple(sorted(given, key=_key)) if len(given) > 1 else tuple(given)
    given = [_renamed(weighted, lambda name: name if uses[name] > 1 else None) for weighted in given]
    keys = [_key(_renamed(weighted, lambda name: "h")) for weighted in given]
    contents: dict[str, list[_TermKey]] = {}
    for weighted, key in zip(given, keys, strict=True):
        for name in shared_names(weighted.term):
            contents.setdefault(name, []).append(key)
    blocks = sorted(contents, key=lambda name: sorted(contents[name]))
    ranks = {name: rank for rank, name in enumerate(blocks, start=1)}

    def order(place: int) -> tuple[_TermKey, int]:
        return keys[place], max((ranks[name] for name in shared_names(given[place].term)), default=0)

    ranked = [given[place] for place in sorted(range(len(given)), key=order)]
    names: dict[str, str] = {}
    for weighted in ranked:
        for name in shared_names(weighted.term):
            names.setdefault(name, f"h{len(names) + 1}")
    return tuple(_renamed(weighted, names.get) for weighted in ranked)


def _key(weighted: Weighted) -> _TermKey:
    return print_term(weighted.term), _numbers(weighted.weight)


def _numbers(weight: Weight) -> tuple[float, ...]:
    return (weight.start, weight.end, weight.frames) if isinstance(weight, Schedule) else (weight,)


def _renamed(weighted: Weighted, rename: Callable[[str], str | None]) -> Weighted:
    term = weighted.term
    if not isinstance(term, Comparison) or not shared_names(term):
        return weighted
    options = [
        replace(option, shared=rename(option.shared)) if option.shared else option for option in term.options
    ]
    return replace(weighted, term=replace(term, options=without_defaults(term, options)))


def with_elements(item: Item, change: Callable[[Element], Element]) -> Item:
    """An item whose elements (see `elements_of`) are changed."""
    match item:
        case Element():
            return change(item)
        case Rollout(start):
            return replace(item, start=change(start))
        case Return(bootstrap=end):
            return replace(item, bootstrap=end and change(end))


def _viewed(weighted: Weighted, rename: Callable[[str], str | None]) -> Weighted:
    """A weighted term with other names of its views; its sets are in order."""
    if not view_names(weighted.term) or not isinstance(weighted.term, Comparison):
        return weighted

    def renamed(element: Element) -> Element:
        calls = (replace(call, shared=rename(call.shared)) if call.shared else call for call in element.calls)
        return replace(element, calls=tuple(calls))

    def items(given: tuple[Item, ...]) -> tuple[Item, ...]:
        return tuple(sorted((with_elements(item, renamed) for item in given), key=lambda item: item.order))

    term = weighted.term
    return replace(weighted, term=replace(term, source=items(term.source), target=items(term.target)))


def without_defaults(term: Comparison, options: Sequence[Option]) -> tuple[Option, ...]:
    """The options that say something: with a name, or not by default, or given together with one of these."""
    kept = {
        option.name for option in options if option.shared or option.value != _default_of(term, option.name)
    }
    entry = operators.get(term.operator)
    kept |= {option.beside for option in (entry.options if entry else ()) if option.name in kept}
    return tuple(option for option in options if option.name in kept)


def _default_of(term: Comparison, name: str) -> float | Call | None:
    """The value that an option of a comparison has by default; None if the operator has no such."""
    if name in MAPS:
        return Call(MAPS[name].default)
    entry = operators.get(term.operator)
    option = entry.option(name) if entry else None
    return option.default if option else None

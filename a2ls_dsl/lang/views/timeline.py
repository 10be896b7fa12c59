"""A loss drawn as a grid: the steps of the window across, the streams down."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from a2ls_dsl.lang.rules.canonical import comparisons, is_fresh, views_of
from a2ls_dsl.lang.rules.types import rollouts
from a2ls_dsl.lang.syntax.printer import print_item, print_step, print_tail, print_weight, stream_of
from a2ls_dsl.lang.syntax.tree import Comparison, Element, Item, Loss, Return, Rollout, elements_of
from a2ls_dsl.words.agent import DISCOUNT, RETURN
from a2ls_dsl.words.language import Stream
from a2ls_dsl.words.numbers import print_number

STEPS_PER_BAND = 12
"""Longer windows are drawn in several bands, one below the other."""

_CELL = 5
_ALWAYS = (Stream.STATE, Stream.ACTION, Stream.REWARD)
_Row = tuple[Stream, str]
"""A stream, and what is done to it, as text: the row's label where there is anything."""


def timeline(loss: Loss) -> str:
    """The grid of every term of a canonical loss, and what the marks in it mean."""
    terms = comparisons(loss)
    alone = len(terms) == 1 and terms[0][0] == 1.0
    grids = [_grid(term, "" if alone else f"{print_weight(weight)} * ") for weight, term in terms]
    items = [item for _, term in terms for item in term.items]
    legend = ["S source   T target   ST both   . unused"]
    legend += ["* read by a function"] if any(map(_reads, items)) else []
    legend += ["> predicted from the start"] if any(isinstance(item, Rollout) for item in items) else []
    legend += ["V value at the end"] if any(isinstance(i, Return) and i.bootstrap for i in items) else []
    drawn = any(element.until is not None for element in elements_of(items))
    legend += ["(of a run that is drawn from, one step)"] if drawn else []
    legend += ["(a view is a new draw at each call)"] if any(map(is_fresh, items)) else []
    named = any(view.shared for item in items for view in views_of(item))
    legend += ["(views of one name are one draw)"] if named else []
    return "\n\n".join([*grids, "   ".join(legend)])


def _grid(term: Comparison, weight: str) -> str:
    marks: dict[_Row, Counter[tuple[int, str]]] = {(stream, ""): Counter() for stream in _ALWAYS}
    for letter, items in (("S", term.source), ("T", term.target)):
        for item in items:
            cells = marks.setdefault(_row(item), Counter())
            for cell in _cells(item, letter):
                cells[cell] += 1
    reads = {(row, step) for item in term.items for row, step in _reads(item)}
    rows = sorted(marks, key=lambda row: (list(Stream).index(row[0]), row[1]))
    labels = [text or stream.value for stream, text in rows]
    width = max(map(len, labels))
    horizon = max(step for cells in [*marks.values(), [(term.horizon, "")]] for step, _ in cells)
    lines = [f"{weight}{term.operator}{print_tail(term)}" + (", step by step" if rollouts(term) else "")]
    for first in range(0, horizon + 1, STEPS_PER_BAND):
        steps = range(first, min(first + STEPS_PER_BAND, horizon + 1))
        lines.append(_line(" " * width, [print_step(step) for step in steps]))
        for label, row in zip(labels, rows, strict=True):
            texts = ["".join(_mark(letter, marks[row][step, letter]) for letter in "STV>") for step in steps]
            unmarked = ["*" if (row, step) in reads else "." for step in steps]
            filled = [text or other for text, other in zip(texts, unmarked, strict=True)]
            lines.append(_line(label.ljust(width), filled))
    return "\n".join(lines)


def _row(item: Item) -> _Row:
    """The row of an item: its stream, and its functions around the name of the stream."""
    match item:
        case Element(stream, _, calls):
            return stream, _named(item) if calls else ""
        case Rollout(start):
            return stream_of(item), f"{item.name}({_named(start)}, {Stream.ACTION})"
        case Return(_, _, bootstrap, discount):
            parts = [Stream.REWARD.value, *([_named(bootstrap)] if bootstrap else [])]
            parts += [print_number(discount)] if discount != DISCOUNT.default else []
            return Stream.REWARD, f"{RETURN}({', '.join(parts)})"


def _named(element: Element) -> str:
    """An element without its step: `l2(ema(s))`."""
    return re.sub(r"\[[^]]*\]", "", print_item(element), count=1)


def _cells(item: Item, letter: str) -> Iterator[tuple[int, str]]:
    """The steps that an item touches, with the letters of what it does there."""
    match item:
        case Element():
            yield from ((step, letter) for step in range(item.offset, item.last + 1))
        case Rollout(start, first, length):
            yield start.offset, letter
            yield from ((step, ">") for step in range(first + 1, first + length + 1 - item.visited))
        case Return(first, last, bootstrap):
            yield from ((step, letter) for step in range(first, last + 1))
            if bootstrap:
                yield bootstrap.offset, "V"


def _reads(item: Item) -> list[tuple[_Row, int]]:
    """The elements of the window that a function reads, each with the row of its stream alone."""
    match item:
        case Element(stream, offset, calls):
            return [((stream, ""), step) for step in range(offset, item.last + 1)] if calls else []
        case Rollout(start, first, length):
            last = first + length - item.visited
            actions = [((Stream.ACTION, ""), step) for step in range(first, last)]
            return [((start.stream, ""), start.offset), *actions]
        case Return(first, last, bootstrap):
            rewards = [((Stream.REWARD, ""), step) for step in range(first, last + 1)]
            return rewards + ([((bootstrap.stream, ""), bootstrap.offset)] if bootstrap else [])


def _mark(letter: str, times: int) -> str:
    return letter if times == 1 else f"{letter}{times}" if times else ""


def _line(label: str, cells: list[str]) -> str:
    return f"  {label}  " + " ".join(cell.ljust(_CELL) for cell in cells).rstrip()

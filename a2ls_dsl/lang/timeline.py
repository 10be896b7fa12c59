"""A loss drawn as a grid: the steps of the window across, the streams down."""

from __future__ import annotations

from collections import Counter

from a2ls_dsl.lang.ast import Comparison, Element, Loss, Stream
from a2ls_dsl.lang.canonical import comparisons
from a2ls_dsl.lang.printer import print_step

STEPS_PER_BAND = 12
"""Longer windows are drawn in several bands, one below the other."""

_CELL = 5
_Row = tuple[Stream, str | None]


def timeline(loss: Loss) -> str:
    """The grid of every term of a canonical loss, and what the marks in it mean."""
    terms = comparisons(loss)
    alone = len(terms) == 1 and terms[0][0] == 1.0
    grids = [_grid(term, "" if alone else f"{weight!r} * ") for weight, term in terms]
    views = any(each.view for _, term in terms for each in (*term.source, *term.target))
    legend = "S source   T target   ST both   . unused"
    return "\n\n".join([*grids, legend + ("   (a view is a new draw at each call)" if views else "")])


def _grid(term: Comparison, weight: str) -> str:
    rows: list[_Row] = [(stream, None) for stream in Stream]
    drawn = {(each.stream, each.view) for each in (*term.source, *term.target) if each.view}
    rows[1:1] = sorted(drawn, key=lambda row: row[1] or "")
    labels = [f"{view}({stream})" if view else str(stream) for stream, view in rows]
    width = max(map(len, labels))
    source, target = Counter(term.source), Counter(term.target)
    lines = [f"{weight}{term.operator}" + (" against batch" if term.against_batch else "")]
    for first in range(0, term.horizon + 1, STEPS_PER_BAND):
        steps = range(first, min(first + STEPS_PER_BAND, term.horizon + 1))
        lines.append(_line(" " * width, [print_step(step) for step in steps]))
        for label, (stream, view) in zip(labels, rows, strict=True):
            cells = [Element(stream, step, view) for step in steps]
            marks = [_mark("S", source[cell]) + _mark("T", target[cell]) or "." for cell in cells]
            lines.append(_line(label.ljust(width), marks))
    return "\n".join(lines)


def _mark(letter: str, times: int) -> str:
    return letter if times == 1 else f"{letter}{times}" if times else ""


def _line(label: str, cells: list[str]) -> str:
    return f"  {label}  " + " ".join(cell.ljust(_CELL) for cell in cells).rstrip()

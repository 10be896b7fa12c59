"""The charts of a report that compare: intervals, what became of candidates and frames, the family tree."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from a2ls_dsl.english import count
from a2ls_dsl.report.statistics import Interval
from a2ls_dsl.report.summary import distances
from a2ls_dsl.report.svg import CHARACTER, Drawing, Scale, number, padded
from a2ls_dsl.search.candidates import Candidate

NODES = 60
"""At most this many of a family are drawn: those nearest to the best."""

NODE, NODE_HEIGHT, ROW = 104, 40, 78


@dataclass(frozen=True)
class Bar:
    """A named interval; quiet ones are drawn thin."""

    name: str
    interval: Interval
    tip: str = ""
    quiet: bool = False


@dataclass(frozen=True)
class Part:
    """A named share of something; kind: its class."""

    name: str
    value: float
    kind: str


def intervals(rows: Sequence[tuple[str, Sequence[Bar]]], title: str, label: str, width: float) -> str:
    """Rows of intervals around 0, with the row's name above on narrow drawings and beside on wide ones.

    The axis suits most of them: an interval many times as wide as the others ends in an arrow at the edge.
    """
    shown = [(name, [bar for bar in bars if not math.isnan(bar.interval.value)]) for name, bars in rows]
    values = _range([bar.interval for _, bars in shown for bar in bars])
    beside = width > 560
    left = 14 + CHARACTER * 1.05 * max((len(name) for name, _ in rows), default=0) if beside else 12
    heights = [(0 if beside else 18) + max(14 * len(bars), 14) + 12 for _, bars in shown]
    drawing = Drawing(width, sum(heights) + 46, title, _summary(shown))
    x = Scale(*padded(values, zero=True), left, width - 16)
    bottom = drawing.height - 40
    for tick in x.ticks(max(2, int(width / 120))):
        drawing.line(x(tick), 4, x(tick), bottom, "zero" if tick == 0 else "grid")
        drawing.text(x(tick), bottom + 16, f"{'+' if tick > 0 else ''}{number(tick)}", "axis", "middle")
    drawing.text((left + width - 16) / 2, drawing.height - 6, label, "axis", "middle")
    top = 4.0
    for (name, bars), height in zip(shown, heights, strict=True):
        middle = top + (0 if beside else 18) + height / 2 - (0 if beside else 9)
        if beside:
            drawing.text(left - 8, middle + 4, name, "label", "end")
        else:
            drawing.text(4, top + 14, name, "label")
        if not bars:
            drawing.text(x(0) + 6, middle + 4, "can't be said", "axis")
        for place, bar in enumerate(bars):
            _interval(drawing, x, bar, middle + 14 * (place - (len(bars) - 1) / 2))
        top += height
    return drawing.render()


def _interval(drawing: Drawing, x: Scale, bar: Bar, y: float) -> None:
    sure = bar.interval.excludes(0.0)
    kind = "quiet" if bar.quiet else ("better" if bar.interval.value > 0 else "worse") if sure else "unsure"
    if bar.interval.bounded:
        ends = [min(max(end, x.low), x.high) for end in (bar.interval.low, bar.interval.high)]
        drawing.line(x(ends[0]), y, x(ends[1]), y, f"whisker {kind}")
        for end, bound, inwards in zip(ends, (bar.interval.low, bar.interval.high), (7, -7), strict=True):
            if end != bound:
                tip = x(end), y
                drawing.path([(tip[0] + inwards, y - 5), tip, (tip[0] + inwards, y + 5)], f"arrow {kind}")
    place = min(max(bar.interval.value, x.low), x.high)
    drawing.dot(x(place), y, 3 if bar.quiet else 5, f"point {kind}", bar.tip)


BEYOND = 3.0
"""An axis of intervals ends this many median half widths beyond the outermost middle estimates."""


def _range(shown: Sequence[Interval]) -> list[float]:
    """The values that the axis covers: the ends of all intervals, save those far beyond what most need."""
    bounded = [interval for interval in shown if interval.bounded]
    if not bounded:
        return [interval.value for interval in shown]
    half = float(np.median([(interval.high - interval.low) / 2 for interval in bounded]))
    low, high = np.quantile([interval.value for interval in bounded], [0.1, 0.9])
    ends = [
        end
        for interval in shown
        for end in (interval.value, interval.low, interval.high)
        if not math.isnan(end)
    ]
    return [min(max(end, float(low) - BEYOND * half), float(high) + BEYOND * half) for end in ends]


def _summary(rows: Sequence[tuple[str, Sequence[Bar]]]) -> str:
    return "; ".join(
        f"{name}: {bars[0].interval.value:.1f} from {bars[0].interval.low:.1f} to {bars[0].interval.high:.1f}"
        for name, bars in rows
        if bars and bars[0].interval.bounded
    )


def stacked(parts: Sequence[Part], title: str, width: float) -> str:
    """One bar of several parts, and below it their names and figures, as many per line as fit."""
    whole = sum(part.value for part in parts) or 1.0
    labels = [f"{part.name} {number_or_words(part.value)} ({part.value / whole:.0%})" for part in parts]
    lines: list[list[int]] = [[]]
    used = 0.0
    for place, words in enumerate(labels):
        room = 34 + CHARACTER * 1.06 * len(words)
        if lines[-1] and used + room > width:
            lines.append([])
            used = 0.0
        lines[-1].append(place)
        used += room
    drawing = Drawing(width, 44 + 20 * len(lines), title, "; ".join(labels))
    at = 0.0
    for part, words in zip(parts, labels, strict=True):
        share = part.value / whole * width
        drawing.rect(at, 4, share - (1 if share > 2 else 0), 26, f"part {part.kind}", words)
        at += share
    for row, places in enumerate(lines):
        at = 0.0
        for place in places:
            drawing.rect(at, 41 + 20 * row, 11, 11, f"part {parts[place].kind}", r=2)
            drawing.text(at + 17, 51 + 20 * row, labels[place], "label")
            at += 34 + CHARACTER * 1.06 * len(labels[place])
    return drawing.render()


def number_or_words(value: float) -> str:
    """A count with commas; large ones abbreviated."""
    return f"{value:,.0f}" if value < 1e6 else number(round(value / 1e5) * 1e5)


def family(lineage: Sequence[Candidate]) -> str:
    """The family tree of the last of a lineage (parents before children), at the bottom; each parent stands
    above all of its children, and as near as it can."""
    shown = lineage[-NODES:]
    far = distances(shown)
    rows: list[list[Candidate]] = [[] for _ in range(max(far.values()) + 1)]
    for candidate in shown:
        rows[-1 - far[candidate.key]].append(candidate)
    widest = max(map(len, rows))
    width, height = widest * (NODE + 18) + 18, len(rows) * ROW + 4
    summary = (
        f"{count(len(shown), 'loss', 'losses')} over {len(rows)} steps; the winner is {shown[-1].key[:8]}."
    )
    drawing = Drawing(width, height, "Family tree of the best loss", summary)
    places: dict[str, tuple[float, float]] = {}
    for depth, row in enumerate(rows):
        room = width / len(row)
        # Children stand under their parents: in the order of their parents' places.
        row.sort(
            key=lambda candidate: _mean(
                [places[p][0] for p in candidate.parents if p in places], candidate.id
            )
        )
        for place, candidate in enumerate(row):
            places[candidate.key] = room * (place + 0.5), depth * ROW + 4
    for candidate in shown:
        x, y = places[candidate.key]
        for parent in candidate.parents:
            if parent in places:
                px, py = places[parent]
                drawing.line(px, py + NODE_HEIGHT, x, y, "edge")
    for candidate in shown:
        x, y = places[candidate.key]
        kind = "node winner" if candidate is shown[-1] else "node"
        tip = f"{candidate.key[:8]}, generation {candidate.generation}, {candidate.origin}: {candidate.text}"
        drawing.rect(x - NODE / 2, y, NODE, NODE_HEIGHT, kind, tip, r=6)
        score = "" if candidate.score is None else f"{candidate.score:.1f}"
        drawing.text(x, y + 16, f"{candidate.key[:6]}  {score}", "label", "middle")
        drawing.text(x, y + 32, f"{candidate.origin}", "axis", "middle")
    return drawing.render()


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else float(otherwise)

"""Charts as inline SVG: axes, marks and words, coloured by the classes of the page they stand in."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count

_IDS = count()
CHARACTER = 6.6
"""About how wide a character of the charts' small text is, in pixels."""


@dataclass(frozen=True)
class Scale:
    """Maps values from `low`..`high` to pixels `begin`..`end`."""

    low: float
    high: float
    begin: float
    end: float

    def __call__(self, value: float) -> float:
        span = self.high - self.low or 1.0
        return self.begin + (value - self.low) / span * (self.end - self.begin)

    def ticks(self, number: int) -> list[float]:
        """About `number` round values within the scale: multiples of 1, 2 or 5 times a power of ten."""
        span = self.high - self.low
        if not (span > 0 and math.isfinite(span)):
            return [self.low]
        rough = span / max(number, 1)
        power = 10 ** math.floor(math.log10(rough))
        step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [round(place * step, 10) for place in range(first, last + 1)]


@dataclass
class Drawing:
    """An SVG of a size in pixels; a screen reader reads out `title` and `summary`."""

    width: float
    height: float
    title: str
    summary: str = ""
    parts: list[str] = field(default_factory=list)

    def line(self, x1: float, y1: float, x2: float, y2: float, kind: str) -> None:
        """A straight line."""
        self.parts.append(f'<line x1="{_n(x1)}" y1="{_n(y1)}" x2="{_n(x2)}" y2="{_n(y2)}" class="{kind}"/>')

    def path(self, points: Iterable[tuple[float, float]], kind: str, closed: bool = False) -> None:
        """A line through points, or the area that it encloses."""
        d = " L".join(f"{_n(x)} {_n(y)}" for x, y in points)
        if d:
            self.parts.append(f'<path d="M{d}{" Z" if closed else ""}" class="{kind}"/>')

    def rect(
        self, x: float, y: float, width: float, height: float, kind: str, tip: str = "", r: float = 0
    ) -> None:
        """A rectangle; tip: its tooltip."""
        self.parts.append(
            f'<rect x="{_n(x)}" y="{_n(y)}" width="{_n(max(width, 0))}" height="{_n(max(height, 0))}"'
            f'{f" rx={_q(r)}" if r else ""} class="{kind}"{_end("rect", tip)}'
        )

    def dot(self, x: float, y: float, radius: float, kind: str, tip: str = "") -> None:
        """A disc."""
        self.parts.append(
            f'<circle cx="{_n(x)}" cy="{_n(y)}" r="{_n(radius)}" class="{kind}"{_end("circle", tip)}'
        )

    def text(self, x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> None:
        """Words at a place: `anchor` is their start, middle or end."""
        at = "" if anchor == "start" else f' text-anchor="{anchor}"'
        self.parts.append(f'<text x="{_n(x)}" y="{_n(y)}"{at} class="{kind}">{html.escape(words)}</text>')

    def place(self, inner: Drawing, x: float, y: float) -> None:
        """Another drawing within this one, its corner at a place."""
        name, corner = html.escape(inner.title), f"translate({_n(x)} {_n(y)})"
        opening = f'<g role="img" aria-label="{name}" transform="{corner}">'
        self.parts.append(f"{opening}{''.join(inner.parts)}</g>")

    def render(self, name: str | None = None) -> str:
        """The SVG's text. name: its id, by default one that no other drawing of this process has."""
        name = name or f"c{next(_IDS)}"
        summary = f'<desc id="{name}d">{html.escape(self.summary)}</desc>' if self.summary else ""
        labels = f"{name}t {name}d" if self.summary else f"{name}t"
        return (
            f'<svg role="img" aria-labelledby="{labels}" viewBox="0 0 {_n(self.width)} {_n(self.height)}" '
            f'width="{_n(self.width)}" height="{_n(self.height)}">'
            f'<title id="{name}t">{html.escape(self.title)}</title>{summary}{"".join(self.parts)}</svg>'
        )


@dataclass(frozen=True)
class Frame:
    """The plot inside a drawing: its scales, with axes already drawn."""

    drawing: Drawing
    x: Scale
    y: Scale


def frame(
    drawing: Drawing,
    x: tuple[float, float],
    y: tuple[float, float],
    x_label: str,
    y_label: str,
    x_ticks: bool = True,
    right: float = 14,
) -> Frame:
    """Axes with a quiet grid; the value axis on the left has its name on top, as nobody reads sideways."""
    left = 18 + CHARACTER * max(len(number(tick)) for tick in Scale(*y, 0, 1).ticks(5))
    scales = Scale(*x, left, drawing.width - right), Scale(*y, drawing.height - 40, 26)
    drawing.text(4, 12, y_label, "axis")
    for tick in scales[1].ticks(5):
        at = scales[1](tick)
        drawing.line(left, at, drawing.width - right, at, "grid")
        drawing.text(left - 6, at + 4, number(tick), "axis", "end")
    if x_ticks:
        for tick in scales[0].ticks(max(2, int(drawing.width / 130))):
            drawing.text(scales[0](tick), drawing.height - 22, number(tick), "axis", "middle")
    drawing.line(left, scales[1].begin, drawing.width - right, scales[1].begin, "base")
    drawing.text((left + drawing.width - right) / 2, drawing.height - 5, x_label, "axis", "middle")
    return Frame(drawing, *scales)


def padded(values: Sequence[float], share: float = 0.06, zero: bool = False) -> tuple[float, float]:
    """The range of values with some room; never empty."""
    finite = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
    low, high = min(finite), max(finite)
    if zero:
        low, high = min(low, 0.0), max(high, 0.0)
    room = (high - low) * share or abs(high) * 0.1 or 1.0
    return (0.0 if zero and low == 0 else low - room), high + room


def number(value: float) -> str:
    """A number on an axis: `0.5`, `120`, `20k`, `1.5M`."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            return f"{value / (1e3 if letter == 'k' else size):g}{letter}"
    return f"{value:g}"


def spread(wanted: Sequence[float], least: float, low: float, high: float) -> list[float]:
    """Places for labels: near where they are wanted, at least `least` apart, from `low` to `high`."""
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    places = list(wanted)
    before = low - least
    for i in order:
        places[i] = before = max(wanted[i], before + least)
    after = high + least
    for i in reversed(order):
        places[i] = after = min(places[i], after - least)
    return places


def _n(value: float) -> str:
    return f"{value:.1f}".rstrip("0").rstrip(".") if math.isfinite(value) else "0"


def _q(value: float) -> str:
    return f'"{_n(value)}"'


def _end(kind: str, tip: str) -> str:
    return f"><title>{html.escape(tip)}</title></{kind}>" if tip else "/>"

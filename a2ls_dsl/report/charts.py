"""The charts of a report over time: scores of the candidates by generation, learning curves, slots in use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from a2ls_dsl.report.statistics import mean_interval
from a2ls_dsl.report.style import CURVES
from a2ls_dsl.report.svg import Drawing, Frame, frame, number, padded, spread

Floats = NDArray[np.float64]
GROUPS = 12
"""At most this many violins are drawn: of more generations, neighbours share one."""

DOTS = 30
"""A group of at most this many scores shows each as a dot."""


@dataclass(frozen=True)
class Group:
    """The scores of a generation, or of several."""

    label: str
    scores: Floats


@dataclass(frozen=True)
class Line:
    """A named value to compare others with."""

    name: str
    value: float


@dataclass(frozen=True)
class Curve:
    """A learning curve over frames: mean of the runs that came to their end, and the ends of a band.

    The band is NaN where there is none; diverged: independent runs that are not part of it.
    """

    name: str
    frames: Floats
    mean: Floats
    low: Floats
    high: Floats
    runs: int
    diverged: int = 0


def mean_curve(name: str, frames: Sequence[int], returns: Floats, diverged: int = 0) -> Curve:
    """The mean over runs with Student's interval at each point. returns: (runs, points)."""
    bands = [mean_interval(column) for column in returns.T]
    low, high = (np.array([getattr(band, end) for band in bands]) for end in ("low", "high"))
    return Curve(name, np.array(frames, np.float64), returns.mean(axis=0), low, high, len(returns), diverged)


def grouped(generations: NDArray[np.int64], scores: Floats) -> list[Group]:
    """Scores by generation; of many generations, neighbours are put together."""
    numbers = np.unique(generations)
    if not len(numbers):
        return []
    parts = np.array_split(numbers, min(GROUPS, len(numbers)))
    return [
        Group(
            f"{part[0]}" if len(part) == 1 else f"{part[0]}-{part[-1]}",
            scores[(generations >= part[0]) & (generations <= part[-1])],
        )
        for part in parts
    ]


def evolution(groups: Sequence[Group], references: Sequence[Line], width: float) -> str:
    """Violins with medians, quartiles and the best, the best so far as a line, and references."""
    everything = np.concatenate([group.scores for group in groups])
    values = [*everything, *(reference.value for reference in references)]
    medians, tops = ([float(rule(g.scores)) for g in groups] for rule in (np.median, np.max))
    summary = f"Median {_list(medians)} by generation, best {_list(tops)}."
    drawing = Drawing(width, 320, "Scores of the candidates, generation by generation", summary)
    names = max((len(reference.name) for reference in references), default=0)
    plot = frame(
        drawing,
        (-0.5, len(groups) - 0.5),
        padded(values),
        "generation",
        "score (area under the learning curve)",
        x_ticks=False,
        right=min(14 + 7 * names, width / 3.5),
    )
    _references(plot, references)
    room = (plot.x(1) - plot.x(0)) * 0.42
    for place, group in enumerate(groups):
        _violin(plot, place, group, min(room, 44))
        sparse = len(groups) * max(len(g.label) for g in groups) * 7 > width - 60 and place % 2
        if not sparse:
            drawing.text(plot.x(place), drawing.height - 22, group.label, "axis", "middle")
    best = np.maximum.accumulate([group.scores.max() for group in groups])
    drawing.path(((plot.x(i), plot.y(float(score))) for i, score in enumerate(best)), "best")
    return drawing.render()


def _violin(plot: Frame, place: int, group: Group, room: float) -> None:
    drawing, x = plot.drawing, plot.x(place)
    scores = group.scores
    quarters = [float(quarter) for quarter in np.quantile(scores, [0.25, 0.5, 0.75])]
    if len(scores) > 4 and np.ptp(scores) > 0:
        grid, density = smoothed(scores)
        sides = [(room * d, plot.y(float(value))) for d, value in zip(density, grid, strict=True)]
        outline = [(x - dx, y) for dx, y in sides] + [(x + dx, y) for dx, y in reversed(sides)]
        drawing.path(outline, "violin", closed=True)
    if len(scores) <= DOTS:
        places = x + room * 0.5 * np.sin(2.4 * np.arange(len(scores)))
        for at, score in zip(places, scores, strict=True):
            drawing.dot(float(at), plot.y(float(score)), 2, "speck")
    drawing.line(x, plot.y(quarters[0]), x, plot.y(quarters[2]), "quartiles")
    tip = (
        f"generation {group.label}: {len(scores)} scores, median {quarters[1]:.1f}, middle half "
        f"{quarters[0]:.1f} to {quarters[2]:.1f}, best {scores.max():.1f}"
    )
    drawing.dot(x, plot.y(quarters[1]), 4, "median", tip)
    drawing.dot(x, plot.y(float(scores.max())), 3, "top", tip)


def smoothed(scores: Floats, points: int = 64) -> tuple[Floats, Floats]:
    """A density of scores between the least and the largest: places, and heights up to 1.

    Counts in narrow bins, smoothed by a Gaussian of Scott's width; takes the same time for any number.
    """
    low, high = float(scores.min()), float(scores.max())
    counts, edges = np.histogram(scores, 4 * points, (low, high))
    centres = (edges[1:] + edges[:-1]) / 2
    width = max(float(scores.std()) * len(scores) ** -0.2, (high - low) / points)
    grid = np.linspace(low, high, points)
    kernel = np.exp(-0.5 * ((grid[:, None] - centres[None, :]) / width) ** 2)
    density = kernel @ counts
    return grid, density / density.max()


def _references(plot: Frame, references: Sequence[Line]) -> None:
    places = spread([plot.y(reference.value) for reference in references], 14, 30, plot.y.begin)
    for reference, place in zip(references, places, strict=True):
        at = plot.y(reference.value)
        plot.drawing.line(plot.x.begin, at, plot.x.end, at, "reference")
        plot.drawing.text(plot.x.end + 4, place + 4, reference.name, "axis")


def learning(
    curves: Sequence[Curve],
    others: Sequence[tuple[Floats, Floats]],
    width: float,
    title: str = "Learning curves",
) -> str:
    """Mean returns over frames with bands; `others`: further curves in grey, (frames, returns) each.

    The curves set the axis: bands of two or three seeds are many times as wide, and are cut at its ends.
    """
    values = [v for curve in curves for v in curve.mean] + [v for _, returns in others for v in returns]
    last = max((c.frames[-1] for c in curves), default=1.0)
    summary = "; ".join(f"{c.name}: {c.mean[-1]:.0f} after {c.frames[-1]:,.0f} frames" for c in curves)
    drawing = Drawing(width, 320, title, summary)
    names = max((len(curve.name) for curve in curves), default=0)
    right = min(18 + 7.5 * names, width / 3)
    plot = frame(
        drawing, (0, last), padded(values, zero=True), "environment frames", "mean return", right=right
    )
    for frames, returns in others:
        drawing.path(_places(plot, frames, returns), "other")
    draw_curves(plot, dict(enumerate(curves)))
    at = spread([plot.y(float(curve.mean[-1])) for curve in curves], 15, 30, plot.y.begin)
    for place, curve in enumerate(curves):
        x = plot.x(float(curve.frames[-1]))
        drawing.line(x + 2, plot.y(float(curve.mean[-1])), x + 8, at[place], f"curve {colour(place)}")
        drawing.text(x + 11, at[place] + 4, curve.name, f"name {colour(place)}")
    return drawing.render()


def draw_curves(plot: Frame, curves: Mapping[int, Curve]) -> None:
    """Curves by the numbers of their colours, all bands below all lines; a band ends at the plot's edge."""
    for place, curve in curves.items():
        bounded = np.isfinite(curve.low)
        if bounded.sum() > 1:
            ends = (np.clip(part[bounded], plot.y.low, plot.y.high) for part in (curve.high, curve.low))
            upper, lower = (_places(plot, curve.frames[bounded], part) for part in ends)
            plot.drawing.path([*upper, *reversed(lower)], f"band {colour(place)}", closed=True)
    for place, curve in curves.items():
        plot.drawing.path(_places(plot, curve.frames, curve.mean), f"curve {colour(place)}")


def colour(place: int) -> str:
    """The style of a curve; styles repeat after `CURVES` of them."""
    return f"k{place % CURVES}"


def _places(plot: Frame, frames: Floats, returns: Floats) -> list[tuple[float, float]]:
    return [(plot.x(float(f)), plot.y(float(r))) for f, r in zip(frames, returns, strict=True)]


def occupancy(busy: Floats, slots: int, width: float) -> str:
    """How many slots train, over the time of the search: `busy` in equal parts of it, from 0 to `slots`."""
    share = float(busy.mean()) / max(slots, 1)
    drawing = Drawing(width, 200, "Slots in use over the search", f"{share:.0%} of {slots} slots on average.")
    plot = frame(drawing, (0, 100), (0, slots), "time of the search, %", "slots in use")
    step = 100 / len(busy)
    top = [(plot.x(i * step + dx), plot.y(float(used))) for i, used in enumerate(busy) for dx in (0, step)]
    drawing.path([(plot.x.begin, plot.y.begin), *top, (plot.x.end, plot.y.begin)], "area", closed=True)
    at = plot.y(share * slots)
    drawing.line(plot.x.begin, at, plot.x.end, at, "reference")
    drawing.text(plot.x.end - 4, at - 5, f"{share:.0%} on average", "axis", "end")
    return drawing.render()


def _list(values: Sequence[float]) -> str:
    return ", ".join(number(round(value, 1)) for value in values)

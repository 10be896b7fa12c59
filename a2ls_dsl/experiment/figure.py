"""Learning curves of an experiment as one SVG: a panel an environment, a line and a band an arm."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from a2ls_dsl.experiment.collect import Collected
from a2ls_dsl.report.statistics import mean_interval

# Okabe and Ito's colours, which colour-blind readers tell apart, without yellow, which is faint on white.
COLOURS = ("#000000", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#666666")
COLUMNS, WIDTH, HEIGHT = 3, 330, 240
LEFT, RIGHT, TOP, BOTTOM = 44, 12, 26, 36
LEGEND_WIDTH, LEGEND_HEIGHT = 180, 18


@dataclass(frozen=True)
class Curve:
    """An arm on an environment: frames, mean over seeds, and the ends of its 95 % interval, all (points,)."""

    frames: NDArray[np.float64]
    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def curve(found: Collected, arm: str, env: str) -> Curve | None:
    """The curve of all seeds that are there; None without any."""
    runs = found.results[arm][env]
    if not runs:
        return None
    returns = np.array([each.returns for each in runs])
    points = [mean_interval(column) for column in returns.T]
    ends = [(each.low, each.high) if each.known else (each.value, each.value) for each in points]
    low, high = np.array(ends).T
    return Curve(np.array(runs[0].frames, np.float64), returns.mean(axis=0), low, high)


def figure(found: Collected) -> str:
    """The SVG's text."""
    envs = [env for env in found.experiment.envs if any(arm[env] for arm in found.results.values())]
    arms = [arm.name for arm in found.experiment.arms]
    columns = min(COLUMNS, len(envs))
    a_row = max(1, columns * WIDTH // LEGEND_WIDTH)
    legend = LEGEND_HEIGHT * -(-len(arms) // a_row) + 10
    size = columns * WIDTH, legend + HEIGHT * -(-len(envs) // columns)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{size[0]}" height="{size[1]}" '
        f'viewBox="0 0 {size[0]} {size[1]}" font-family="sans-serif" font-size="11">',
        f"<title>Learning curves of {html.escape(found.experiment.name)}</title>",
        '<rect width="100%" height="100%" fill="white"/>',
        *_legend(arms, a_row),
    ]
    for place, env in enumerate(envs):
        row, column = divmod(place, columns)
        curves = [curve(found, arm, env) for arm in arms]
        parts.append(f'<g transform="translate({column * WIDTH} {legend + row * HEIGHT})">')
        parts += _panel(env, curves, found.experiment.frames)
        parts.append("</g>")
    return "\n".join([*parts, "</svg>", ""])


def _legend(arms: Sequence[str], a_row: int) -> Iterator[str]:
    for place, arm in enumerate(arms):
        row, column = divmod(place, a_row)
        x, y = LEFT + column * LEGEND_WIDTH, 16 + row * LEGEND_HEIGHT
        yield f'<path d="M{x} {y - 4}h18" stroke="{_colour(place)}" stroke-width="2.5"/>'
        yield f'<text x="{x + 24}" y="{y}">{html.escape(arm)}</text>'


def _panel(env: str, curves: Sequence[Curve | None], frames: int) -> Iterator[str]:
    there = [each for each in curves if each is not None]
    # The curves set the axis: bands of few seeds are many times as wide, and end at the plot's edge.
    top = _rounded_up(max(float(each.mean.max()) for each in there))
    inner = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def place(x: NDArray[np.float64], y: NDArray[np.float64]) -> str:
        across = LEFT + x / frames * inner[0]
        down = TOP + (1 - np.clip(y, 0, top) / top) * inner[1]
        return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(across, down, strict=True))

    yield f'<text x="{LEFT}" y="{TOP - 10}" font-weight="bold">{html.escape(env)}</text>'
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        y, x = TOP + (1 - share) * inner[1], LEFT + share * inner[0]
        yield f'<path d="M{LEFT} {y:.1f}h{inner[0]}" stroke="#ddd"/>'
        yield f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{share * top:.0f}</text>'
        y, label = HEIGHT - BOTTOM + 15, _short(share * frames)
        yield f'<text x="{x:.1f}" y="{y}" text-anchor="middle">{label}</text>'
    middle = LEFT + inner[0] / 2
    yield f'<text x="{middle}" y="{HEIGHT - 6}" text-anchor="middle">environment frames</text>'
    for number, each in enumerate(curves):
        if each is not None:
            band = f"{place(each.frames, each.high)} {place(each.frames[::-1], each.low[::-1])}"
            yield f'<polygon points="{band}" fill="{_colour(number)}" fill-opacity="0.08"/>'
    for number, each in enumerate(curves):
        if each is not None:
            line = place(each.frames, each.mean)
            yield f'<polyline points="{line}" fill="none" stroke="{_colour(number)}" stroke-width="1.8"/>'


def _colour(number: int) -> str:
    return COLOURS[number % len(COLOURS)]


def _rounded_up(value: float) -> float:
    """The end of an axis: the next of 1, 2, 4, 6, 8, 10 times a power of ten."""
    power = 10.0 ** np.floor(np.log10(max(value, 1e-6)))
    return float(next(step * power for step in (1, 2, 4, 6, 8, 10) if step * power >= value))


def _short(frames: float) -> str:
    return f"{frames / 1000:g}k" if frames >= 1000 else f"{frames:g}"

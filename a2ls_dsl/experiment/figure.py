"""Learning curves of an experiment as an SVG file: a panel per environment, a line and a band per arm."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from a2ls_dsl.experiment.collect import Collected
from a2ls_dsl.report.charts import Curve, colour, draw_curves, mean_curve
from a2ls_dsl.report.style import standalone
from a2ls_dsl.report.svg import Drawing, frame, padded

COLUMNS, WIDTH, HEIGHT = 3, 330, 240
LEFT, LEGEND_WIDTH, LEGEND_HEIGHT = 44, 180, 18


def figure(collected: Collected) -> str:
    """The text of the file."""
    experiment = collected.experiment
    arms = [arm.name for arm in experiment.arms]
    envs = [env for env in experiment.envs if any(runs[env] for runs in collected.results.values())]
    columns = min(COLUMNS, len(envs))
    a_row = max(1, columns * WIDTH // LEGEND_WIDTH)
    top = LEGEND_HEIGHT * -(-len(arms) // a_row) + 10
    size = columns * WIDTH, top + HEIGHT * -(-len(envs) // columns)
    drawing = Drawing(*size, f"Learning curves of {experiment.name}")
    for number, arm in enumerate(arms):
        row, column = divmod(number, a_row)
        x, y = LEFT + column * LEGEND_WIDTH, 16 + row * LEGEND_HEIGHT
        drawing.line(x, y - 4, x + 18, y - 4, f"curve {colour(number)}")
        drawing.text(x + 24, y, arm)
    for place, env in enumerate(envs):
        row, column = divmod(place, columns)
        drawn = ((number, curve_of(collected, arm, env)) for number, arm in enumerate(arms))
        curves = {number: curve for number, curve in drawn if curve is not None}
        drawing.place(_panel(env, curves, experiment.frames), column * WIDTH, top + row * HEIGHT)
    return standalone(drawing.render("curves"))


def curve_of(collected: Collected, arm: str, env: str) -> Curve | None:
    """The mean over the seeds that have a result, with its interval; None if none has."""
    runs = collected.results[arm][env]
    return mean_curve(arm, runs[0].frames, np.array([run.returns for run in runs])) if runs else None


def _panel(env: str, curves: Mapping[int, Curve], frames: int) -> Drawing:
    """The curves set the axis: bands of a few seeds are many times as wide, and are cut at its ends."""
    drawing = Drawing(WIDTH, HEIGHT, env)
    values = [float(value) for curve in curves.values() for value in curve.mean]
    plot = frame(drawing, (0, frames), padded(values, zero=True), "environment frames", env)
    draw_curves(plot, curves)
    return drawing

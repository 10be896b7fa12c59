"""Losses that were trained side by side: their scores beside a reference, their curves in one chart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from a2ls_dsl.report.charts import learning, mean_curve
from a2ls_dsl.report.standing import chosen_confidence
from a2ls_dsl.report.statistics import Interval, Runs, difference
from a2ls_dsl.report.style import standalone
from a2ls_dsl.rl.runs.curve import Point, area
from a2ls_dsl.search.candidates import NO_LOSS

WIDTH = 900.0


@dataclass(frozen=True)
class Arm:
    """A loss and its runs. curves: by seed, with the same frames in all of them."""

    name: str
    curves: Mapping[int, Sequence[Point]]

    def scores(self, after: int) -> Runs:
        """The area under each run's curve from `after` frames on, as a search scores it."""
        return {
            seed: area([(point.frames, point.with_training) for point in curve], after)
            for seed, curve in self.curves.items()
        }


@dataclass(frozen=True)
class Beside:
    """An arm beside the reference. mean, spread: of the scores of its seeds; the spread of one seed is NaN.

    lead: over the reference, None for the reference itself; its interval holds for all arms together.
    """

    arm: Arm
    mean: float
    spread: float
    lead: Interval | None


def reference(arms: Sequence[Arm]) -> Arm:
    """The arm that the others are compared with: no loss if it is among them, else the first."""
    return next((arm for arm in arms if arm.name == NO_LOSS), arms[0])


def beside_reference(arms: Sequence[Arm], after: int) -> tuple[Beside, ...]:
    """The arms in the order given. after: the frames at which learning begins."""
    base = reference(arms)
    confidence = chosen_confidence(len(arms) - 1)
    rows = []
    for arm in arms:
        runs = arm.scores(after)
        values = np.array(list(runs.values()))
        spread = float(values.std(ddof=1)) if len(values) > 1 else float("nan")
        lead = None if arm is base else difference([runs], [base.scores(after)], confidence)
        rows.append(Beside(arm, float(values.mean()), spread, lead))
    return tuple(rows)


def chart(arms: Sequence[Arm], title: str) -> str:
    """An SVG file with a line and a band per arm: mean over seeds, Student's interval at each point."""
    curves = [
        mean_curve(
            arm.name,
            [point.frames for point in next(iter(arm.curves.values()))],
            np.array([[point.mean_return for point in curve] for curve in arm.curves.values()]),
        )
        for arm in arms
    ]
    return standalone(learning(curves, (), WIDTH, title))

"""What the charts of a report draw, read from a study in bounded memory; random subsets are labelled as
such."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from a2ls_dsl.report.charts import Curve, Floats, Group, grouped, mean_curve
from a2ls_dsl.search.candidates import Candidate, Status
from a2ls_dsl.search.study.records import Records

OTHERS = 40
"""How many curves of other candidates are drawn in grey, chosen at random."""

BINS = 120


def groups(study: Records) -> list[Group]:
    """The scores by generation."""
    pairs = np.array(list(study.scores_by_generation()), np.float64).reshape(-1, 2)
    return grouped(pairs[:, 0].astype(np.int64), pairs[:, 1])


def curve(study: Records, candidate: Candidate) -> Curve | None:
    """A candidate's learning curve: the mean over its independent runs, or its one search run; None without
    either."""
    runs = [run for run in study.run_records(candidate.id) if run.ended is not None]
    runs = [run for run in runs if run.fresh or candidate.is_reference] or runs[:1]
    curves = [study.curve(run.id) for run in runs if run.status is Status.SCORED]
    curves = [points for points in curves if points]
    if not curves:
        return None
    frames = sorted(set.intersection(*({point.frames for point in points} for points in curves)))
    by_frames = [{point.frames: point.mean_return for point in points} for points in curves]
    returns = np.array([[run[frame] for frame in frames] for run in by_frames])
    return mean_curve(candidate.name or candidate.key[:8], frames, returns, len(runs) - len(curves))


def other_curves(study: Records, shown: Sequence[Candidate], rng: Generator) -> list[tuple[Floats, Floats]]:
    """The curves of some other candidates that trained to their end."""
    excluded = {candidate.id for candidate in shown}
    numbers = [
        run.id for run in study.run_records() if run.status is Status.SCORED and run.candidate not in excluded
    ]
    if len(numbers) > OTHERS:
        numbers = [numbers[int(i)] for i in rng.choice(len(numbers), OTHERS, replace=False)]
    curves = [study.curve(number) for number in numbers]
    return [
        (np.array([p.frames for p in points], np.float64), np.array([p.mean_return for p in points]))
        for points in curves
        if points
    ]


def busy(study: Records) -> Floats | None:
    """How many slots trained on average in each of equal parts of the search; None before any run ended."""
    times = np.array(
        [
            (run.began, run.ended)
            for run in study.run_records()
            if run.began is not None and run.ended is not None
        ],
        np.float64,
    ).reshape(-1, 2)
    if not len(times) or times[:, 1].max() <= times[:, 0].min():
        return None
    edges = np.linspace(times[:, 0].min(), times[:, 1].max(), BINS + 1)
    # Time in training up to an edge: the time since each run began, less the time since each run ended.
    spent = _since(times[:, 0], edges) - _since(times[:, 1], edges)
    share: Floats = np.diff(spent) / (edges[1] - edges[0])
    return share


def _since(moments: Floats, edges: Floats) -> Floats:
    """The sum of the times from each earlier moment up to an edge."""
    ordered = np.sort(moments)
    sums: NDArray[np.float64] = np.concatenate([[0.0], np.cumsum(ordered)])
    before = np.searchsorted(ordered, edges)
    return before * edges - sums[before]


def reasons(study: Records, number: int = 8) -> list[tuple[str, int]]:
    """The most frequent reasons why candidates were stopped or failed, without the figures in them."""
    counted = Counter(_without_figures(reason) for reason in study.reasons())
    return counted.most_common(number)


def _without_figures(reason: str) -> str:
    return reason.split(" from ")[0]

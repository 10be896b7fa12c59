"""Scores of several Atari games as one: mean, median and interquartile mean of human-normalised scores.

Papers on Atari-100k print the first two over games, of each game's mean over seeds; Agarwal et al. 2021 print
the interquartile mean over all runs of all games, which no single outstanding game decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from a2ls_dsl.report.statistics import Interval, iqm, mean_over_tasks
from a2ls_dsl.rl.envs.scores import human_normalised


@dataclass(frozen=True)
class GameScores:
    """Human-normalised scores over several games. games, runs: how many there are.

    Only the mean has an interval: the usual ones of the other two are too short (`statistics.py`).
    """

    games: int
    runs: int
    mean: Interval
    median: float
    iqm: float


def over_games(scores: Mapping[str, Sequence[float]]) -> GameScores:
    """Raw scores by game, one per seed, as human-normalised ones over all games.

    Mean and median are over games, of the means over a game's seeds. Raises `A2lError` for an unknown game
    and `ValueError` without scores.
    """
    rows = [[human_normalised(game, seed) for seed in seeds] for game, seeds in scores.items()]
    return GameScores(
        len(rows),
        sum(map(len, rows)),
        mean_over_tasks([dict(enumerate(row)) for row in rows]),
        float(np.median([np.mean(row) for row in rows])),
        iqm([score for row in rows for score in row]),
    )

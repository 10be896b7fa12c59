"""Scores of several Atari games as one: mean, median and interquartile mean of human-normalised scores.

Papers on Atari-100k print the first two over games, of each game's mean over seeds; Agarwal et al. 2021 print
the interquartile mean over all runs of all games, which a single game that is won by far doesn't decide.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from a2ls_dsl.report.statistics import RESAMPLES, Interval, bootstrap, iqm
from a2ls_dsl.rl.scores import human_normalised


@dataclass(frozen=True)
class GameScores:
    """Human-normalised scores put together; games: how many of them, runs: of all of them.

    Intervals are those of a bootstrap that draws seeds anew within each game; unknown where one has one seed.
    """

    games: int
    runs: int
    mean: Interval
    median: Interval
    iqm: Interval


def over_games(
    scores: Mapping[str, Sequence[float]], rng: Generator, resamples: int = RESAMPLES
) -> GameScores:
    """Raw scores by game, one a seed, as human-normalised ones over all games.

    Mean and median are over games, of the means over a game's seeds. Raises `A2lError` for an unknown game
    and `ValueError` without scores.
    """
    rows = [[human_normalised(game, each) for each in seeds] for game, seeds in scores.items()]
    ends = np.cumsum([len(row) for row in rows])[:-1]

    def of_games(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.stack([part.mean(axis=-1) for part in np.split(values, ends, axis=-1)], axis=-1)

    return GameScores(
        len(rows),
        sum(map(len, rows)),
        bootstrap(rows, rng, lambda values: of_games(values).mean(axis=-1), resamples),
        bootstrap(rows, rng, lambda values: np.asarray(np.median(of_games(values), axis=-1)), resamples),
        bootstrap(rows, rng, iqm, resamples),
    )

"""Human-normalised scores against what papers print for the same raw scores."""

from __future__ import annotations

import pytest
from scipy import stats

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.report.games import over_games
from a2ls_dsl.report.statistics import iqm
from a2ls_dsl.rl.envs.games import ATARI_100K
from a2ls_dsl.rl.envs.scores import PLAYERS, has_human_score, human_normalised

# Data-efficient Rainbow, raw scores and aggregates as Laskin et al. 2020 print them (CURL, table 2).
DER = (739.9, 188.6, 431.2, 470.8, 51.0, 10124.6, 0.2, 1.9, 861.8, 16185.3, 508.0, 27.9, 866.8, 349.5)
DER += (6857.0, 301.6, 779.3, 2851.5, 14346.1, 1204.1, -19.3, 97.8, 1152.9, 9600.0, 354.1, 2877.4)
PRINTED_MEAN, PRINTED_MEDIAN = 0.285, 0.161


def test_the_table_has_the_26_games() -> None:
    assert tuple(PLAYERS) == ATARI_100K
    assert all(random < human for random, human in PLAYERS.values())


def test_the_players_are_the_ends_of_the_scale() -> None:
    for game, (random, human) in PLAYERS.items():
        assert human_normalised(game, random) == 0.0
        assert human_normalised(game, human) == 1.0
    assert human_normalised("ALE/Pong-v5", 21.0) == pytest.approx((21 + 20.7) / (14.6 + 20.7))


def test_aggregates_are_the_published_ones() -> None:
    aggregates = over_games({game: [score] for game, score in zip(PLAYERS, DER, strict=True)})
    assert aggregates.mean.value == pytest.approx(PRINTED_MEAN, abs=5e-4)
    assert aggregates.median == pytest.approx(PRINTED_MEDIAN, abs=5e-4)
    assert (aggregates.games, aggregates.runs) == (26, 26)
    assert not aggregates.mean.bounded  # one run per game tells nothing about its spread


def test_games_count_alike_whatever_their_number_of_seeds() -> None:
    scores = {"Pong": [14.6, 14.6, 14.6, -20.7], "Boxing": [0.1, 12.1], "Freeway": [29.6, 29.6]}
    aggregates = over_games(scores)
    assert aggregates.mean.value == pytest.approx((0.75 + 0.5 + 1.0) / 3)
    assert aggregates.median == pytest.approx(0.75)
    assert aggregates.iqm == pytest.approx(iqm([1, 1, 1, 0, 0, 1, 1, 1]))
    assert aggregates.runs == 8
    assert aggregates.mean.low < aggregates.mean.value < aggregates.mean.high


def test_the_interval_of_the_mean_is_students() -> None:
    aggregates = over_games({"Boxing": [0.1, 12.1, 6.1]})
    low, high = stats.t.interval(0.95, 2, 0.5, stats.sem([0.0, 1.0, 0.5]))
    assert (aggregates.mean.low, aggregates.mean.high) == pytest.approx((low, high))


def test_games_without_a_human_have_no_score() -> None:
    assert has_human_score("ms-pacman")
    assert not has_human_score("Tetris")
    assert not has_human_score("walker-walk")
    with pytest.raises(A2lError, match="no human score is known for Tetris"):
        human_normalised("Tetris", 1.0)

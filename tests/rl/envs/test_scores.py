"""Human-normalised scores against what papers print for the same raw scores."""

from __future__ import annotations

from statistics import fmean, median

import pytest

from a2ls_dsl.diagnostics import A2lError
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
    scores = [human_normalised(game, score) for game, score in zip(PLAYERS, DER, strict=True)]
    assert fmean(scores) == pytest.approx(PRINTED_MEAN, abs=5e-4)
    assert median(scores) == pytest.approx(PRINTED_MEDIAN, abs=5e-4)


def test_games_without_a_human_have_no_score() -> None:
    assert has_human_score("ms-pacman")
    assert not has_human_score("Tetris")
    assert not has_human_score("walker-walk")
    with pytest.raises(A2lError, match="no human score is known for Tetris"):
        human_normalised("Tetris", 1.0)

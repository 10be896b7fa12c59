"""Rungs: where they lie, when they open, whom they let pass."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from a2ls_dsl.search.presets import quick
from a2ls_dsl.search.rungs import Rungs, foresight


def test_a_rung_lets_the_best_share_and_near_ones_pass() -> None:
    rungs = Rungs(shares=(0.3, 0.99), keep=0.5, tolerance=0.1)
    before = [10.0, 20.0, 30.0]
    assert rungs.goes_on(30.0, before)
    assert not rungs.goes_on(15.0, before)  # two of four go on: the second best is 20
    assert rungs.goes_on(19.5, before)


def test_no_rung_lies_before_learning_begins() -> None:
    rungs = Rungs(shares=(0.1, 0.3, 0.99))
    assert rungs.frames(8_000, 1_000, 0) == (1_000, 3_000)
    assert rungs.frames(8_000, 1_000, 1_000) == (3_000,)
    assert rungs.frames(8_000, 1_000, 3_000) == ()
    for env in ("cartpole-swingup", "Pong"):
        settings = replace(quick(env), rungs=Rungs(shares=(0.01, 0.5)))
        assert all(frames > settings.learning for frames in settings.rung_frames)
        assert settings.learning == settings.task.steps_to_frames(settings.agent.random_steps)


@given(
    st.lists(st.integers(-50, 50), min_size=2, max_size=12),
    st.integers(-50, 50),
    st.sampled_from([0.125, 1.0, 1024.0]),
    st.sampled_from([-4096.0, 0.0, 65536.0]),
)
def test_a_rung_asks_for_no_unit_of_returns(
    before: list[int], area: int, scale: float, offset: float
) -> None:
    """All returns times a factor, or shifted: the same candidates go on. (Exact in floating point.)"""
    rungs = Rungs()
    other = rungs.goes_on(scale * area + offset, [scale * level + offset for level in before])
    assert other == rungs.goes_on(float(area), [float(level) for level in before])


def test_foresight_is_a_rank_correlation_with_an_interval() -> None:
    rng = np.random.default_rng(0)
    for number in (4, 9, 40):
        for _ in range(20):
            early, late = rng.integers(0, 6, (2, number)).astype(float)
            estimate = foresight(list(zip(early, late, strict=True)))
            expected = float(spearmanr(early, late).statistic)
            if math.isnan(expected):
                assert estimate.correlation is None
            else:
                assert estimate.correlation == pytest.approx(expected, abs=1e-9)
                assert estimate.low < expected
    assert foresight([(1.0, 2.0)] * 9).correlation is None  # nothing to tell apart
    assert foresight([]).curves == 0


@pytest.mark.parametrize(
    ("correlation", "least", "most"),
    [(0.0, 0.0, 0.05), (0.2, 0.0, 0.15), (0.65, 0.9, 1.0), (0.8, 0.98, 1.0)],
)
def test_a_rung_opens_where_it_foretells_and_stays_closed_where_it_is_blind(
    correlation: float, least: float, most: float
) -> None:
    """Looked at again and again while 100 curves come to their end: in how many searches it opens."""
    rng, opened, searches = np.random.default_rng(1), 0, 200
    for _ in range(searches):
        early, other = rng.normal(size=(2, 100))
        late = correlation * early + math.sqrt(1 - correlation**2) * other
        halves = list(zip(early.tolist(), late.tolist(), strict=True))
        opened += any(Rungs().opens(foresight(halves[:number])) for number in range(2, 101, 2))
    assert least <= opened / searches <= most

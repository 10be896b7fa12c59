"""Intraclass correlation of one seed: against a published table, a simulation, and hand-made cases."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from a2ls_dsl.report.reliability import reliability

SHROUT_FLEISS = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
"""Six targets by four judges (Shrout & Fleiss 1979, table 2)."""


def test_it_is_the_published_correlation() -> None:
    assert round(reliability(SHROUT_FLEISS).icc, 2) == 0.71  # their ICC(3,1)


def test_p_is_that_of_a_paired_t_test_for_two_losses() -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(2, 7))
    assert reliability(scores).p == pytest.approx(stats.ttest_rel(*scores).pvalue)


@pytest.mark.parametrize("icc", [0.1, 0.5, 0.9])
def test_it_recovers_the_share_of_variance_that_is_the_loss(icc: float) -> None:
    rng = np.random.default_rng(1)
    estimates = [
        reliability(
            math.sqrt(icc) * rng.normal(size=(40, 1))
            + math.sqrt(1 - icc) * rng.normal(size=(40, 3))
            + 5 * rng.normal(size=3)
        ).icc
        for _ in range(200)
    ]
    assert np.mean(estimates) == pytest.approx(icc, abs=0.02)


def test_what_a_seed_does_to_all_losses_is_left_out() -> None:
    scores = np.array([[1.0, 2.0, 4.0], [2.0, 3.0, 5.5], [0.0, 1.5, 3.0]])
    shifted = scores + np.array([100.0, -50.0, 7.0])
    assert reliability(shifted).icc == pytest.approx(reliability(scores).icc)
    assert reliability([[1.0, 2.0], [2.0, 3.0]]).icc == 1.0


@pytest.mark.parametrize("scores", [[[1.0], [2.0]], [[1.0, 2.0]], [[3.0, 3.0], [3.0, 3.0]]])
def test_it_is_unknown_for_too_few_or_equal_scores(scores: list[list[float]]) -> None:
    assert math.isnan(reliability(scores).icc)

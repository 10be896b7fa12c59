"""Statistics against cases counted by hand, scipy, and their own promise: how often an interval holds."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from a2ls_dsl.report import statistics
from a2ls_dsl.report.statistics import (
    Interval,
    bootstrap,
    bootstrap_difference,
    difference_over_tasks,
    iqm,
    mean,
    mean_difference,
    mean_interval,
    median,
    probability_of_improvement,
    summarised_difference,
)

values = st.lists(st.floats(-1000, 1000), min_size=1, max_size=30)


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_the_interquartile_mean_by_hand() -> None:
    assert iqm([7.0]) == 7
    assert iqm([1.0, 2.0, 9.0]) == 4  # a quarter of three is none
    assert iqm([100.0, 1.0, 2.0, -50.0]) == 1.5
    assert iqm([[0, 1, 2, 3, 4, 5, 6, 100], [8, 8, 8, 8, 0, 0, 0, 0]]).tolist() == [3.5, 4.0]


@given(values)
def test_the_interquartile_mean_is_scipys_trimmed_mean(scores: list[float]) -> None:
    assert float(iqm(scores)) == pytest.approx(float(stats.trim_mean(scores, 0.25)), abs=1e-9)


def test_an_interval_of_the_mean_covers_the_exact_distribution_of_resamples() -> None:
    """Two tasks of two and three seeds: 4 * 27 equally probable resamples, listed one by one."""
    tasks = [[0.0, 10.0], [1.0, 2.0, 6.0]]
    resamples = [
        np.mean([*one, *other])
        for one in itertools.product(tasks[0], repeat=2)
        for other in itertools.product(tasks[1], repeat=3)
    ]
    found = bootstrap(tasks, rng(), mean, confidence=0.74)
    assert found.value == pytest.approx(3.8)
    low, high = np.quantile(resamples, [0.13, 0.87], method="inverted_cdf")
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))


def test_seeds_stay_in_their_task() -> None:
    """Tasks of very different scores, seeds that hardly differ: the interval is short."""
    found = bootstrap([[0.0, 1.0], [1000.0, 1001.0]], rng(), mean)
    assert (found.low, found.high) == (500.0, 501.0)


def test_a_task_alone_has_scipys_bootstrap_interval() -> None:
    scores = rng().normal(500, 100, 25)
    for statistic in (mean, iqm, median):
        ours = bootstrap([scores], rng(), statistic, 20_000)
        theirs = stats.bootstrap(
            (scores,),
            lambda x, axis, f=statistic: f(np.moveaxis(x, axis, -1)),
            n_resamples=20_000,
            method="percentile",
            rng=1,
        ).confidence_interval
        assert ours.low == pytest.approx(theirs.low, abs=2.5)
        assert ours.high == pytest.approx(theirs.high, abs=2.5)


def test_chunks_change_memory_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = [rng().normal(0, 1, 8), rng().normal(5, 1, 8)]
    whole = bootstrap(scores, rng(), resamples=5_000)
    monkeypatch.setattr(statistics, "_AT_ONCE", 16 * 7)
    pieces = bootstrap(scores, rng(), resamples=5_000)
    assert pieces.value == whole.value
    assert pieces.low == pytest.approx(whole.low, abs=0.05)


def test_a_difference_by_hand_and_its_sign() -> None:
    ours, theirs = [[3.0, 5.0]], [[1.0, 2.0]]
    found = bootstrap_difference(ours, theirs, rng(), mean, confidence=0.99)
    assert found.value == 2.5
    assert (found.low, found.high) == (1.0, 4.0)  # 3 - 2 and 5 - 1, each with 1 of 16
    assert found.excludes(0)
    turned = bootstrap_difference(theirs, ours, rng(), mean, confidence=0.99)
    assert (turned.value, turned.low, turned.high) == (-2.5, -4.0, -1.0)


@given(values, values)
def test_the_probability_of_improvement_is_mann_and_whitneys(one: list[float], other: list[float]) -> None:
    found = probability_of_improvement([one], [other], rng(), resamples=10)
    expected = stats.mannwhitneyu(one, other).statistic / (len(one) * len(other))
    assert found.value == pytest.approx(expected)


def test_the_probability_of_improvement_by_hand() -> None:
    ours, theirs = [[1.0, 2.0], [4.0, 4.0]], [[0.0, 3.0], [4.0, 4.0]]
    found = probability_of_improvement(ours, theirs, rng(), 4_000)
    assert found.value == 0.5  # task one: 2 of 4 pairs, task two: four ties
    # Task two is always a tie; task one's resample is 0 or 1 only if theirs are equal: 1 in 4 each.
    assert (found.low, found.high) == (0.25, 0.75)
    sure = probability_of_improvement([[5.0, 6.0]], [[1.0, 2.0, 3.0]], rng())
    assert sure == Interval(1.0, 1.0, 1.0)


def test_one_seed_has_no_interval() -> None:
    for found in (
        bootstrap([[1.0]], rng()),
        bootstrap([[1.0, 2.0], [3.0]], rng()),
        bootstrap_difference([[1.0, 2.0]], [[3.0]], rng()),
        probability_of_improvement([[1.0]], [[3.0, 4.0]], rng()),
        mean_interval([1.0]),
        mean_difference([1.0], [2.0, 3.0]),
    ):
        assert math.isfinite(found.value)
        assert not found.known
        assert not found.excludes(0)


def test_the_same_generator_gives_the_same_interval() -> None:
    scores = [[1.0, 4.0, 9.0], [2.0, 3.0, 5.0]]
    assert bootstrap(scores, rng()) == bootstrap(scores, rng())


@given(st.lists(st.floats(-1000, 1000), min_size=2, max_size=8), st.floats(0.5, 0.99))
def test_students_interval_is_scipys(scores: list[float], confidence: float) -> None:
    found = mean_interval(scores, confidence)
    if np.std(scores) < 1e-6:
        return
    low, high = stats.t.interval(confidence, len(scores) - 1, np.mean(scores), stats.sem(scores))
    assert (found.low, found.high) == (pytest.approx(low, abs=1e-9), pytest.approx(high, abs=1e-9))


def test_welchs_interval_is_scipys() -> None:
    one, other = rng().normal(3, 1, 5), rng().normal(0, 4, 3)
    expected = stats.ttest_ind(one, other, equal_var=False).confidence_interval(0.9)
    found = mean_difference(one, other, 0.9)
    assert (found.low, found.high) == (pytest.approx(expected.low), pytest.approx(expected.high))
    assert mean_difference([2.0, 2.0], [1.0, 1.0]) == Interval(1.0, 1.0, 1.0)
    known = [(each.mean(), stats.sem(each), len(each)) for each in (one, other)]
    again = summarised_difference(*known, 0.9)
    assert (again.low, again.high) == (pytest.approx(found.low), pytest.approx(found.high))
    assert not summarised_difference((1.0, 0.0, 1), (0.0, 1.0, 3)).known


def test_a_difference_over_tasks_is_the_mean_of_the_tasks() -> None:
    ours, theirs = rng().normal(3, 1, (2, 6)), rng().normal(0, 1, (2, 6))
    found = difference_over_tasks(ours, theirs)
    assert found.value == pytest.approx(np.mean(ours) - np.mean(theirs))
    one = difference_over_tasks([[1.0, 3.0], [5.0, 5.0]], [[0.0, 0.0], [2.0, 2.0]])
    half = stats.t.ppf(0.975, 1) * math.sqrt((2 / 2) / 4)  # only one row scatters
    assert (one.value, one.high) == (2.5, pytest.approx(2.5 + half))


def test_intervals_hold_as_often_as_they_say() -> None:
    """400 experiments whose truth is known: Student's holds with three seeds, the bootstrap with many."""
    generator = rng()
    few, tasks, many = 0, 0, 0
    for _ in range(400):
        few += mean_difference(generator.normal(1, 1, 3), generator.normal(0, 2, 3)).excludes(1)
        two = [generator.normal([[0.0], [300.0]], [[1.0], [9.0]], (2, 3)) for _ in "12"]
        tasks += difference_over_tasks(*two).excludes(0)
        scores = generator.normal([[0.0], [10.0]], 1, (2, 20))
        many += bootstrap(scores, generator, mean, 500).excludes(5)
    assert few <= 400 * 0.05 + 3 * math.sqrt(400 * 0.05 * 0.95)
    assert tasks <= 400 * 0.05 + 3 * math.sqrt(400 * 0.05 * 0.95)
    assert many <= 400 * 0.06 + 3 * math.sqrt(400 * 0.06 * 0.94)


@pytest.mark.parametrize("scores", [[], [[]], [[[1.0, 2.0]]]])
def test_what_is_no_row_of_seeds_is_refused(scores: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="scores"):
        bootstrap(scores, rng())
    with pytest.raises(ValueError, match=r"scores|tasks"):
        bootstrap_difference(scores, [[1.0, 2.0], [1.0, 2.0]], rng())

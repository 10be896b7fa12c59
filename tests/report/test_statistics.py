"""Statistics against cases counted by hand, scipy, and their own promise: how often an interval holds."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from a2ls_dsl.report.statistics import (
    Interval,
    Runs,
    blocked,
    difference,
    iqm,
    mean_interval,
    mean_over_tasks,
    probability_of_improvement,
)

values = st.lists(st.floats(-1000, 1000), min_size=1, max_size=30)


def runs(*scores: float, first: int = 0) -> Runs:
    return dict(enumerate(scores, first))


def test_the_interquartile_mean_by_hand() -> None:
    assert iqm([7.0]) == 7
    assert iqm([1.0, 2.0, 9.0]) == 4  # a quarter of three rounds to none
    assert iqm([100.0, 1.0, 2.0, -50.0]) == 1.5
    assert iqm([0, 1, 2, 3, 4, 5, 6, 100]) == 3.5


@given(values)
def test_the_interquartile_mean_is_scipys_trimmed_mean(scores: list[float]) -> None:
    assert iqm(scores) == pytest.approx(float(stats.trim_mean(scores, 0.25)), abs=1e-9)


@given(st.lists(st.floats(-1000, 1000), min_size=2, max_size=8), st.floats(0.5, 0.99))
def test_students_interval_is_scipys(scores: list[float], confidence: float) -> None:
    interval = mean_interval(scores, confidence)
    if np.std(scores) < 1e-6:
        return
    low, high = stats.t.interval(confidence, len(scores) - 1, np.mean(scores), stats.sem(scores))
    assert (interval.low, interval.high) == (pytest.approx(low, abs=1e-9), pytest.approx(high, abs=1e-9))


def test_with_few_seeds_a_difference_has_welchs_interval() -> None:
    ours, theirs = rng().normal(3, 1, 4), rng().normal(0, 4, 4)
    expected = stats.ttest_ind(ours, theirs, equal_var=False).confidence_interval(0.9)
    interval = difference([runs(*ours)], [runs(*theirs)], 0.9)
    assert (interval.low, interval.high) == (pytest.approx(expected.low), pytest.approx(expected.high))
    apart = difference([runs(*ours)], [runs(*theirs, first=100)], 0.9)
    assert apart == interval  # also for seeds that are not shared


def test_from_five_seeds_on_a_difference_is_paired() -> None:
    seeds = rng().normal(0, 100, 6)  # a seed has the same effect on both
    ours, theirs = seeds + rng().normal(3, 1, 6), seeds
    expected = stats.ttest_rel(ours, theirs).confidence_interval(0.9)
    interval = difference([runs(*ours)], [runs(*theirs)], 0.9)
    assert (interval.low, interval.high) == (pytest.approx(expected.low), pytest.approx(expected.high))
    assert interval.excludes(0)


def test_seeds_of_one_side_dont_count_in_a_difference() -> None:
    ours = runs(3.0, 4.0, 5.5)
    theirs = {2: 1.0, 1: 1.5, 0: 0.5, 7: 500.0}  # in another order, and a seed of its own
    assert difference([ours], [theirs]) == difference([ours], [runs(0.5, 1.5, 1.0)])
    assert difference([ours], [theirs]).value == pytest.approx(12.5 / 3 - 1)


def test_a_difference_over_tasks_is_the_mean_of_the_tasks() -> None:
    ours, theirs = rng().normal([[[3.0]], [[0.0]]], 1, (2, 2, 6))
    interval = difference([runs(*row) for row in ours], [runs(*row) for row in theirs])
    assert interval.value == pytest.approx(np.mean(ours) - np.mean(theirs))
    # The second task's differences are all 2: only the first task scatters, with five degrees of freedom.
    zeros = runs(*np.zeros(6))
    apart = difference([runs(*(ours[0] - theirs[0])), runs(*np.full(6, 2.0))], [zeros, zeros])
    half = stats.t.ppf(0.975, 5) * stats.sem(ours[0] - theirs[0]) / 2
    assert apart.high - apart.value == pytest.approx(half)


def test_a_mean_over_tasks_weighs_tasks_alike() -> None:
    interval = mean_over_tasks([runs(0.0, 1.0, 2.0), runs(10.0, 10.0)])
    assert interval.value == 5.5
    assert interval.high - interval.value == pytest.approx(stats.t.ppf(0.975, 2) * math.sqrt(1 / 3) / 2)


@given(values, values)
def test_the_probability_of_improvement_is_mann_and_whitneys(ours: list[float], theirs: list[float]) -> None:
    interval = probability_of_improvement([runs(*ours)], [runs(*theirs)])
    expected = stats.mannwhitneyu(ours, theirs).statistic / (len(ours) * len(theirs))
    assert interval.value == pytest.approx(expected)
    if interval.bounded:
        assert 0 <= interval.low <= interval.value <= interval.high <= 1


def test_the_probability_of_improvement_by_hand() -> None:
    interval = probability_of_improvement([runs(1.0, 2.0), runs(4.0, 4.0)], [runs(0.0, 3.0), runs(4.0, 4.0)])
    assert interval.value == 0.5  # task one: 2 of 4 pairs, task two: four ties
    none = probability_of_improvement([runs(*range(10, 17))], [runs(*range(7))])
    assert (none.value, none.high) == (1.0, 1.0)
    assert none.low > 0.5
    wins = probability_of_improvement([runs(1.0, 2.0, 9.0)], [runs(0.0, 0.5, 0.7)])
    assert wins.value == 1.0
    assert wins.low < 0.5  # three runs above three others happen in one of twenty orders


def test_too_few_seeds_have_no_interval() -> None:
    for interval in (
        difference([runs(1.0, 2.0)], [runs(3.0)]),
        difference([runs(1.0, 2.0)], [runs(3.0, 5.0)]),
        probability_of_improvement([runs(1.0)], [runs(3.0, 4.0)]),
        probability_of_improvement([runs(1.0, 2.0)], [runs(3.0, 4.0)]),
        mean_interval([1.0]),
        mean_over_tasks([runs(1.0), runs(2.0, 3.0)]),
        difference([runs(2.0, 2.0, 2.0)], [runs(1.0, 1.0, 1.0)]),  # no spread: luck may look like that too
    ):
        assert math.isfinite(interval.value)
        assert not interval.bounded
        assert not interval.excludes(0)


def test_blocking_by_seed_separates_arms_from_seeds() -> None:
    """Against the sums of squares of a two-way table, and scipy's test where there are two arms."""
    table = rng().normal(0, 1, (2, 7)) + np.array([[0.0], [0.8]]) + rng().normal(0, 5, 7)
    test = blocked([runs(*row) for row in table])
    assert test is not None
    assert test.arms == pytest.approx(stats.ttest_rel(*table).pvalue)
    assert test.seeds < 0.01
    turned = blocked([runs(*column) for column in table.T])
    assert turned is not None
    assert (turned.arms, turned.seeds) == (pytest.approx(test.seeds), pytest.approx(test.arms))
    assert turned.intraclass > 0.9
    more = blocked([runs(*table[0], 5.0), runs(*table[1])])
    assert more == test  # the seeds that both have
    assert blocked([runs(1.0, 2.0)]) is None
    assert blocked([]) is None


def test_intervals_hold_as_often_as_they_say() -> None:
    """The smallest cases of benchmarks/intervals.py: equal arms of normal, bimodal and skewed returns."""
    generator, repeats = rng(), 300
    draws = {
        "normal": lambda n: generator.normal(0, 1, n),
        "bimodal": lambda n: np.where(generator.random(n) < 0.5, 0.0, 800.0) + generator.normal(0, 40, n),
        "skewed": lambda n: generator.exponential(1.0, n),
    }
    most = repeats * 0.05 + 3 * math.sqrt(repeats * 0.05 * 0.95)
    for name, draw in draws.items():
        for tasks, seeds in ((1, 3), (2, 3), (1, 5)):
            missed = better = 0
            for _ in range(repeats):
                ours, theirs = ([runs(*draw(seeds)) for _ in range(tasks)] for _ in "12")
                missed += difference(ours, theirs).excludes(0)
                better += probability_of_improvement(ours, theirs).excludes(0.5)
            assert missed <= most, (name, tasks, seeds)
            assert better <= most, (name, tasks, seeds)


@pytest.mark.parametrize("scores", [[], [{}]])
def test_what_has_no_scores_is_refused(scores: list[Runs]) -> None:
    with pytest.raises(ValueError, match="scores"):
        difference(scores, scores)
    with pytest.raises(ValueError, match=r"scores|tasks"):
        probability_of_improvement(scores, [runs(1.0), runs(2.0)])
    with pytest.raises(ValueError, match="scores"):
        mean_interval([])


def test_an_interval_is_bounded_or_not() -> None:
    assert Interval(1.0, 0.5, 2.0).excludes(0.4)
    assert not Interval(1.0, 0.5, 2.0).excludes(0.5)
    assert not Interval(1.0).excludes(5.0)


def rng() -> np.random.Generator:
    return np.random.default_rng(0)

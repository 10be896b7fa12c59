"""Regression against refits and scipy; patterns against the paper's examples, the parser, a known truth."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from report.made import EFFECTS, SETTINGS, curve, make
from scipy import stats

from a2ls_dsl.lang.grammar import load_grammar
from a2ls_dsl.lang.load import load_one, loads
from a2ls_dsl.lang.syntax.printer import print_loss
from a2ls_dsl.report import patterns as pattern_tables
from a2ls_dsl.report.patterns import pattern_table, table_of
from a2ls_dsl.report.regression import benjamini_hochberg, holm, least_squares, stars, t_test
from a2ls_dsl.report.tables import patterns_table
from a2ls_dsl.search import patterns
from a2ls_dsl.search.candidates import Status, levels_of, parsed
from a2ls_dsl.search.patterns import CONTROLS, MEANING, features, plain_sets
from a2ls_dsl.search.settings import EvolutionSettings
from a2ls_dsl.search.strategies.evolution import first_population
from a2ls_dsl.search.study.records import Records

p_values = st.lists(st.floats(0, 1), min_size=1, max_size=12)
SPACE = load_grammar("a2ls")


def data(n: int = 40) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    columns = rng.integers(0, 2, (n, 3)).astype(float)
    columns[:, 2] *= 1000  # of another scale
    scatter = 1 + 3 * columns[:, 0]
    return columns, 2 + columns @ [1.0, -2.0, 0.003] + scatter * rng.normal(0, 1, n)


def test_errors_are_those_of_leaving_each_row_out() -> None:
    """HC3 is the jackknife: the scatter of coefficients when each row is left out once."""
    columns, y = data()
    x = np.column_stack([np.ones(len(y)), columns])
    whole = np.linalg.lstsq(x, y, rcond=None)[0]
    rest = [np.linalg.lstsq(np.delete(x, i, 0), np.delete(y, i), rcond=None)[0] for i in range(len(y))]
    errors = np.sqrt(((np.array(rest) - whole) ** 2).sum(axis=0))
    for place, estimate in enumerate(least_squares(columns, y), start=1):
        assert estimate.effect.value == pytest.approx(whole[place])
        half = stats.t.ppf(0.975, len(y) - 4) * errors[place]
        assert estimate.effect.high - estimate.effect.value == pytest.approx(half)
        assert estimate.p == pytest.approx(2 * stats.t.sf(abs(whole[place]) / errors[place], len(y) - 4))


def test_one_column_is_the_difference_of_means() -> None:
    columns, y = data()
    (estimate,) = least_squares(columns[:, :1], y)
    has = columns[:, 0] > 0
    assert estimate.effect.value == pytest.approx(y[has].mean() - y[~has].mean())


def test_what_the_rows_cannot_tell_is_unknown() -> None:
    columns, y = data()
    constant, twin = np.ones(len(y)), columns[:, 0] + columns[:, 1]
    first, second, third, *none = least_squares(np.column_stack([columns, twin, constant]), y)
    assert math.isnan(first.effect.value)
    assert math.isnan(second.p)
    assert third.effect.bounded
    assert all(math.isnan(estimate.p) for estimate in none)
    rare = np.zeros(len(y))
    rare[3] = 1.0  # only one row has it, so its scatter is unknown
    other, alone = least_squares(np.column_stack([columns[:, 0], rare]), y)
    assert other.effect.bounded
    assert not alone.effect.bounded
    assert all(math.isnan(estimate.p) for estimate in least_squares(columns[:3], y[:3]))


def test_the_t_test_is_scipys() -> None:
    _, y = data()
    test = t_test(y[:15], y[15:])
    expected = stats.ttest_ind(y[:15], y[15:])
    assert test.p == pytest.approx(expected.pvalue)
    assert test.effect.low == pytest.approx(expected.confidence_interval().low)
    assert math.isnan(t_test(y[:0], y).p)
    assert math.isnan(t_test(y[:1], y[1:2]).p)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, math.nan, 0.03, 0.005])[[0, 1, 3, 4]].tolist() == [0.03, 0.06, 0.06, 0.02]
    assert np.isnan(holm([0.01, math.nan])[1])


@given(p_values)
def test_corrections_by_their_definitions(p: list[float]) -> None:
    assert benjamini_hochberg(p) == pytest.approx(stats.false_discovery_control(p))
    # Closed testing: a hypothesis is rejected if Bonferroni rejects every set that contains it.
    for value, corrected in zip(p, holm(p), strict=True):
        larger = sorted(other for other in p if other >= value)
        smaller = sorted(other for other in p if other < value)
        sets = [value * len(larger)]
        sets += [other * (len(p) - place) for place, other in enumerate(smaller)]
        assert corrected == pytest.approx(min(1.0, max(sets)))


def test_stars_are_the_papers() -> None:
    assert [stars(p) for p in (0.2, 0.05, 0.04, 0.01, 0.009, math.nan)] == ["", "", "*", "*", "**", ""]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("forward_dynamics", {"forward dynamics"}),
        ("inverse_dynamics", {"inverse dynamics"}),
        ("reward_prediction", {"reward prediction", "more rewards in the target"}),
        ("action_inference", {"action inference", "more actions in the target"}),
        ("curl_a2ls", {"state reconstruction"}),
        ("spr", {"forward dynamics", "more states in the target"}),
        ("a2_winner", {"more states in the target", "more rewards in the target"}),
    ],
)
def test_the_papers_losses_have_their_patterns(name: str, expected: set[str]) -> None:
    present = features(print_loss(load_one(name)[1]))
    assert present is not None
    if name == "a2_winner":  # {s1, a1..a3} -> {s2, s3, r0, r1}
        expected = expected | {"forward dynamics", "reward prediction"}
    assert {name for name in MEANING if present[name]} == expected


def test_losses_are_read_without_the_parser_as_with_it() -> None:
    proposals = first_population(SPACE, 60, EvolutionSettings(), np.random.default_rng(0))
    for proposal in proposals:
        text = print_loss(proposal.loss)
        assert plain_sets(text) == next(patterns._sets(loads(f"loss x = {text}")["x"]))
        present = features(text)
        assert present is not None
        assert present["horizon"] == proposal.loss.horizon
    for name in ("tdmpc2", "unreal_reward", "spr_rollout", "vicreg"):
        text = print_loss(load_one(name)[1])
        assert plain_sets(text) is None
        assert features(text) is not None
    assert features("none") is None


def test_a_regression_sees_through_patterns_that_come_together() -> None:
    """Losses of known height: joint effects are near the truth, which lies in their intervals."""
    losses = []
    for proposal in first_population(SPACE, 250, EvolutionSettings(), np.random.default_rng(1)):
        text = print_loss(proposal.loss)
        scores = [value for value in curve(parsed(text), 0) if not math.isnan(value)]
        present = features(text)
        assert present is not None
        losses.append((present, float(np.mean(scores))))
    table = {row.name: row for row in table_of(losses).rows}
    share = float(
        np.mean(1 - np.exp(-3 * np.arange(1, 9) / 8))
    )  # the mean of a curve, as a share of its height
    wrong = 0
    for name, row in table.items():
        assert row.present + row.absent == 250
        if row.joint.effect.bounded:
            wrong += row.joint.effect.excludes(EFFECTS.get(name, 0.0) * share)
    assert wrong <= 1
    assert table["forward dynamics"].joint.effect.low > 60
    assert table["more rewards in the target"].joint_holm > 0.05


def test_the_table_of_a_study_is_over_what_was_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make(tmp_path / "study", SETTINGS)
    with Records(folder) as study:
        scored = [
            candidate for candidate in study.candidates(status=Status.SCORED) if not candidate.is_reference
        ]
        table = pattern_table(study, np.random.default_rng(0))
        assert (table.losses, table.left_out) == (len(scored), 0)
        monkeypatch.setattr(patterns, "_PLAIN", patterns.re.compile("x"))
        parsed_table = pattern_table(study, np.random.default_rng(0))
        assert repr(parsed_table) == repr(table)  # the parser finds the same; repr, as NaN is not itself
        monkeypatch.setattr(pattern_tables, "SLOW", 5)
        some = pattern_table(study, np.random.default_rng(0))
        assert (some.losses, some.left_out) == (5, len(scored) - 5)


def test_the_score_of_a_loss_with_several_runs_is_their_mean(tmp_path: Path) -> None:
    with Records(make(tmp_path / "study", replace(SETTINGS, race=0.4, confirm=2))) as study:
        scored = [
            candidate for candidate in study.candidates(status=Status.SCORED) if not candidate.is_reference
        ]
        levels = levels_of(study.candidates(status=Status.SCORED))
        losses = [(features(candidate.text) or {}, candidate.mean(levels)) for candidate in scored]
        table = pattern_table(study, np.random.default_rng(0))
        assert repr(table.rows) == repr(table_of(losses).rows)
        assert table.repeated == sum(candidate.runs > 1 for candidate in scored) > 1
        assert any(candidate.mean(levels) != candidate.score for candidate in scored)
        assert f"The score of {table.repeated} that ran with several seeds" in "".join(
            patterns_table(table).notes
        )


def test_nothing_scored_has_an_empty_table() -> None:
    assert [row.present for row in table_of([]).rows] == [0] * 8


def test_only_the_plain_test_finds_patterns_in_noise() -> None:
    """120 studies whose scores are noise: the table against the paper's test, and why Holm comes first."""
    rng, studies = np.random.default_rng(0), 120
    plain = corrected = 0
    for _ in range(studies):
        names = [*MEANING, *CONTROLS]
        present = rng.integers(0, 2, (60, len(names)))
        losses = [dict(zip(names, map(float, row), strict=True)) for row in present]
        table = table_of([(loss, float(rng.normal())) for loss in losses])
        plain += any(row.plain.p < 0.05 for row in table.rows)
        corrected += any(row.holm < 0.05 for row in table.rows)
    assert plain > 0.2 * studies
    assert corrected <= 0.05 * studies + 3 * math.sqrt(0.05 * 0.95 * studies)
    shown = patterns_table(table)
    assert shown.columns.index("holm") < shown.columns.index("p")
    assert "finds a pattern in 30%" in " ".join(shown.notes)

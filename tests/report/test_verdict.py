"""Which claims are made for studies of known truth, and the tables of them in every format."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from report.command import a2l
from report.made import CASCADE, SETTINGS, make

from a2ls_dsl.cli.evolve_view import standing as live
from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.report import sections
from a2ls_dsl.report.comparison import compare
from a2ls_dsl.report.gather import other, tables
from a2ls_dsl.report.standing import BOARD, chosen_confidence, standing
from a2ls_dsl.report.statistics import Interval, difference
from a2ls_dsl.report.summary import summarise
from a2ls_dsl.report.tables import Table, formatted, hall_table
from a2ls_dsl.report.verdict import Answer, verdict
from a2ls_dsl.search.study.hall_of_fame import write_hall_of_fame
from a2ls_dsl.search.study.records import Records
from a2ls_dsl.search.study.study import Study
from a2ls_dsl.search.study.validation import Score, Validation, load, path_of, store


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("studies") / "mine-async")


@pytest.fixture(scope="module")
def random(made: Path) -> Path:
    settings = replace(CASCADE, strategy="random", gates=(), rungs=None)
    return make(made.with_name("mine-random"), settings)


@pytest.fixture
def records(made: Path) -> Iterator[Records]:
    with Records(made) as opened:
        yield opened


def validated(better: float) -> Validation:
    """Two environments and three arms: `none`, a published loss, and a found loss that leads by `better`."""
    spread = (-10.0, -6.0, -2.0, 2.0, 6.0, 10.0)  # its mean is 0
    arms = {"none": 0.0, "curl": 20.0, "found_1": better}
    scores = tuple(
        Score(env, arm, arm == "found_1", seed, base + plus + spread[(seed + len(arm)) % 6])
        for env, base in (("reacher-easy", 300.0), ("cartpole-swingup", 600.0))
        for arm, plus in arms.items()
        for seed in range(6)
    )
    return Validation(20_000, len(scores), {"none": "none", "curl": "c", "found_1": "f"}, scores)


def test_the_best_is_better_than_none_by_what_fresh_seeds_say(records: Records) -> None:
    first, second, third = verdict(records)
    assert first.answer is Answer.YES
    confirmed = [
        candidate for candidate in records.candidates() if candidate.fresh_runs and not candidate.is_reference
    ]
    best = max(confirmed, key=lambda candidate: candidate.fresh_score or 0.0)
    (none,) = records.by_key(["none"])
    assert best.fresh.keys() == none.fresh.keys()
    expected = difference([best.fresh], [none.fresh], 1 - 0.05 / 3)
    assert first.difference == expected
    assert "the best of 3 confirmed" in first.why
    assert f"found_{best.key[:8]} on 4 common fresh seeds" in first.why
    assert "a2_winner_v" in second.question
    assert third.answer is Answer.UNKNOWN
    assert "--strategy random" in third.fix


def test_one_seed_each_is_no_evidence(tmp_path: Path) -> None:
    with Records(make(tmp_path / "study", SETTINGS)) as study:
        for claim in verdict(study):
            assert claim.answer is Answer.UNKNOWN
            assert claim.difference is None
        assert "partly luck" in verdict(study)[0].why
        assert "a2l validate" in verdict(study)[0].fix


def test_nothing_is_claimed_of_a_study_that_has_just_begun(tmp_path: Path) -> None:
    with Study(tmp_path / "study", SETTINGS, SETTINGS.space()):
        pass
    make(tmp_path / "study", SETTINGS, ticks=2)
    with Records(tmp_path / "study") as study:
        assert {claim.answer for claim in verdict(study)} == {Answer.UNKNOWN}


def test_random_search_is_compared_at_its_budget(records: Records, random: Path, tmp_path: Path) -> None:
    with Records(random) as against:
        claim = verdict(records, against)[2]
        assert claim.difference is not None
        assert f"{records.frames():,} frames against {against.frames():,}" in claim.why
        if claim.answer is Answer.NO:  # random search had more frames
            pytest.fail("a loser with less budget is no loser")
        assert len(verdict(against)) == 2  # random search isn't compared with itself
    with Records(make(tmp_path / "other", replace(SETTINGS, strategy="random", seed=3))) as against:
        assert "fresh seeds" in verdict(records, against)[2].why
    unlike = replace(SETTINGS, strategy="random", agent=replace(SETTINGS.agent, hidden=7))
    with Records(make(tmp_path / "unlike", unlike, ticks=1)) as against:
        assert "agent.hidden is 7, here 1024" in verdict(records, against)[2].why
    with pytest.raises(A2lError, match="itself"), other(records, records.folder):
        pass


def test_the_random_search_beside_a_study_is_found(made: Path, random: Path, records: Records) -> None:
    with other(records, None) as against:
        assert against is not None
        assert against.folder == random.resolve()
    with Records(random) as study, other(study, None) as against:
        assert against is None


def test_choices_are_paid_for() -> None:
    assert chosen_confidence(1) == pytest.approx(0.95)
    assert chosen_confidence(5) == pytest.approx(0.99)


@pytest.mark.parametrize(("better", "answer"), [(60.0, "yes"), (-60.0, "no"), (0.0, "can't be said")])
def test_a_validation_decides(records: Records, better: float, answer: str) -> None:
    claim = verdict(records, None, validated(better))[-1]
    assert claim.answer == answer
    assert "reacher-easy, cartpole-swingup" in claim.question
    assert claim.difference is not None
    assert claim.difference.value == pytest.approx(better)


def test_a_validation_compares_every_arm_with_none() -> None:
    comparisons = {comparison.arm: comparison for comparison in compare(validated(60.0))}
    assert list(comparisons) == ["found_1", "curl", "none"]
    assert comparisons["none"].difference is None
    assert comparisons["found_1"].probability is not None
    assert comparisons["found_1"].probability.value == 1.0
    assert 0.5 < comparisons["found_1"].probability.low < 1.0
    assert comparisons["curl"].difference is not None
    assert comparisons["curl"].difference.value == pytest.approx(20.0)
    assert comparisons["none"].iqm == pytest.approx(450)
    assert comparisons["none"].mean.value == pytest.approx(450)
    half = validated(60.0)
    half = replace(half, scores=half.scores[:20])
    assert not half.complete
    envs = {comparison.arm: list(comparison.per_env) for comparison in compare(half)}
    assert envs == {
        "none": ["reacher-easy", "cartpole-swingup"],
        "curl": ["reacher-easy"],
        "found_1": ["reacher-easy"],
    }


def trained_anew(folder: Path, env: str, better: float, frames: int = SETTINGS.frames) -> tuple[str, str]:
    """Validate the two best of a study, the second with a lead of `better` over none; returns their keys."""
    spread = (-10.0, -6.0, -2.0, 2.0, 6.0, 10.0)
    with Records(folder, validated=False) as study:
        first, second = (candidate for candidate in study.leaderboard(2) if not candidate.is_reference)
    arms = {"none": ("none", 0.0), f"found_{first.key[:8]}": (first.text, -5.0)}
    arms |= {f"found_{second.key[:8]}": (second.text, better)}
    scores = tuple(
        Score(env, arm, arm != "none", 9_000 + seed, 300 + plus + spread[(seed + place) % 6])
        for place, (arm, (_, plus)) in enumerate(arms.items())
        for seed in range(6)
    )
    path_of(folder).parent.mkdir(exist_ok=True)
    losses = {arm: text for arm, (text, _) in arms.items()}
    store(folder, Validation(frames, len(scores), losses, scores))
    return first.key, second.key


@pytest.mark.parametrize(("better", "answer"), [(60.0, "yes"), (-60.0, "can't be said")])
def test_a_validation_on_the_studys_own_environment_answers_its_questions(
    tmp_path: Path, better: float, answer: str
) -> None:
    folder = make(tmp_path / "study", SETTINGS)
    with Records(folder) as study:
        assert verdict(study)[0].answer is Answer.UNKNOWN
    first, second = trained_anew(folder, SETTINGS.env, better)
    best = second if better > -5 else first  # which is 5 below none
    with Records(folder) as study:
        claims = verdict(study, None, load(folder))
        claim = claims[0]
        assert claim.answer == answer
        assert f"found_{best[:8]} on 6 common fresh seeds; the best of 2" in claim.why
        assert claim.difference is not None
        assert claim.difference.value == pytest.approx(max(better, -5.0))
        assert not any("trained again" in claim.question for claim in claims)  # it is answered once
        if answer == "can't be said":
            assert "--seeds 12" in claim.fix  # not the same command again
        assert study.leaderboard(5)[0].key in (best, "none")
    trained_anew(folder, SETTINGS.env, better, frames=2 * SETTINGS.frames)
    with Records(folder) as study:
        assert verdict(study, None, load(folder))[0].difference is None  # another budget is another question
    trained_anew(folder, "reacher-easy", better)
    with Records(folder) as study:
        assert verdict(study, None, load(folder))[0].difference is None


def test_best_against_none_is_answered_alike_everywhere(made: Path) -> None:
    """In the verdict, the hall of fame, the tiles, the header of the loss file, `a2l best`, the live view."""
    with Records(made) as study:
        ranking = standing(study.leaderboard(BOARD))
        assert ranking is not None
        none = next(reference for reference in ranking.references if reference.key == "none")
        ahead = ranking.lead(none)
        assert ahead is not None
        lead, best = f"{ahead.value:+.1f}", f"found_{ranking.best.key[:8]}"
        assert verdict(study)[0].difference == ahead
        assert best in verdict(study)[0].why
        (row,) = (record for record in hall_table(study, 10).records() if record["rank"] == 1)
        assert f"{row['vs none']['value']:+.1f}" == lead
        tiles = sections.glance(summarise(study))
        assert lead in tiles
        assert best in tiles
        write_hall_of_fame(study)
        header = next(study.hall_of_fame.glob("01-*.a2l")).read_text().splitlines()[0]
        assert f"{ranking.best.fresh_score:.1f}" in header
        level = float(re.findall(r"no auxiliary loss ([0-9.]+)", header)[0])
        assert ranking.best.fresh_score == pytest.approx(level + ahead.value, abs=0.11)
        first, second = live(study.leaderboard(20))
    assert ranking.best.text in first
    assert formatted(ahead, 1, True) in second
    text = a2l("best", made).stdout.splitlines()
    (line,) = (line for line in text if line.split()[:1] == ["1"])
    assert line.split()[5] == lead  # behind rank, mean, ±, error, runs


def test_a_validation_is_kept(tmp_path: Path) -> None:
    assert load(tmp_path) is None
    path_of(tmp_path).parent.mkdir()
    store(tmp_path, validated(1.0))
    assert load(tmp_path) == validated(1.0)
    path_of(tmp_path).write_text('{"frames": 3}')
    with pytest.raises(A2lError, match="is not a validation"):
        load(tmp_path)


def test_tables_in_every_format(made: Path, random: Path, tmp_path: Path) -> None:
    named = {table.name: table for table in tables(made, 3, random)}
    assert list(named) == ["verdict", "hall", "gates", "patterns"]
    data = json.loads(a2l("analyze", made, "--format", "json", "-n", 3).stdout)
    assert list(data) == list(named)
    hall = data["hall"]["rows"]
    assert [row["rank"] for row in hall if row["rank"]] == [1, 2, 3]
    assert {row["name"] for row in hall if not row["rank"]} == {"none", "a2_winner_v"}
    csv_file = tmp_path / "hall.csv"
    a2l("analyze", made, "--table", "hall", "--format", "csv", "-n", 3, "-o", csv_file)
    for row, cells in zip(hall, csv.DictReader(csv_file.open()), strict=True):
        ends = row["vs none"] or dict.fromkeys(("value", "low", "high"))
        flat = [cells[f"vs none{end}"] for end in ("", " low", " high")]
        assert flat == ["" if value is None else str(value) for value in ends.values()]
    text = a2l("analyze", made, "-n", 3).stdout
    for row in hall:  # without a terminal nothing is cut, whatever its assumed width
        assert any(str(row["name"]) in line and row["loss"] in line for line in text.splitlines())
    assert all(title in text for title in ("Verdict", "Hall of fame", "Gates", "Patterns"))


def test_mistakes_are_explained(made: Path, tmp_path: Path) -> None:
    assert "CSV holds one table" in a2l("analyze", made, "--format", "csv").stderr
    assert "is not validated" in a2l("analyze", made, "--table", "validation").stderr
    gone = a2l("analyze", tmp_path)
    assert gone.returncode == 2
    assert "there is no study" in gone.stderr


def test_cells_are_formatted() -> None:
    assert formatted(Interval(1.25, -0.5, 2.0), 1, True) == "+1.2 [-0.5, +2.0]"
    assert formatted(Interval(1.25)) == "1.2"
    assert formatted(None) == formatted(float("nan")) == formatted(Interval(float("nan"))) == ""
    assert (formatted(12_345), formatted("x"), formatted(1.0)) == ("12,345", "x", "1.0")
    table = Table("t", "T", ("a", "b"), ((1, None), (2, Interval(1.0))))
    assert next(iter(table.flat())) == {"a": 1, "b": None, "b low": None, "b high": None}

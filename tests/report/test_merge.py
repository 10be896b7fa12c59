"""Merges of studies, against the tables they come from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from report import made as report_made
from report.made import CASCADE, SETTINGS, make
from study_tables import rows

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.report.summary import summarise
from a2ls_dsl.search.candidates import Candidate
from a2ls_dsl.search.study.merge import merge
from a2ls_dsl.search.study.records import Records
from a2ls_dsl.search.study.study import Study


def test_studies_with_other_seeds_are_merged(made: Path, other: Path, tmp_path: Path) -> None:
    merged = merge([made, other], tmp_path / "merged")
    keys = [{key for (key,) in rows(folder, "SELECT key FROM candidates")} for folder in (made, other)]
    assert merged.candidates == len(keys[0] | keys[1])
    assert merged.shared == len(keys[0] & keys[1]) >= 2
    sql = "SELECT key, seed FROM runs JOIN candidates ON candidate = candidates.id"
    runs = [set(rows(folder, sql)) for folder in (made, other)]
    assert merged.runs == len(runs[0] | runs[1])
    assert len(runs[0] & runs[1]) == 6  # three fresh seeds of both references are the same
    with Records(tmp_path / "merged") as result, Records(made) as first, Records(other) as second:
        assert result.search_seeds == (0, 1)
        (none,) = result.by_key(["none"])
        (ours,), (theirs,) = first.by_key(["none"]), second.by_key(["none"])
        assert none.score == pytest.approx((ours.score + theirs.score) / 2)  # type: ignore[operator]
        assert none.fresh_runs == 5
        assert none.fresh == {**ours.fresh, **theirs.fresh}
        summaries = [summarise(records) for records in (result, first, second)]
        assert summaries[0].cost.frames == sum(summary.cost.frames for summary in summaries[1:]) - 6 * 8_000
        assert summaries[0].slots == 10
        for name, stopped in {gate.name: gate.stopped for gate in summaries[0].gates}.items():
            assert stopped == sum(
                g.stopped for summary in summaries[1:] for g in summary.gates if g.name == name
            )
        assert len(list(result.hall_of_fame.iterdir())) == 10
    again = merge([tmp_path / "merged", other], tmp_path / "again")
    assert (again.candidates, again.runs) == (merged.candidates, merged.runs)


def test_a_folder_given_twice_is_one_part(made: Path, other: Path, tmp_path: Path) -> None:
    merged = merge([made, other], tmp_path / "merged")
    (tmp_path / "link").symlink_to(made)
    assert merge([made, other, tmp_path / "link"], tmp_path / "again").shared == merged.shared


def test_what_has_not_ended_is_left_out_and_counted(made: Path, tmp_path: Path) -> None:
    part = make(tmp_path / "part", replace(CASCADE, seed=2), ticks=15)
    waiting = len(rows(part, "SELECT 1 FROM runs WHERE ended IS NULL"))
    merged = merge([part, made], tmp_path / "merged")
    assert merged.unfinished == waiting > 0
    assert rows(tmp_path / "merged", "SELECT count(*) FROM candidates WHERE status = 'running'") == [(0,)]


def test_a_merged_study_searches_no_further(made: Path, other: Path, tmp_path: Path) -> None:
    merge([made, other], tmp_path / "merged")
    with pytest.raises(A2lError, match="merged from others"):
        Study(tmp_path / "merged", CASCADE, CASCADE.space())


def test_what_cannot_be_merged_is_explained(made: Path, tmp_path: Path) -> None:
    different = make(tmp_path / "different", replace(CASCADE, frames=7_000), ticks=2)
    with pytest.raises(A2lError, match="frames is 8000 and 7000"):
        merge([made, different], tmp_path / "new")
    with pytest.raises(A2lError, match="two studies or more"):
        merge([made, made], tmp_path / "new")
    with pytest.raises(A2lError, match="exists already"):
        merge([made, different], made)
    with pytest.raises(A2lError, match=r"no(t a)? study"):
        merge([made, tmp_path], tmp_path / "new")
    assert {path.name for path in tmp_path.iterdir()} == {"different"}


def test_a_seed_that_is_kind_to_all_brings_nothing_to_the_top_of_a_merge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With seed 1 every run scores 500 more; the merged order is by the lead over the seed's references."""
    plain = report_made.curve
    monkeypatch.setattr(
        report_made,
        "curve",
        lambda loss, seed: [value + 500 * (seed == 1) for value in plain(loss, 7 + seed)],
    )
    parts = [make(tmp_path / f"{seed}", replace(SETTINGS, seed=seed)) for seed in (0, 1)]
    merge(parts, tmp_path / "merged")
    leads: dict[str, list[float]] = {}
    for part in parts:
        with Records(part) as study:
            board = study.leaderboard()
        # The other reference diverged with one seed.
        (level,) = (candidate.score for candidate in board if candidate.key == "none")
        for candidate in board:
            leads.setdefault(candidate.key, []).append((candidate.score or 0.0) - (level or 0.0))
    with Records(tmp_path / "merged") as study:
        ranked = [candidate.key for candidate in study.leaderboard()]
        runs = {candidate.key: candidate.runs for candidate in study.leaderboard()}
    assert runs == {key: len(scores) for key, scores in leads.items()}  # of both parts, no fresh ones
    assert ranked == sorted(leads, key=lambda key: -np.mean(leads[key]))
    raw = [{candidate.key for candidate in board_of(part)[:10]} for part in parts]
    assert len(set(ranked[:10]) & raw[0]) > 2  # not all of them are of the study with the kind seed


def board_of(folder: Path) -> list[Candidate]:
    with Records(folder) as study:
        return study.leaderboard()

"""The best of a search run with fresh seeds, in it or later."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from search.stand_in_search import CASCADE, SETTINGS, searched, tables

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.search.candidates import Status
from a2ls_dsl.search.conductor import Conductor
from a2ls_dsl.search.study.study import Study


def test_the_best_are_confirmed_with_fresh_seeds(tmp_path: Path) -> None:
    searched(CASCADE, tmp_path)
    with Study(tmp_path, CASCADE, CASCADE.space()) as study:
        confirmed = [candidate for candidate in study.candidates() if candidate.fresh_runs]
        assert all(candidate.fresh_runs == 2 for candidate in confirmed)
        assert sum(not candidate.is_reference for candidate in confirmed) == 2
        best = sorted(
            (candidate for candidate in study.candidates(status=Status.SCORED) if not candidate.is_reference),
            key=lambda candidate: -(candidate.score or 0),
        )
        assert {candidate.id for candidate in best[:2]} <= {candidate.id for candidate in confirmed}
        for candidate in confirmed:
            seeds = {run.seed for run in study.runs(candidate=candidate.id)}
            assert seeds == {0, *CASCADE.fresh_seeds(2)}


def test_a_search_that_has_ended_is_confirmed_later(tmp_path: Path) -> None:
    """As if it had been asked for at once; then more candidates, and more seeds."""
    whole = replace(SETTINGS, confirm=2, confirm_seeds=2)
    searched(whole, tmp_path / "whole")
    searched(SETTINGS, tmp_path / "later")
    searched(whole, tmp_path / "later")
    seeds = {folder: outcome(tmp_path / folder) for folder in ("whole", "later")}
    assert seeds["later"] == seeds["whole"]
    more = replace(SETTINGS, confirm=3, confirm_seeds=4)
    searched(more, tmp_path / "later")
    with Study(tmp_path / "later", more, more.space()) as study:
        confirmed = [candidate for candidate in study.candidates() if candidate.fresh_runs]
        assert [candidate.fresh_runs for candidate in confirmed] == [4] * 5
        assert sum(not candidate.is_reference for candidate in confirmed) == 3
    with pytest.raises(A2lError, match="confirm was 3, now 2"):
        searched(whole, tmp_path / "later")


def outcome(folder: Path) -> list[tuple[object, ...]]:
    """Candidate, seed, status and score of every run."""
    return [(row[1], row[2], row[3], row[4]) for row in tables(folder)["runs"]]


def test_a_strategy_learns_from_all_runs_of_a_loss(tmp_path: Path) -> None:
    """A search that goes on after its best were confirmed doesn't take their luck for worth."""
    settings = replace(SETTINGS, confirm=2, confirm_seeds=2)
    searched(settings, tmp_path)
    with Study(tmp_path, settings, settings.space()) as study:
        seen = Conductor(settings, settings.space(), study).known.latest(100)
        confirmed = [
            candidate
            for candidate in study.candidates()
            if candidate.fresh_runs and not candidate.is_reference
        ]
        references = [candidate for candidate in study.candidates() if candidate.is_reference]
        level = {
            seed: sum(reference.fresh[seed] for reference in references) / 2 for seed in references[0].fresh
        }
        own = sum(reference.score or 0.0 for reference in references) / 2
        for candidate in confirmed:
            scores = [candidate.score or 0.0]
            scores += [score - level[seed] + own for seed, score in candidate.fresh.items()]
            (entry,) = [scored for scored in seen if scored.loss == candidate.loss]
            assert (entry.score, entry.runs) == (pytest.approx(sum(scores) / 3), 3)
        assert sum(scored.runs == 1 for scored in seen) == len(seen) - len(confirmed)

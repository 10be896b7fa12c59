"""A study: transactions, what it counts and ranks, and its hall of fame."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from search.study.small_study import GRAMMAR, SETTINGS, count, end, propose, score_all

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.lang.files import folder as folder_of
from a2ls_dsl.lang.load import load
from a2ls_dsl.lang.rules.canonical import key
from a2ls_dsl.rl.runs.curve import Point
from a2ls_dsl.search.candidates import Status, ranked, references
from a2ls_dsl.search.strategies.evolution import Origin, first_population
from a2ls_dsl.search.study.hall_of_fame import SIZE, write_hall_of_fame
from a2ls_dsl.search.study.study import Study


def test_a_study_begins_with_the_references(study: Study) -> None:
    first, second, *rest = study.candidates()
    assert (first.name, second.name) == ("none", "a2_winner_v")
    assert first.loss is None
    assert all(candidate.status == "queued" and not candidate.is_reference for candidate in rest)
    assert [key(candidate.loss) for candidate in rest if candidate.loss] == [
        candidate.key for candidate in rest
    ]
    assert [run.candidate for run in study.runs(Status.QUEUED)] == [
        candidate.id for candidate in study.candidates()
    ]
    propose(study)
    assert sum(candidate.is_reference for candidate in study.candidates()) == 2
    assert [candidate.generation for candidate in study.candidates(2)] == [2] * 6


def test_scores_clock_and_generator_are_kept(folder: Path) -> None:
    with Study(folder, SETTINGS, GRAMMAR) as study:
        assert (study.clock, study.rng_state()) == (-1, None)
        propose(study)
        state = study.rng_state()
        end(study, 1, 5.0)
        end(study, 2, None, "diverged")
        with study.deciding(77):
            study.start(study.runs(Status.QUEUED)[0], 4, 77)
    with Study(folder, SETTINGS, GRAMMAR) as study:
        assert study.resumed
        assert (study.clock, study.rng_state()) == (77, state)
        assert study.candidate(1).score == 5.0
        assert (study.candidate(2).score, study.candidate(2).reason) == (None, "diverged")
        (running,) = study.runs(Status.RUNNING)
        assert (running.candidate, running.slot, running.began) == (3, 4, 77)
        assert [point.mean_return for point in study.curve(1)] == [4.0, 6.0]
        counts = study.counts()
        assert (counts[Status.SCORED], counts[Status.FAILED], counts[Status.QUEUED]) == (1, 1, 5)


def test_a_generator_goes_on_from_the_stored_state(study: Study) -> None:
    used, restored = np.random.default_rng(0), np.random.default_rng(99)
    first_population(GRAMMAR, 6, SETTINGS.evolution, used)
    restored.bit_generator.state = study.rng_state()
    assert restored.integers(2**60) == used.integers(2**60)


def test_a_decision_is_stored_whole_or_not_at_all(study: Study, folder: Path) -> None:
    before, clock = study.candidates(), study.clock
    proposals = first_population(GRAMMAR, 2, SETTINGS.evolution, np.random.default_rng(5))

    def half() -> None:
        with study.deciding(9):
            study.start(study.runs(Status.QUEUED)[0], 0, 9)
            study.propose([*proposals, proposals[0]], 2, {})

    with pytest.raises(A2lError):
        half()
    assert (study.candidates(), study.clock, study.runs(Status.RUNNING)) == (before, clock, [])


def test_a_full_disk_loses_nothing_and_says_what_to_do(study: Study, folder: Path) -> None:
    end(study, 1, 1.0)
    study._connection.execute("PRAGMA max_page_count = 1")
    run = study.runs(Status.QUEUED, 2)[0]

    def much() -> None:
        with study.deciding(50):
            for frames in range(999):
                study.point(run, Point(frames, (1.0,) * 99, 0.0))

    with pytest.raises(A2lError, match="no space left") as caught:
        much()
    assert "run the same command again" in caught.value.fix
    assert [candidate.id for candidate in study.candidates(status=Status.SCORED)] == [1]
    assert count(folder, "curves") == 2
    study._connection.execute("PRAGMA max_page_count = 100000")
    end(study, 2, 1.0)


def test_fresh_runs_are_summed_up_and_decide_the_ranks(study: Study) -> None:
    for number, score in ((3, 9.0), (4, 8.0), (5, 7.0)):
        end(study, number, score)
    for number, scores in ((4, (1.0, 3.0, 5.0)), (5, (2.0, 2.0, 2.0))):
        with study.deciding(study.clock + 1):
            study.confirm(number, (100, 101, 102))
        for run, score in zip(study.runs(Status.QUEUED, number), scores, strict=True):
            with study.deciding(study.clock + 1):
                study.finish(run, Status.SCORED, score, None, study.clock, "")
    confirmed = study.candidate(4)
    assert (confirmed.score, confirmed.fresh_score, confirmed.fresh_runs) == (8.0, 3.0, 3)
    assert confirmed.fresh_error == pytest.approx(2 / 3**0.5)
    assert confirmed.mean({}) == pytest.approx((8 + 1 + 3 + 5) / 4)
    assert confirmed.fresh == {100: 1.0, 101: 3.0, 102: 5.0}
    assert [candidate.id for candidate in study.leaderboard()] == [4, 5, 3]


def test_a_study_of_a_hundred_thousand_candidates(study: Study, folder: Path) -> None:
    rng = np.random.default_rng(1)
    with study.deciding(5):
        for number in range(100_000):
            study._rows(
                "INSERT INTO candidates (key, text, generation, origin, parents, status, score)"
                " VALUES (?, 'mse({ s[t] } -> { s[t+1] })', ?, 'random', '[]', 'scored', ?)",
                *(f"key{number}", 1 + number // 100, float(rng.random())),
            )
            study._rows(
                "INSERT INTO runs (candidate, seed, status, ended)"
                " VALUES (last_insert_rowid(), 0, 'scored', ?)",
                number,
            )
    study.__exit__(None, None, None)
    with Study(folder, replace(SETTINGS, generations=1000, population=6), GRAMMAR) as again:
        assert len(again.leaderboard(10)) == 10
        assert len(again.latest(100)) == 100
        assert again.counts()[Status.SCORED] == 100_000
        write_hall_of_fame(again)


def test_the_leaderboard_ranks_candidates_and_keeps_references_in_place(study: Study) -> None:
    for number, score in ((1, 3.0), (2, 0.5), (3, 2.0), (4, 4.0), (5, 4.0)):
        end(study, number, score)
    end(study, 6, None, "diverged")
    board = study.leaderboard()
    assert [candidate.id for candidate in board] == [4, 5, 1, 3, 2]
    assert [(rank, candidate.id) for rank, candidate in ranked(board, 2)] == [
        (1, 4),
        (2, 5),
        (None, 1),
        (None, 2),
    ]
    assert [candidate.id for candidate in study.leaderboard(1)] == [4, 1, 2]


def test_the_hall_of_fame_holds_the_best_as_loss_files(study: Study, folder: Path) -> None:
    score_all(study)
    propose(study, 9)
    score_all(study)
    write_hall_of_fame(study)
    (study.hall_of_fame / "99-stale.a2l").write_text("")
    write_hall_of_fame(study)
    best = [candidate for candidate in study.leaderboard() if candidate.origin is not Origin.REFERENCE][:SIZE]
    files = sorted(study.hall_of_fame.iterdir())
    assert [path.name for path in files] == [
        f"{rank:02}-{candidate.key[:8]}.a2l" for rank, candidate in enumerate(best, 1)
    ]
    for path, candidate in zip(files, best, strict=True):
        assert list(load(path).values()) == [candidate.loss]
        assert "walker-walk" in path.read_text()
        assert f"by which it was chosen: {candidate.score:.1f}" in path.read_text()


def test_a_strange_name_of_a_grammar_does_not_break_the_files(tmp_path: Path) -> None:
    """A path may hold line breaks and bytes that are no text; a comment may not."""
    path = tmp_path / "we\nird\udcff.a2g"
    path.write_text((folder_of("grammars") / "smoke.a2g").read_text())
    settings = replace(SETTINGS, grammar=str(path))
    with Study(tmp_path / "study", settings, settings.space()) as study:
        propose(study)
        score_all(study)
        write_hall_of_fame(study)
        assert all(len(load(path)) == 1 for path in study.hall_of_fame.iterdir())


def test_references_are_the_shipped_losses() -> None:
    assert [reference.name for reference in references()] == ["none", "a2_winner_v"]

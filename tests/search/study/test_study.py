"""A study: transactions, re-opening, locking, and every way in which a folder may be wrong."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.lang.files import folder as folder_of
from a2ls_dsl.lang.grammar import parse_grammar
from a2ls_dsl.lang.load import load
from a2ls_dsl.lang.rules.canonical import key
from a2ls_dsl.rl.runs.curve import Point
from a2ls_dsl.search.candidates import Status, ranked, references
from a2ls_dsl.search.presets import quick
from a2ls_dsl.search.strategies.evolution import Origin, first_population
from a2ls_dsl.search.study.hall_of_fame import SIZE, write_hall_of_fame
from a2ls_dsl.search.study.reader import StudyReader
from a2ls_dsl.search.study.store import DATABASE
from a2ls_dsl.search.study.study import Study

SETTINGS = quick("walker-walk")
GRAMMAR = SETTINGS.space()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "study"


@pytest.fixture
def study(folder: Path) -> Iterator[Study]:
    with Study(folder, SETTINGS, GRAMMAR) as opened:
        propose(opened)
        yield opened


def propose(study: Study, n: int = 6) -> None:
    rng = np.random.default_rng(study.generations)
    proposals = first_population(GRAMMAR, n, SETTINGS.evolution, rng, study.keys())
    with study.deciding(study.clock + 1):
        study.propose(proposals, study.generations + 1, rng.bit_generator.state)


def end(study: Study, number: int, score: float | None, reason: str = "") -> None:
    """Train a candidate's queued run to its end."""
    (run,) = study.runs(Status.QUEUED, number)
    with study.deciding(study.clock + 1):
        study.start(run, 0, study.clock)
        if score is not None:
            for frames, value in ((1_000, score - 1), (2_000, score + 1)):
                study.point(run, Point(frames, (value, value), float("nan")))
        status = Status.FAILED if reason else Status.SCORED
        study.finish(run, status, score, score, study.clock + 1, reason)


def score_all(study: Study) -> None:
    for run in study.runs(Status.QUEUED):
        end(study, run.candidate, 7.0 * run.candidate % 5)


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


def test_more_generations_extend_a_study(study: Study, folder: Path) -> None:
    study.__exit__(None, None, None)
    with Study(folder, replace(SETTINGS, generations=5), GRAMMAR):
        pass
    with StudyReader(folder) as reader:
        assert reader.settings.generations == 5
    with pytest.raises(A2lError, match="generations was 5, now 2"):
        Study(folder, SETTINGS, GRAMMAR)


def test_other_settings_are_refused_by_name(folder: Path) -> None:
    Study(folder, SETTINGS, GRAMMAR).__exit__(None, None, None)
    other = replace(SETTINGS, seed=3, agent=replace(SETTINGS.agent, hidden=9))
    with pytest.raises(A2lError, match=r"seed was 0, now 3; agent\.hidden was 128, now 9") as caught:
        Study(folder, other, GRAMMAR)
    assert "--study" in caught.value.fix
    Study(folder, replace(SETTINGS, stack=2), GRAMMAR).__exit__(None, None, None)


def test_a_study_with_older_rules_for_scores_is_read_and_not_gone_on_with(folder: Path) -> None:
    with Study(folder, SETTINGS, GRAMMAR) as study:
        propose(study)
        score_all(study)
        older = json.loads(SETTINGS.to_json())
        del older["scoring"]
        study._rows("UPDATE meta SET value = ? WHERE name = 'settings'", json.dumps(older))
    with StudyReader(folder) as reader:
        assert reader.settings == replace(SETTINGS, scoring=1)
        assert len(reader.leaderboard()) == 8
        assert reader.rungs() == []
    with pytest.raises(A2lError, match="other rules for scores") as caught:
        Study(folder, SETTINGS, GRAMMAR)
    assert "--study" in caught.value.fix


def test_another_grammar_of_the_same_name_is_refused(folder: Path) -> None:
    Study(folder, SETTINGS, GRAMMAR).__exit__(None, None, None)
    text = "grammar a2ls for k in 1..2\nloss = mse({ s[t] } -> { s[t+k] })\n"
    with pytest.raises(A2lError, match="grammar a2ls has changed"):
        Study(folder, SETTINGS, parse_grammar(text))


def test_two_processes_do_not_run_one_study(study: Study, folder: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from a2ls_dsl.diagnostics import A2lError\n"
        "from a2ls_dsl.search.study.study import *; from a2ls_dsl.search.presets import quick\n"
        "settings = quick('walker-walk')\n"
        "try: Study(Path(sys.argv[1]), settings, settings.space())\n"
        "except A2lError as error: print(error.render())\n"
        "with StudyReader(Path(sys.argv[1])) as reader: print(len(reader.candidates()))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True)
    assert f"is in use by process {os.getpid()}" in done.stdout, done.stderr
    assert done.stdout.endswith("\n8\n")  # reading goes on meanwhile


def test_a_study_that_was_killed_while_it_was_made_is_made_again(folder: Path) -> None:
    folder.mkdir()
    (folder / "lock").write_text("12345")
    (folder / DATABASE).touch()
    with Study(folder, SETTINGS, GRAMMAR) as study:
        assert not study.resumed


def test_a_format_of_another_version_is_refused(folder: Path) -> None:
    Study(folder, SETTINGS, GRAMMAR).__exit__(None, None, None)
    with sqlite3.connect(folder / DATABASE) as connection:
        connection.execute("UPDATE meta SET value = '99' WHERE name = 'schema'")
    connection.close()
    with pytest.raises(A2lError, match="format 99"):
        Study(folder, SETTINGS, GRAMMAR)
    with pytest.raises(A2lError, match="format 99"):
        StudyReader(folder)


@pytest.mark.parametrize("reading", [False, True])
def test_what_is_no_study_is_left_alone(folder: Path, reading: bool) -> None:
    def opened() -> None:
        StudyReader(folder) if reading else Study(folder, SETTINGS, GRAMMAR)

    folder.mkdir()
    (folder / DATABASE).write_text("a text that is long enough not to be taken for an empty file" * 9)
    with pytest.raises(A2lError, match=r"no(t a)? study"):
        opened()
    (folder / DATABASE).unlink()
    other = sqlite3.connect(folder / DATABASE)
    other.execute("CREATE TABLE recipes (name TEXT)")
    other.close()
    before = (folder / DATABASE).read_bytes()
    with pytest.raises(A2lError, match=r"no(t a)? study"):
        opened()
    assert (folder / DATABASE).read_bytes() == before
    (folder / DATABASE).unlink()
    (folder / "thesis.tex").touch()
    with pytest.raises(A2lError, match=r"no(t a)? study"):
        opened()


def test_a_folder_that_cannot_be_made_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(A2lError, match="Not a directory"):
        Study(tmp_path / "file" / "study", SETTINGS, GRAMMAR)
    with pytest.raises(A2lError, match="there is no study"):
        StudyReader(tmp_path / "file" / "study")


def test_a_copied_study_can_be_read(study: Study, folder: Path, tmp_path: Path) -> None:
    score_all(study)
    study.__exit__(None, None, None)
    shutil.copytree(folder, tmp_path / "copy")
    with StudyReader(folder) as original, StudyReader(tmp_path / "copy") as other:
        assert original.leaderboard() == other.leaderboard()


def test_references_are_the_shipped_losses() -> None:
    assert [reference.name for reference in references()] == ["none", "a2_winner_v"]


def count(folder: Path, table: str) -> int:
    connection = sqlite3.connect(folder / DATABASE)
    try:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
    finally:
        connection.close()

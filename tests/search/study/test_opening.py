"""A study is opened again, and every way in which a folder may be wrong is explained."""

from __future__ import annotations

import json
import math
import os
import shutil
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from search.study.small_study import GRAMMAR, SETTINGS, propose, score_all

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.lang.grammar import parse_grammar
from a2ls_dsl.rl.runs.curve import Point
from a2ls_dsl.search.candidates import Status
from a2ls_dsl.search.study.reader import StudyReader
from a2ls_dsl.search.study.store import DATABASE
from a2ls_dsl.search.study.study import Study


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


def test_what_a_score_counts_is_what_its_study_counts(folder: Path) -> None:
    """Training episodes, where any ended, but for studies of version 2."""
    frames = SETTINGS.frames
    with Study(folder, SETTINGS, GRAMMAR) as study:
        propose(study)
        for number, run in enumerate(study.runs(Status.QUEUED)):
            study.start(run, number, 1)
            study.point(run, Point(frames, (4.0,), 1.0 if number % 2 else math.nan))
            study.finish(run, Status.SCORED, 1.0, None, 2, "")
        counted = study.areas(frames)
        assert set(counted) == {2.5, 4.0}
        older = json.loads(SETTINGS.to_json()) | {"scoring": 2}
        study._rows("UPDATE meta SET value = ? WHERE name = 'settings'", json.dumps(older))
        assert study.areas(frames) == [4.0] * len(counted)


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

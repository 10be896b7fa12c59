"""The file of a study: other writers, copies, places where nothing can be written, a lost database."""

from __future__ import annotations

import errno
import fcntl
import shutil
import sqlite3
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from search.study.small_study import GRAMMAR, SETTINGS, end, propose

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.lang.files import folder as folder_of
from a2ls_dsl.lang.grammar import load_grammar
from a2ls_dsl.search.candidates import Status
from a2ls_dsl.search.settings import default_operator
from a2ls_dsl.search.study import store
from a2ls_dsl.search.study.hall_of_fame import write_hall_of_fame
from a2ls_dsl.search.study.merge import merge
from a2ls_dsl.search.study.reader import StudyReader
from a2ls_dsl.search.study.store import DATABASE, HALL
from a2ls_dsl.search.study.study import Study


def scored(folder: Path) -> list[int]:
    with StudyReader(folder) as study:
        return [candidate.id for candidate in study.candidates(status=Status.SCORED)]


def killed(folder: Path, copy: Path, names: tuple[str, ...]) -> Path:
    """What a search leaves that is killed after its third score, and one more stored; only these files."""
    with Study(folder, SETTINGS, GRAMMAR) as study:
        propose(study)
        for number in (1, 2, 3):
            end(study, number, 5.0)
        study.settle()
        end(study, 4, 6.0)
        copy.mkdir()
        for name in names:
            shutil.copy(folder / name, copy / name)
    return copy


def test_the_database_alone_holds_every_score_that_was_settled(tmp_path: Path) -> None:
    assert scored(killed(tmp_path / "study", tmp_path / "copy", (DATABASE,))) == [1, 2, 3]


@pytest.mark.timeout(60)
def test_a_reader_does_not_hold_a_search_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or this would wait for hours."""
    monkeypatch.setattr(store, "BUSY_SECONDS", 100_000.0)
    with Study(tmp_path, SETTINGS, GRAMMAR) as study, StudyReader(tmp_path) as reader:
        propose(study)
        reader._connection.execute("BEGIN")
        assert not reader.counts()[Status.SCORED]
        end(study, 1, 5.0)
        study.settle()
        assert not reader.counts()[Status.SCORED]
        reader._connection.execute("COMMIT")
        assert reader.counts()[Status.SCORED] == 1


@pytest.mark.parametrize("logged", [True, False])
def test_where_nothing_can_be_written_no_result_is_missing_without_a_word(
    logged: bool, tmp_path: Path
) -> None:
    """A reader makes `-shm` beside the log; a link to nowhere keeps it from doing so, even as root."""
    names = (DATABASE, f"{DATABASE}-wal") if logged else (DATABASE,)
    copy = killed(tmp_path / "study", tmp_path / "copy", names)
    (copy / f"{DATABASE}-shm").symlink_to(tmp_path / "nowhere" / "shm")
    if not logged:
        assert scored(copy) == [1, 2, 3]
        return
    with pytest.raises(A2lError, match=r"study\.db-wal holds results") as caught:
        scored(copy)
    assert "copy the folder" in caught.value.fix
    (copy / f"{DATABASE}-shm").unlink()
    assert scored(copy) == [1, 2, 3, 4]


def test_a_search_waits_for_another_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "BUSY_SECONDS", 0.05)
    waited: list[int] = []
    with Study(tmp_path, SETTINGS, GRAMMAR, lambda: waited.append(1)) as study:
        propose(study)
        other = sqlite3.connect(tmp_path / DATABASE, isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
        released = threading.Timer(0.6, lambda: other.execute("COMMIT"))
        released.start()
        end(study, 1, 5.0)
        assert waited
        assert scored(tmp_path) == [1]
        released.join()
        other.execute("BEGIN IMMEDIATE")
        monkeypatch.setattr(store, "BUSY_TIMES", 2)
        with pytest.raises(A2lError, match="another program holds it"):
            end(study, 2, 5.0)
        other.close()


@pytest.mark.parametrize(
    ("number", "message"),
    [(errno.EWOULDBLOCK, "is in use by process 77"), (errno.ENOLCK, "can't be locked: No locks available")],
)
def test_only_a_lock_that_is_held_means_in_use(
    number: int, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(descriptor: int, operation: int) -> None:
        raise OSError(number, "No locks available")

    (tmp_path / "lock").write_text("77")
    monkeypatch.setattr(fcntl, "flock", refused)
    with pytest.raises(A2lError, match=message) as caught:
        Study(tmp_path, SETTINGS, GRAMMAR)
    assert ("end it" in caught.value.fix) is (number == errno.EWOULDBLOCK)


@pytest.mark.parametrize("lost", ["empty", "missing"])
def test_a_lost_database_is_not_begun_anew_over_what_is_left(lost: str, tmp_path: Path) -> None:
    with Study(tmp_path, SETTINGS, GRAMMAR) as study:
        propose(study)
        end(study, 3, 5.0)
        write_hall_of_fame(study)
    left = sorted((tmp_path / HALL).iterdir())
    (tmp_path / DATABASE).write_bytes(b"") if lost == "empty" else (tmp_path / DATABASE).unlink()
    with pytest.raises(A2lError, match=r"has lost its study\.db") as caught:
        Study(tmp_path, SETTINGS, GRAMMAR)
    assert "from a copy" in caught.value.fix
    assert sorted((tmp_path / HALL).iterdir()) == left
    assert (tmp_path / DATABASE).exists() is (lost == "empty")


def test_a_grammar_is_known_by_what_it_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To resume, to merge, and where a default hangs on it: by a path, another spelling of it, or a copy."""
    monkeypatch.chdir(tmp_path)
    text = (folder_of("grammars") / "smoke.a2g").read_text()
    for name in ("tiny.a2g", "copy.a2g"):
        Path(name).write_text(f"# {name}\n{text}")
    spelled = ("tiny.a2g", "./tiny.a2g", str(tmp_path / "tiny.a2g"), "copy.a2g", "smoke")
    for seed, name in enumerate(spelled):
        settings = replace(SETTINGS, grammar=name)
        with Study(Path("study"), settings, settings.space()) as study:
            assert study.resumed is (seed > 0)
        with Study(Path(f"part{seed}"), replace(settings, seed=seed), settings.space()):
            pass
    assert len(merge([Path(f"part{seed}") for seed in range(len(spelled))], Path("all")).parts) == len(
        spelled
    )
    other = replace(SETTINGS, grammar="a2ls")
    with pytest.raises(A2lError, match=r"other settings|grammar a2ls has changed"):
        Study(Path("study"), other, other.space())
    Path("paper.a2g").write_text((folder_of("grammars") / "a2ls.a2g").read_text())
    assert load_grammar("paper.a2g").text == load_grammar("a2ls").text
    assert default_operator("./paper.a2g") == default_operator("a2ls") == "mse"

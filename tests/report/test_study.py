"""Summaries and exports of studies, against the tables they come from."""

from __future__ import annotations

import csv
import io
import json
import re
import resource
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from report.command import a2l
from report.made import CASCADE, SETTINGS, make
from study_tables import rows

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.report.build import report
from a2ls_dsl.report.export import export
from a2ls_dsl.report.gather import tables
from a2ls_dsl.report.summary import distances, summarise
from a2ls_dsl.search.candidates import Status
from a2ls_dsl.search.study.merge import merge
from a2ls_dsl.search.study.records import Records
from a2ls_dsl.search.study.store import set_aside
from a2ls_dsl.search.study.study import Study


def test_the_summary_counts_what_is_there(records: Records, made: Path) -> None:
    summary = summarise(records)
    assert summary.complete
    assert summary.references == 2
    assert summary.candidates == sum(summary.counts.values()) - 2
    assert summary.trained == CASCADE.candidates + 2
    ((frames, busy, span),) = rows(
        made, "SELECT sum(frames), sum(ended - began), max(ended) - min(began) FROM runs"
    )
    assert summary.cost.frames == frames
    assert summary.slots == CASCADE.stack
    assert summary.occupied == pytest.approx(busy / (5 * span))  # type: ignore[operator]
    assert (summary.cost.seconds, summary.cost.sessions, summary.cost.timed) == (90.0, 1, 1)
    stopped = sum(gate.stopped for gate in summary.gates if gate.name in CASCADE.gates)
    assert stopped == summary.counts[Status.REJECTED] > 0


def test_the_lineage_holds_every_ancestor_before_its_children(records: Records) -> None:
    summary = summarise(records)
    assert summary.best is not None
    assert summary.lineage[-1].key == summary.best.key
    seen = set[str]()
    for candidate in summary.lineage:
        assert set(candidate.parents) <= seen
        seen.add(candidate.key)
    far = distances(summary.lineage)
    children = {
        candidate.key: [c.key for c in summary.lineage if candidate.key in c.parents]
        for candidate in summary.lineage
    }
    assert far == {key: max((1 + far[child] for child in own), default=0) for key, own in children.items()}
    assert [key for key, distance in far.items() if not distance] == [summary.best.key]


def test_fresh_scores_are_those_that_the_study_sums_up(records: Records, made: Path) -> None:
    confirmed = [candidate for candidate in records.candidates() if candidate.fresh_runs]
    assert confirmed
    for candidate in confirmed:
        ((score, error, number),) = rows(
            made, f"SELECT fresh_score, fresh_error, fresh_runs FROM candidates WHERE id = {candidate.id}"
        )
        assert (candidate.fresh_runs, len(candidate.fresh)) == (number, 4)
        assert (candidate.fresh_score, candidate.fresh_error) == (pytest.approx(score), pytest.approx(error))


def test_exports_hold_every_row(records: Records, made: Path) -> None:
    for table in ("candidates", "runs", "curves"):
        texts = {kind: io.StringIO() for kind in ("csv", "json")}
        ((number,),) = rows(made, f"SELECT count(*) FROM {table}")
        assert {export(records, table, kind, file) for kind, file in texts.items()} == {number}
        data = json.loads(texts["json"].getvalue())
        table_rows = list(csv.DictReader(io.StringIO(texts["csv"].getvalue())))
        assert len(data) == len(table_rows) == number
        for record, row in zip(data, table_rows, strict=True):
            assert record.keys() == row.keys()
            for name, value in record.items():
                if isinstance(value, list):
                    assert row[name] == " ".join(map(str, value))
                else:
                    assert row[name] == ("" if value is None else str(value))


def test_an_empty_study_exports_and_shows(tmp_path: Path) -> None:
    with Study(tmp_path / "empty", SETTINGS, SETTINGS.space()):
        pass
    with Records(tmp_path / "empty") as empty:
        assert summarise(empty).best is None
        file = io.StringIO()
        assert export(empty, "runs", "json", file) == 0
        assert json.loads(file.getvalue()) == []
    shown = a2l("study", "show", tmp_path / "empty")
    assert shown.returncode == 0
    assert shown.stdout.endswith("nothing is scored yet\n")


def test_gates_counted_from_candidates_are_what_the_search_counted(made: Path, tmp_path: Path) -> None:
    """A study merged with its own copy is unchanged: nothing is lost, nothing counts twice."""
    copy = shutil.copytree(made, tmp_path / "copy")
    merged = merge([made, copy], tmp_path / "merged")
    assert merged.candidates == merged.shared == len(rows(made, "SELECT 1 FROM candidates"))
    assert merged.unfinished == 0
    shown = "SELECT key, status, score, fresh_score, fresh_error, fresh_runs, frames, reason FROM candidates"
    assert sorted(rows(made, shown), key=str) == sorted(rows(tmp_path / "merged", shown), key=str)
    for sql in (
        "SELECT * FROM gates ORDER BY name",
        "SELECT frames, mean_return, returns FROM curves ORDER BY 1, 2, 3",
        "SELECT time, kind, detail FROM events ORDER BY 1, 2",
    ):
        assert rows(made, sql) == rows(tmp_path / "merged", sql)


def test_a_study_is_set_aside_and_never_overwritten(tmp_path: Path) -> None:
    folder = tmp_path / "study"
    assert set_aside(folder) is None
    for number in (1, 2):
        make(folder, SETTINGS, ticks=number)
        kept = set_aside(folder)
        assert kept == tmp_path / f"study.{number}"
        assert not folder.exists()
        with Records(kept) as records:
            assert records.clock == 2 * number - 1
    with Study(folder, SETTINGS, SETTINGS.space()), pytest.raises(A2lError, match="in use by process"):
        set_aside(folder)
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").touch()
    with pytest.raises(A2lError, match=r"no(t a)? study"):
        set_aside(tmp_path / "thesis")


@contextmanager
def full(size: int) -> Iterator[None]:
    """Inside, files can't grow beyond `size`: as on a full disk, a write fails halfway."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("command", ["merge", "report", "export"])
def test_a_full_disk_leaves_nothing_half_written_and_is_reported(
    command: str, made: Path, other: Path, tmp_path: Path
) -> None:
    arguments = {
        "merge": ("study", "merge", made, other, "--into", tmp_path / "new"),
        "report": ("report", made, "-o", tmp_path / "page.html"),
        "export": ("study", "export", made, "--table", "curves", "-o", tmp_path / "curves.csv"),
    }[command]
    before = rows(made, "SELECT * FROM candidates")
    with full(12_000):
        done = a2l(*arguments)
    assert done.returncode == 2, done.stderr
    assert re.match(r"error: .* can't be (written|used): ", done.stderr)
    assert "\n  fix: " in done.stderr
    assert list(tmp_path.iterdir()) == []
    assert rows(made, "SELECT * FROM candidates") == before


def test_an_output_that_is_full_is_explained(made: Path) -> None:
    call = [sys.executable, "-c", "from a2ls_dsl.cli import main; main()", "study", "export", str(made)]
    with open("/dev/full", "w") as full:
        done = subprocess.run(call, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: the output can't be written: No space left on device\n")
    assert "Traceback" not in done.stderr


def test_the_commands(made: Path, other: Path, tmp_path: Path) -> None:
    shown = a2l("study", "show", made).stdout.splitlines()
    assert shown[0].startswith("cartpole-swingup, 8,000 frames a run: strategy async")
    assert any(line.startswith("gate batch: ") for line in shown)
    assert [line[:5] for line in shown if line.startswith(("rung", "cost"))] == ["rung ", "rung ", "cost:"]
    opened = next(
        line for line in shown if line.startswith("rung 4000: opened, as areas before and after it")
    )
    page = a2l("analyze", made, "--table", "gates").stdout
    assert opened[:60] in page
    assert "surely (95 %) above 0.3" in " ".join(page.split())
    data = json.loads(a2l("study", "show", made, "--json").stdout)
    assert [rung["open"] for rung in data["rungs"]] == [True, True]
    place = shown.index(
        f"the best, by the mean of {CASCADE.confirm_seeds} fresh seeds, and its ancestors, the newest first:"
    )
    assert data["lineage"][-1]["loss"] in shown[place + 1]
    target = tmp_path / "runs.csv"
    assert a2l("study", "export", made, "--table", "runs", "-o", target).returncode == 0
    assert len(target.read_text().splitlines()) == 1 + len(rows(made, "SELECT 1 FROM runs"))
    assert {path.name for path in tmp_path.iterdir()} == {"runs.csv"}
    named = tmp_path / "runs.json"
    assert a2l("study", "export", made, "--table", "runs", "-o", named).returncode == 0
    assert len(json.loads(named.read_text())) == len(rows(made, "SELECT 1 FROM runs"))
    merged = a2l("study", "merge", made, other, "--into", tmp_path / "both")
    assert merged.stdout.splitlines()[1] == "2 candidates were in more than one study and are kept once"
    wrong = a2l("study", "export", made, "-o", tmp_path / "none" / "runs.csv")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "can't be written" in wrong.stderr
    for command in (("study", "export"), ("analyze",)):
        wrong = a2l(*command, made, "-o", ".")
        assert wrong.returncode == 2
        assert wrong.stderr.startswith("error: . can't be written: Is a directory\n  fix: ")


def test_a_damaged_study_is_explained(made: Path, tmp_path: Path) -> None:
    """Whole pages or a few bytes overwritten, except in the first page: a message, never a traceback."""
    copy = shutil.copytree(made, tmp_path / "copy")
    with sqlite3.connect(copy / "study.db") as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    whole, rng = (copy / "study.db").read_bytes(), np.random.default_rng(0)
    explained = 0
    for number in range(24):
        damaged = bytearray(whole)
        for _ in range(4):
            size = 4096 if number % 2 else 8
            place = int(rng.integers(1, len(whole) // 4096)) * 4096 + int(rng.integers(4096 // size)) * size
            damaged[place : place + size] = rng.integers(33, 127, size, np.uint8).tobytes()
        (copy / "study.db").write_bytes(damaged)
        for read in (summary_of, report, tables, exported):
            try:
                read(copy)
            except A2lError:
                explained += 1
    assert explained > 48


def summary_of(folder: Path) -> None:
    with Records(folder) as study:
        summarise(study)


def exported(folder: Path) -> None:
    with Records(folder) as study:
        for table in ("candidates", "runs", "curves"):
            export(study, table, "csv", io.StringIO())

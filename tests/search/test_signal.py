"""The table of tasks: kept as it was written, and the scale that it recommends."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.search.signal import Signal, cheapest, read, store

ROW = Signal("cheetah-run", 50_000, 64, 64, 0.001, 6, 3, 0.8, 0.0003, 65.0, 200.0, 33.0)


def test_a_table_is_read_as_it_was_written(tmp_path: Path) -> None:
    rows = [replace(ROW, task="walker-walk", icc=0.125), ROW, replace(ROW, task="my_env:make?name=a,b")]
    store(rows, tmp_path / "signal.csv")
    assert read(tmp_path / "signal.csv") == sorted(rows, key=lambda row: row.task)


@pytest.mark.parametrize(("text", "said"), [(None, "can't be read"), ("a,b\n1,2\n", "is not a table")])
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, text: str | None, said: str) -> None:
    if text is not None:
        (tmp_path / "signal.csv").write_text(text)
    with pytest.raises(A2lError, match=said):
        read(tmp_path / "signal.csv")


def test_of_two_measurements_the_one_of_more_runs_is_kept(tmp_path: Path) -> None:
    few, more, elsewhere = ROW, replace(ROW, seeds=10, icc=0.7), replace(ROW, frames=60_000)
    for rows in ([few, more, elsewhere], [elsewhere, more, few]):
        store(rows, tmp_path / "signal.csv")
        assert read(tmp_path / "signal.csv") == [more, elsewhere]


def test_the_scale_at_which_an_hour_tells_most_is_chosen() -> None:
    slow, early, chance = (
        replace(ROW, hidden=128, icc=0.95, seconds=70.0),
        replace(ROW, frames=20_000, icc=0.2, seconds=13.0),
        replace(ROW, frames=30_000, p=0.02, seconds=20.0),
    )
    assert cheapest([slow, early, chance, ROW], "cheetah-run") == ROW
    assert cheapest([early, chance], "cheetah-run") is None
    assert cheapest([ROW], "walker-walk") is None
    assert cheapest([replace(ROW, hidden=32, seconds=math.nan), ROW], "cheetah-run") == ROW
    assert replace(ROW, seconds=0.0).candidates_an_hour == math.inf
    assert ROW.candidates_an_hour == 7200 / 33.0


def test_the_committed_table_is_readable() -> None:
    for row in read():
        assert row.frames > 0
        assert row.seconds > 0
        # Where all scores are equal there is no correlation.
        assert -1.0 <= row.icc <= 1.0 or (math.isnan(row.icc) and row.none == row.best)

"""The notebook runs from its first cell to its last, and shows what its words promise."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from forked import a2l

NOTEBOOK = Path(__file__).parents[2] / "examples" / "tutorial.ipynb"


def test_the_notebook_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its cells one after the other, since none has magic, and a later one reads an earlier one.

    The first command runs as the notebook runs it, the others in forked processes.
    """
    book = json.loads(NOTEBOOK.read_text())
    assert all(not cell["outputs"] for cell in book["cells"] if cell["cell_type"] == "code")
    define, check, *cells = ("".join(cell["source"]) for cell in book["cells"] if cell["cell_type"] == "code")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(define, names)  # noqa: S102
    exec(check, names)  # noqa: S102

    def command(line: str) -> None:
        done = a2l(*shlex.split(line))
        print(done.stdout)
        assert done.returncode == 0, done.stderr

    names["a2l"] = command
    for cell in cells:
        exec(cell, names)  # noqa: S102
    said = capsys.readouterr().out
    for words in ("ok ahead.a2l: ahead (horizon 2)", "t+2", "curves: run/seed-*.csv"):
        assert words in said
    for path in ("run/seed-1.csv", "study/study.db", "policy.pt2"):
        assert (tmp_path / path).exists()

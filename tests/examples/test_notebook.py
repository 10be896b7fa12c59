"""The notebook runs from its first cell to its last, and shows what its words promise."""

from __future__ import annotations

import json
from pathlib import Path

from forked import script

NOTEBOOK = Path(__file__).parents[2] / "examples" / "tutorial.ipynb"


def test_the_notebook_runs(tmp_path: Path) -> None:
    """Its cells as one script, since none has magic, and a later one reads an earlier one."""
    book = json.loads(NOTEBOOK.read_text())
    cells = ["".join(cell["source"]) for cell in book["cells"] if cell["cell_type"] == "code"]
    assert all(not cell["outputs"] for cell in book["cells"] if cell["cell_type"] == "code")
    done = script("\n\n".join(cells), tmp_path)
    assert done.returncode == 0, done.stderr
    for words in ("ok ahead.a2l: ahead (horizon 2)", "t+2", "curves: run/seed-*.csv"):
        assert words in done.stdout
    for path in ("run/seed-1.csv", "study/study.db", "policy.pt2"):
        assert (tmp_path / path).exists()

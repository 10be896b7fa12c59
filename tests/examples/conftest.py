"""The examples beside the file that their docstrings' first command writes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from examples.shipped_examples import EXAMPLES, commands


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the examples' own commands find everything under `examples/`."""
    root = tmp_path_factory.mktemp("exported")
    scripts = sorted(EXAMPLES.glob("*_sac.py"))
    (root / "examples").mkdir()
    for script in scripts:
        shutil.copy(script, root / "examples")
    (program, *arguments), _ = commands(scripts[0])
    assert program == "a2l"
    code = "from a2ls_dsl.cli import main; main()"
    # The package by its place: the folder is another one, and the path may be a relative one.
    environment = {**os.environ, "PYTHONPATH": str(EXAMPLES.parent)}
    subprocess.run([sys.executable, "-c", code, *arguments], cwd=root, env=environment, check=True)
    return root


@pytest.fixture
def importable(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The examples as modules of this process."""
    monkeypatch.syspath_prepend(exported / "examples")

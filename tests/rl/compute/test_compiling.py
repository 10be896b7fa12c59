"""What torch.compile needs is asked for before anything trains."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.rl.compute.compiling import CACHE, require_tools

LIMITED = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20)); "
TRAIN = "from a2ls_dsl.cli import main; main()"


def train(folder: Path, code: str, **settings: str) -> subprocess.CompletedProcess[str]:
    arguments = ["train", "--env", "cartpole-swingup", "--loss", "none", "--compile", "--device", "cpu"]
    return subprocess.run(
        [sys.executable, "-c", code, *arguments, "--out", str(folder / "runs")],
        env=os.environ | {CACHE: str(folder / "cache")} | settings,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    ("code", "settings", "words"),
    [
        (TRAIN, {"CXX": "/nowhere/g++"}, "needs a C++ compiler, and there is no `/nowhere/g++`"),
        (LIMITED + TRAIN, {}, "can't write to its cache"),
    ],
    ids=["compiler", "cache"],
)
def test_a_command_that_can_not_compile_begins_nothing(
    tmp_path: Path, code: str, settings: dict[str, str], words: str
) -> None:
    done = train(tmp_path, code, **settings)
    assert done.returncode == 2
    assert words in done.stderr
    assert "fix: " in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "runs").exists()


def test_a_compiler_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is there, and it is none."""
    broken = tmp_path / "g++"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    code = "from a2ls_dsl.rl.compute.compiling import require_compile; require_compile('cpu')"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {CACHE: str(tmp_path / "cache"), "CXX": str(broken)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "A2lError: torch.compile doesn't work here" in done.stderr
    monkeypatch.setenv(CACHE, str(tmp_path / "file" / "cache"))
    (tmp_path / "file").write_text("")
    with pytest.raises(A2lError, match="can't write to its cache"):
        require_tools()

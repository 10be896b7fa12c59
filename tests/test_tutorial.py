"""The tutorial does what it shows: its blocks run one after the other in one folder, as a reader runs them.

A block of text behind a block of commands is what these print, to the letter. What installs or trains is left
out of the quick test; the slow one trains too, on small budgets.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
LONG = ("train", "evolve", "best")
SMALL = {
    "train": "--frames 1000 --eval-every 1000 --eval-episodes 1 --random-steps 50 --hidden 16 --workers 1",
    "evolve": "--population 2 --generations 1 --frames 4000 --workers 1",
}


def command_of(line: str) -> str:
    """`train` of `a2l train ...`; empty for other lines."""
    words = line.split()
    return words[1] if words[:1] == ["a2l"] else ""


def shell(script: str, folder: Path) -> str:
    """All that a script prints; its commands may fail, as a check of a wrong file does."""
    (folder / "bin").mkdir(exist_ok=True)
    (folder / "bin" / "a2l").write_text(
        f"#!/bin/sh\nexec '{sys.executable}' -c 'from a2ls_dsl.cli import main; main()' \"$@\"\n"
    )
    (folder / "bin" / "a2l").chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
    }
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
        check=False,
    )
    return done.stdout


def steps(long: bool) -> list[tuple[str, str, str]]:
    """The kind of each block, what is to run of it, and what it prints, if the page shows that."""
    pieces = []
    following = [*BLOCKS[1:], ("", "")]
    for (kind, text), (next_kind, printed) in zip(BLOCKS, following, strict=True):
        if kind == "sh":
            lines = [line for line in text.splitlines() if not line.startswith("pip ")]
            if not long:
                lines = [line for line in lines if command_of(line) not in LONG]
            script = "\n".join(f"{line} {SMALL.get(command_of(line), '')}".rstrip() for line in lines)
            pieces.append((kind, script, printed if next_kind == "text" else ""))
        elif kind == "python":
            pieces.append((kind, text, ""))
    return pieces


def follow(folder: Path, long: bool) -> None:
    for kind, text, printed in steps(long):
        if kind == "python":
            text = f"'{sys.executable}' - <<'END_OF_SCRIPT' || exit\n{text}END_OF_SCRIPT\n"
        said = shell(text, folder)
        assert "Traceback" not in said, said
        if printed:
            assert said.strip() == printed.strip()
        else:
            assert "error" not in said, said


@pytest.mark.timeout(900)
def test_the_tutorial_runs(tmp_path: Path) -> None:
    follow(tmp_path, long=False)
    assert (tmp_path / "my_loss.py").is_file()


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_tutorial_trains_and_searches(tmp_path: Path) -> None:
    follow(tmp_path, long=True)
    assert (tmp_path / "runs" / "cartpole-swingup-none-mine" / "mine-seed-0.csv").is_file()
    assert list((tmp_path / "studies" / "walker-walk-small-quick-seed0" / "hall_of_fame").glob("*.a2l"))


def test_the_tutorial_has_every_kind_of_block() -> None:
    lines = [line for kind, text in BLOCKS if kind == "sh" for line in text.splitlines()]
    commands = {command_of(line) for line in lines} - {""}
    assert commands == {"check", "show", "fmt", "compile", "train", "grammar", "evolve", "best"}
    assert {kind for kind, _ in BLOCKS} == {"sh", "text", "python"}
    assert "(docs/tutorial.md)" in (ROOT / "README.md").read_text(encoding="utf-8")

"""The command line as a new user meets it: help, typos, colours, pipes, statuses."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main

from a2ls_dsl import __version__
from a2ls_dsl.cli import app, main
from a2ls_dsl.cli.commands import PANELS

A2L = "from a2ls_dsl.cli import main; main()"
ROOT = typer.main.get_command(app)


def paths() -> Iterator[tuple[str, ...]]:
    """Every command and every command of a group."""
    for name, command in sorted(getattr(ROOT, "commands", {}).items()):
        yield (name,)
        yield from ((name, inner) for inner in sorted(getattr(command, "commands", {})))


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.chdir(tmp_path)


def call(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """Run `a2l` in this process; returns its status."""
    monkeypatch.setattr(sys, "argv", ["a2l", *words])
    with pytest.raises(SystemExit) as leave:
        main()
    return int(leave.value.code or 0)


@pytest.mark.parametrize("words", list(paths()), ids=" ".join)
def test_every_command_has_help(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, *words, "--help") == 0
    text, lines = (output := capsys.readouterr().out), output.splitlines()
    assert f"Usage: a2l {' '.join(words)}" in text
    summary = next(line.strip() for line in lines if line.strip() and "Usage:" not in line)
    assert summary[0].isupper(), summary
    assert "TODO" not in text


def test_the_first_page_shows_every_command_in_its_panel(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "--help") == 0
    text = capsys.readouterr().out
    shown = re.findall(r"^│ ([a-z]+) {2,}", text, re.MULTILINE)
    assert sorted(shown) == sorted(name for name, *inner in paths() if not inner)
    assert re.findall(r"─ ([A-Z][a-z ]+) ─", text)[: len(PANELS) + 1] == ["Options", *PANELS]
    assert {name for names in PANELS.values() for name in names} <= set(shown)


def test_version(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, "--version") == 0
    assert capsys.readouterr().out == f"a2l {__version__}\n"


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("chek", "curl"), "Did you mean 'check'?"),
        (("trian",), "Did you mean 'train'?"),
        (("grammar", "cuont", "a2ls"), "'count'"),
        (("check", "--alow", "A2L101", "curl"), "--allow"),
        (("check",), "FILE..."),
        (("check", "crul"), "did you mean the shipped loss `curl`?"),
        (("check", "nowhere.a2l"), "check the path"),
        (("check", "."), "is a folder"),
        (("explain", "A2LO12"), "did you mean `A2L012`?"),
        (("grammar", "count", "a2l"), "did you mean `a2ls`?"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_typos_get_a_suggestion(
    words: tuple[str, ...],
    hint: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert call(monkeypatch, *words) == 2
    out, err = capsys.readouterr()
    assert hint in err
    assert not out
    assert "Traceback" not in err


def test_a_reader_that_goes_away_is_no_error() -> None:
    """`a2l explain | head -1`: the pipe closes before all is written."""
    process = subprocess.Popen(
        [sys.executable, "-c", A2L, "explain"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    errors = process.stderr.read()
    process.wait()
    assert errors == ""


def test_a_full_disk_behind_stdout_is_explained() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", A2L, "explain"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr.startswith("error: the output can't be written: No space left on device")
    assert "Traceback" not in done.stderr


def test_a_closed_stdout_is_no_error() -> None:
    """`a2l explain >&-`: nobody can read an error."""
    call = ["sh", "-c", 'exec "$0" "$@" >&-', sys.executable, "-c", A2L, "explain"]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_check_loads_nothing_heavy() -> None:
    """So it starts in a fraction of a second."""
    heavy = "{'torch', 'numpy', 'scipy', 'rich', 'pygls', 'lsprotocol', 'dm_control', 'mujoco', 'ray'}"
    script = f"""
import sys
sys.argv = ["a2l", "check", "curl"]
from a2ls_dsl.cli import main
try:
    main()
finally:
    print(sorted({heavy} & {{name.split(".")[0] for name in sys.modules}}))
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=False
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_commands_that_train_say_that_torch_is_missing() -> None:
    """As after an install without requirements, where only commands on losses work."""
    commands = (
        "analyze x", "bench", "best x", "compile spr --env walker-walk", "evolve --env walker-walk",
        "experiment status x.toml", "play x", "report x", "study show x",
        "train --env walker-walk --loss none", "validate x --envs walker-walk",
    )  # fmt: skip
    script = f"""
import sys
sys.modules["torch"] = sys.modules["numpy"] = None
from a2ls_dsl.cli import main
for words in {commands}:
    sys.argv = ["a2l", *words.split()]
    try:
        main()
    except SystemExit as leave:
        print(words, leave.code)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == [f"{words} 2" for words in commands], done.stderr
    errors = re.findall("^error: .*", done.stderr, re.MULTILINE)
    assert len(errors) == len(commands)
    assert all(re.search("needs the package (torch|numpy), which is not installed", line) for line in errors)


@pytest.mark.skipif(sys.platform != "linux", reason="needs a pseudo-terminal")
def test_no_color_is_obeyed_on_a_terminal() -> None:
    def colours(environment: dict[str, str]) -> int:
        import pty

        leader, follower = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-c", A2L, "--help"],
            stdout=follower,
            stderr=follower,
            env={**os.environ, "TERM": "xterm-256color", **environment},
        )
        os.close(follower)
        text = b""
        while True:
            try:
                piece = os.read(leader, 65536)
            except OSError:
                break
            if not piece:
                break
            text += piece
        process.wait()
        os.close(leader)
        return len(re.findall(rb"\x1b\[[0-9;]*[34][0-7]m", text))

    assert colours({"NO_COLOR": "1"}) == 0
    assert colours({"NO_COLOR": ""}) > 0

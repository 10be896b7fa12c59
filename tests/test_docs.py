"""What the documentation shows is true: its losses check, its grammars parse, its commands and code run."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from a2ls_dsl.lang.grammar import parse_grammar
from a2ls_dsl.lang.load import loads

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
A2L = "from a2ls_dsl.cli import main; main()"
FAST = ("check", "compile", "explain", "fmt", "grammar", "show")
"""Commands that take seconds at most; the others train."""

AGENT = """
import torch
from torch import nn
observation, action, reward = torch.randn(8, 4, 24), torch.rand(8, 4, 6), torch.rand(8, 4)
encoder, target_encoder = nn.Linear(24, 50), nn.Linear(24, 50)
"""


def blocks(language: str, *pages: Path) -> dict[str, str]:
    """The fenced blocks of a language on some pages, by default all, under their places."""
    found = {}
    for page in pages or PAGES:
        text = page.read_text(encoding="utf-8")
        for match in re.finditer(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            found[f"{page.name}:{text.count(chr(10), 0, match.start()) + 1}"] = match[1]
    return found


def commands() -> list[str]:
    """Every line of a shell block that calls a fast command, each once."""
    lines = "".join(blocks("sh").values()).splitlines()
    calls = (line for line in lines if line.startswith("a2l ") and line.split()[1] in FAST)
    return list(dict.fromkeys(calls))


LOSSES, GRAMMARS, CODE = blocks("a2l"), blocks("a2g"), blocks("python", ROOT / "README.md")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder as a reader has it: the shipped files, and a loss file of their own."""
    for folder in ("losses", "grammars"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    shutil.copy(ROOT / "losses" / "a2_winner.a2l", tmp_path / "my.a2l")
    return tmp_path


@pytest.mark.parametrize("text", LOSSES.values(), ids=LOSSES)
def test_losses_check(text: str) -> None:
    assert loads(text)


@pytest.mark.parametrize("text", GRAMMARS.values(), ids=GRAMMARS)
def test_grammars_parse(text: str) -> None:
    grammar = parse_grammar(text)
    assert grammar.count() > 0
    assert not grammar.warnings


@pytest.mark.parametrize("line", commands())
def test_commands_run(line: str, checkout: Path) -> None:
    words = shlex.split(line, comments=True)[1:]
    call = [sys.executable, "-c", A2L, *words]
    done = subprocess.run(call, cwd=checkout, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("code", CODE.values(), ids=CODE)
def test_code_runs_when_given_an_agent(code: str, checkout: Path) -> None:
    script = f"{AGENT}{code}\nassert encoder.weight.grad is not None and target_encoder.weight.grad is None"
    call = [sys.executable, "-c", script]
    done = subprocess.run(call, cwd=checkout, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_kind_of_example_is_found() -> None:
    assert LOSSES
    assert GRAMMARS
    assert CODE
    assert {"check", "explain", "fmt", "grammar", "show"} <= {line.split()[1] for line in commands()}

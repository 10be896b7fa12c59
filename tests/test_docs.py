"""What the documentation shows is true: its losses check, its grammars parse, its commands and code run."""

from __future__ import annotations

import re
import runpy
import shlex
import shutil
import sys
from pathlib import Path

import pytest
from forked import a2l, script

from a2ls_dsl.lang.files import shipped
from a2ls_dsl.lang.grammar import parse_grammar
from a2ls_dsl.lang.grammar.file import WORDS
from a2ls_dsl.lang.load import loads
from a2ls_dsl.lang.messages.codes import WARNINGS
from a2ls_dsl.lang.syntax.tree import Comparison
from a2ls_dsl.words.entry import Kind, Operator
from a2ls_dsl.words.language import KEYWORDS, SCHEDULE, Stream
from a2ls_dsl.words.maps import MAPS
from a2ls_dsl.words.numbers import print_number
from a2ls_dsl.words.registry import functions, heads, operators

ROOT = Path(__file__).parent.parent
DOCS = sorted(set((ROOT / "docs").glob("*.md")) - {ROOT / "docs" / "tutorial.md"})
"""The tutorial's blocks need each other; it has a test of its own."""
PAGES = [ROOT / "README.md", *DOCS]
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
    blocks = {}
    for page in pages or PAGES:
        text = page.read_text(encoding="utf-8")
        for match in re.finditer(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            blocks[f"{page.name}:{text.count(chr(10), 0, match.start()) + 1}"] = match[1]
    return blocks


def commands() -> list[str]:
    """Every line of a shell block that calls a fast command, each once."""
    lines = "".join(blocks("sh").values()).splitlines()
    calls = (line for line in lines if line.startswith("a2l ") and line.split()[1] in FAST)
    return list(dict.fromkeys(calls))


LOSSES, GRAMMARS, CODE = blocks("a2l"), blocks("a2g"), blocks("python", ROOT / "README.md")
SCRIPTS = blocks("python", *DOCS)
REFERENCE = (ROOT / "docs" / "language.md").read_text(encoding="utf-8")


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


def test_every_construct_has_an_example_that_checks() -> None:
    words = set(re.findall(r"\w+", "\n".join(LOSSES.values())))
    options = {option.name for operator in operators.values() for option in operator.options}
    names = {*operators, *functions, *Stream, *options, *heads, *KEYWORDS, *MAPS, SCHEDULE}
    assert names <= words


def test_every_word_of_grammars_has_an_example_that_parses() -> None:
    assert set(WORDS) <= set(re.findall(r"\w+", "\n".join(GRAMMARS.values())))


def test_the_reference_names_what_the_tables_hold() -> None:
    sections = re.split(r"^### ", REFERENCE, flags=re.MULTILINE)
    section = {body.split("\n")[0]: body for body in sections}
    for function in functions.values():
        text = section["Functions" if function.kind is not Kind.SEQUENCE else "Rollouts"]
        if function.name in ("value", "return"):
            text = section["Returns and values"]
        assert f"`{function.name}(" in text
        if function.kind in (Kind.VIEW, Kind.ENCODER, Kind.NORMALISER):
            assert f"| `{function.example}` |" in text
    for operator in operators.values():
        assert f"| `{operator.name}` |" in section["Operators"]
        for option in operator.options:
            (row,) = re.findall(rf"^\| `{option.name}` \|.*$", section["Options"], re.MULTILINE)
            assert print_number(option.default) in row
    for head in heads:
        assert f"| `{head}" in section["Options"]
    for name in shipped("losses", ".a2l"):
        assert f"`{name}`" in section["Shipped losses"]
    for code in WARNINGS:
        assert f"| {code} |" in section["Errors and warnings"]


def test_tables_and_editors_are_written_from_the_entries() -> None:
    """If this fails: python tools/write_tables.py"""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["write_tables.py", "--check"])
        with pytest.raises(SystemExit) as end:
            runpy.run_path(str(ROOT / "tools" / "write_tables.py"), run_name="__main__")
    assert end.value.code == 0


@pytest.mark.parametrize("entry", operators.values(), ids=lambda entry: entry.name)
def test_examples_of_operators_check(entry: Operator) -> None:
    (term,) = loads(f"loss it = {entry.example}")["it"].terms
    assert isinstance(term.term, Comparison)
    assert term.term.operator in (entry.name, entry.contrast_of)


@pytest.mark.parametrize("text", SCRIPTS.values(), ids=SCRIPTS)
def test_scripts_run(text: str, checkout: Path) -> None:
    done = script(text, checkout)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("text", GRAMMARS.values(), ids=GRAMMARS)
def test_grammars_parse(text: str) -> None:
    grammar = parse_grammar(text)
    assert grammar.count() > 0
    assert not grammar.warnings


@pytest.mark.parametrize("line", commands())
def test_commands_run(line: str, checkout: Path) -> None:
    words = shlex.split(line, comments=True)[1:]
    done = a2l(*words, cwd=checkout)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("code", CODE.values(), ids=CODE)
def test_code_runs_when_given_an_agent(code: str, checkout: Path) -> None:
    checks = "assert encoder.weight.grad is not None and target_encoder.weight.grad is None"
    done = script(f"{AGENT}{code}\n{checks}", checkout)
    assert done.returncode == 0, done.stderr


PAPERS = [*PAGES, ROOT / "docs" / "tutorial.md", ROOT / "CONTRIBUTING.md", ROOT / "examples" / "README.md"]
OF_A_READER = {"mine.py", "my_ops.py"}
"""Files that examples tell a reader to write."""


@pytest.mark.parametrize("page", PAPERS, ids=lambda page: page.name)
def test_files_that_are_named_are_there(page: Path) -> None:
    """Of the repository, of the package (`rl/slots/slots.py`) or beside the page."""
    named = re.findall(r"`([\w./-]+\.(?:py|md|toml|lark|csv|svg|a2[lg]))`", page.read_text(encoding="utf-8"))
    named = [name for name in named if ("/" in name or name.endswith(".py")) and name not in OF_A_READER]
    bases = (ROOT, ROOT / "a2ls_dsl", page.parent)
    assert not [name for name in named if not any((base / name).exists() for base in bases)]


def headings(page: Path) -> set[str]:
    """The anchors of a page's headings."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAPERS, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#\s]*)#?([^)\s]*)\)", page.read_text(encoding="utf-8"))
    for file, anchor in links:
        target = page.parent / file if file else page
        assert target.exists(), file
        if anchor and target.suffix == ".md":
            target_text = target.read_text(encoding="utf-8")
            assert (
                anchor in headings(target)
                or f'id="{anchor}"' in target_text
                or f'name="{anchor}"' in target_text
            ), anchor


def test_glossary_words_are_used() -> None:
    """A word that neither code nor pages have any more is no word of ours."""
    entries = re.findall(r"^\| ([a-z][\w, ]*) \|", (ROOT / "docs" / "glossary.md").read_text(), re.MULTILINE)
    words = {word for entry in entries for word in entry.split(", ") if entry != "word"}
    code = "".join(path.read_text(encoding="utf-8").lower() for path in (ROOT / "a2ls_dsl").rglob("*.py"))
    assert len(words) > 30
    assert not [word for word in words if word not in code]


def test_every_kind_of_example_is_found() -> None:
    assert LOSSES
    assert GRAMMARS
    assert CODE
    assert SCRIPTS
    assert {"check", "explain", "fmt", "grammar", "show"} <= {line.split()[1] for line in commands()}

"""Counts in sentences, and names that are words of the field."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import a2ls_dsl
from a2ls_dsl.english import count

PACKAGE = Path(a2ls_dsl.__file__).parent
ROOT = Path(__file__).parents[1]

VAGUE = {"each", "found", "one", "told"}
"""What says nothing of the thing that is called so."""

STORED = {"search/study/validation.py: Score.found"}
"""Names in files that users have: these stay."""


@pytest.mark.parametrize(
    ("number", "nouns", "text"),
    [
        (1, ("fresh seed",), "1 fresh seed"),
        (0, ("run",), "0 runs"),
        (2, ("loss", "losses"), "2 losses"),
        (1, ("loss", "losses"), "1 loss"),
        (1200, ("row",), "1,200 rows"),
    ],
)
def test_a_noun_agrees_with_its_number(number: int, nouns: tuple[str, ...], text: str) -> None:
    assert count(number, *nouns) == text


def local_names(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """The names that functions, loops, patterns, lambdas and handlers give to values, with their lines."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield f"line {node.lineno}", node.id
        elif isinstance(node, ast.MatchAs | ast.MatchStar | ast.ExceptHandler) and node.name:
            yield f"line {node.lineno}", node.name
        elif isinstance(node, ast.arg):
            yield f"line {node.lineno}", node.arg


def names(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """The functions, classes, parameters and fields of a module: where each stands, and its name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name, node.name
        if isinstance(node, ast.FunctionDef):
            arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            yield from ((f"{node.name}({argument.arg})", argument.arg) for argument in arguments)
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            for line in node.body:
                if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
                    yield f"{node.name}.{line.target.id}", line.target.id


def test_names_are_words_of_the_field() -> None:
    vague = {
        f"{path.relative_to(PACKAGE)}: {where}"
        for path in PACKAGE.rglob("*.py")
        for where, name in names(ast.parse(path.read_text(encoding="utf-8")))
        if name in VAGUE
    }
    assert vague <= STORED, "call them what they are: candidate, term, row"


@pytest.mark.parametrize(
    "folder",
    [PACKAGE, *(ROOT / name for name in ("tests", "benchmarks", "tools"))],
    ids=lambda path: path.name,
)
def test_local_names_are_words_of_the_field(folder: Path) -> None:
    vague = {
        f"{path.relative_to(folder)}: {where}: {name}"
        for path in folder.rglob("*.py")
        for where, name in local_names(ast.parse(path.read_text(encoding="utf-8")))
        if name in VAGUE and not (name == "found" and path.name == "validation.py")
    }
    assert vague == set(), "call them what they are: candidate, term, row"


def test_a_vague_name_is_noticed() -> None:
    text = "class Row:\n    found: int\n    def of(self, each: int) -> int: ...\n"
    assert [where for where, name in names(ast.parse(text)) if name in VAGUE] == ["Row.found", "of(each)"]
    text = "rows = [each for each in (lambda one: one)(())]\nmatch rows:\n    case [found]: ...\n"
    assert {name for _, name in local_names(ast.parse(text))} == {"rows", "each", "one", "found"}

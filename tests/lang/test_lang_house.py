"""How the layer of the language stands: no name for two things, codes in one table, no import in a circle."""

from __future__ import annotations

import ast
import re
from collections import Counter
from graphlib import TopologicalSorter
from pathlib import Path

PACKAGE = Path(__file__).parent.parent.parent / "a2ls_dsl"
MODULES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in (PACKAGE / "lang").rglob("*.py")
}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in MODULES.items()}


def test_no_class_name_stands_for_two_things() -> None:
    names = [
        node.name for tree in TREES.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)
    ]
    assert not [name for name, count in Counter(names).items() if count > 1]


def test_codes_are_written_in_their_table_only() -> None:
    texts = {name: path.read_text(encoding="utf-8") for name, path in MODULES.items()}
    assert [name for name, text in texts.items() if re.search(r"A2L\d{3}\b", text)] == [
        "a2ls_dsl.lang.messages.codes"
    ]


def test_no_module_imports_itself_through_others() -> None:
    graph: dict[str, set[str]] = {}
    for name, tree in TREES.items():
        lines = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        named = {f"{line.module}.{alias.name}" for line in lines for alias in line.names}
        graph[name] = (named | {line.module or "" for line in lines}) & MODULES.keys() - {name}
    for name in graph:  # what stands in a package's own file is there for users: inside, files are named
        graph[name] -= {package for package in graph[name] if MODULES[package].stem == "__init__"}
    assert len(list(TopologicalSorter(graph).static_order())) == len(MODULES)

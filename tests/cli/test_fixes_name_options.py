"""If a message names an option, every command that may print the message has it.

A command may print strings of its own functions and of all modules that these import, directly or not. So a
message of a module that several commands share names an option only if all of them have it, or names the
command too: `a2l train --frames`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer

import a2ls_dsl
from a2ls_dsl.cli import app
from a2ls_dsl.cli import commands as commands  # registers them

ROOT = Path(a2ls_dsl.__file__).parent
OPTION = re.compile(r"(?<![\w(-])--[a-z][a-z-]*(?![\w-]|\s*:)")  # not the variables of CSS
OTHER_PROGRAMS = ("pip install",)


def leaves(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Every command that isn't a group, with its words."""
    if not hasattr(group, "commands"):
        yield " ".join(path), group
        return
    for name, command in group.commands.items():
        yield from leaves(command, (*path, name))


COMMANDS = dict(leaves(typer.main.get_command(app)))


def options(command: Any) -> set[str]:
    names = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    return names | {"--help", "--version"}


@cache
def tree(module: str) -> ast.Module | None:
    """The syntax tree of a module of this package."""
    path = ROOT.parent / module.replace(".", "/")
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ast.parse(file.read_text()) if file.is_file() else None


def imports(node: ast.AST) -> Iterator[tuple[str, str]]:
    """Modules of this package and names imported from them, except for type checking."""
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        return
    if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("a2ls_dsl"):
        for alias in node.names:
            inner = f"{node.module}.{alias.name}"
            yield (inner, "") if tree(inner) else (str(node.module), alias.name)
    for child in ast.iter_child_nodes(node):
        yield from imports(child)


def texts(node: ast.AST) -> Iterator[str]:
    """Strings in the code, without docstrings and annotations; inserted values are `{}`."""
    if isinstance(node, ast.JoinedStr):
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
        return
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
        return
    for child in ast.iter_child_nodes(node):
        docstring = isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)
        if not (docstring or isinstance(child, ast.arguments)):
            yield from texts(child)


def printable(module: str, function: str) -> Iterator[tuple[str, str]]:
    """The strings that a function of a command may print, with their modules."""
    seen, waiting = set[tuple[str, str]](), [(module, function)]
    while waiting:
        module, name = waiting.pop()
        if (module, name) in seen or not (source := tree(module)):
            continue
        seen.add((module, name))
        if not module.startswith("a2ls_dsl.cli"):
            name = ""
        defined = {
            definition.name: definition
            for definition in source.body
            if isinstance(definition, ast.FunctionDef | ast.ClassDef)
        }
        node: ast.AST = defined.get(name, source) if name else source
        if name in defined:
            used = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
            waiting += [(module, other) for other in used & set(defined)]
            for statement in source.body:
                if isinstance(statement, ast.ImportFrom):
                    waiting += [imported for imported in imports(statement) if imported[1] in used]
        elif module.startswith("a2ls_dsl.cli") and name:
            continue  # a constant
        waiting += imports(node)
        for text in texts(node):
            yield module, text


def wrong(command: str, text: str) -> list[str]:
    """The options in a text that its command lacks: the one it names, or else the one that prints it."""
    if any(other in text for other in OTHER_PROGRAMS):
        return []
    missing, spoken_of = [], command
    for part in re.finditer(rf"`?a2l ([a-z .]+)|{OPTION.pattern}", text):
        if part.group(1):
            words = part.group(1).split()
            named = [" ".join(words[:size]) for size in (2, 1) if " ".join(words[:size]) in COMMANDS]
            spoken_of = named[0] if named else spoken_of
        elif part.group() not in options(COMMANDS[spoken_of]):
            missing.append(part.group())
    return missing


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_that_a_message_names_is_there(name: str) -> None:
    callback = COMMANDS[name].callback
    assert callback is not None
    callback = getattr(callback, "__wrapped__", callback)
    bad = {
        f"{module}: {option} in {text!r}"
        for module, text in printable(callback.__module__, callback.__name__)
        for option in wrong(name, text)
    }
    assert sorted(bad) == []


def test_the_scan_of_messages_finds_known_ones() -> None:
    seen = dict.fromkeys(printable("a2ls_dsl.cli.evolve", "evolve"))
    modules = {module for module, _ in seen}
    assert {"a2ls_dsl.search.study.study", "a2ls_dsl.rl.slots.slots", "a2ls_dsl.cli.evolve"} <= modules
    assert any("would do nothing" in text for _, text in seen)
    assert wrong("best", "name another with --study") == ["--study"]
    assert wrong("best", "run `a2l evolve {} --study DIR` or pip it") == []
    assert wrong("evolve", "see `a2l best --study`") == ["--study"]

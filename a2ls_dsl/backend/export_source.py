"""The source text of formulas and of the functions that they call, for exported files."""

from __future__ import annotations

import ast
import builtins
import dis
import inspect
import math
import textwrap
from collections.abc import Iterable, Iterator
from types import CodeType, FunctionType

from a2ls_dsl.backend.formulas import TORCH
from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.words.entry import Formula
from a2ls_dsl.words.registry import functions, heads, operators

_KNOWN = {**TORCH, "math": math}
"""The imports of a file, by name."""


def formula_of(name: str) -> Formula | None:
    """The function that computes an entry; None if it has no formula."""
    tables = (functions, operators, heads)
    return next((table[name].formula for table in tables if name in table), None)


def sources(formulas: Iterable[Formula]) -> dict[str, str]:
    """The texts of formulas by name, each after the functions that it calls.

    Raises `A2lError` if a file can't hold one of them.
    """
    defined: dict[str, object] = {}
    texts: dict[str, str] = {}

    def add(function: Formula) -> None:
        name = function.__name__
        if defined.setdefault(name, function) is not function:
            raise A2lError(
                f"a function called `{name}` can't be written to a file, which already has another",
                "give yours another name and register it again",
            )
        if name in texts:
            return
        text = source(function)
        for other in _called(function):
            add(other)
        texts[name] = text

    for formula in formulas:
        add(formula)
    return texts


def source(function: Formula | type) -> str:
    """The text of a function or class without its decorators."""
    name = function.__name__
    try:
        text = textwrap.dedent(inspect.getsource(function))
        (node,) = ast.parse(text).body
    except (OSError, TypeError, SyntaxError, ValueError):
        node = None
    if not isinstance(node, ast.FunctionDef | ast.ClassDef) or node.name != name:
        raise A2lError(
            f"`{name}` can't be written to a file: its function has no source called `def {name}(...)`",
            "register a plain function of that name, defined in a file, that needs torch only",
        )
    return "\n".join(text.splitlines()[node.lineno - 1 :]).rstrip()


def _called(function: Formula) -> Iterator[FunctionType]:
    """The functions that a function reads. Raises `A2lError` if it reads anything a file doesn't have."""
    if not isinstance(function, FunctionType):
        return
    if function.__code__.co_freevars:
        _refuse(function, function.__code__.co_freevars[0])
    for name in dict.fromkeys(_globals(function.__code__)):
        value = function.__globals__.get(name, vars(builtins).get(name))
        if isinstance(value, FunctionType) and value.__name__ == name:
            yield value
        elif name in function.__globals__ and value is not _KNOWN.get(name):
            _refuse(function, name)


def _refuse(function: Formula, name: str) -> None:
    raise A2lError(
        f"`{function.__name__}` can't be written to a file: it reads `{name}`, which the file doesn't have",
        f"let it read {', '.join(_KNOWN)} and plain functions only, each under its own name",
    )


def _globals(code: CodeType) -> Iterator[str]:
    """The global names that a function and its inner functions read."""
    for instruction in dis.get_instructions(code):
        if instruction.opname == "LOAD_GLOBAL":
            yield instruction.argval
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _globals(constant)

"""Functions and operators by name: those of the language, and those that a program has added.

An entry says what a name means to the language, without any computation; what computes it is registered
beside it by the backend. Files only ever name entries, so none of them can run code.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TypeVar

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.lang.ast import Stream
from a2ls_dsl.lang.functions import FUNCTIONS, Function, Kind
from a2ls_dsl.lang.numbers import Range
from a2ls_dsl.lang.operators import HEAD, HEADS, OPERATORS, Needs, Operator, Sets

KEYWORDS = ("loss", "import", "against", "batch", "with", "as")
"""Words of the language; nothing can have such a name."""

SCHEDULE = "linear"

_functions, _operators = dict(FUNCTIONS), dict(OPERATORS)

functions = MappingProxyType(_functions)
"""Every function that a file may call, by name."""

operators = MappingProxyType(_operators)
"""Every operator that a file may use, by name."""

Entry = TypeVar("Entry", Function, Operator)

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def register_function(entry: Function) -> None:
    """Let files call a view or a normaliser of your own. Raises `A2lError` where the entry does not fit.

    Registering an equal entry again does nothing; no entry may take the name of another.
    """
    if entry.kind not in (Kind.VIEW, Kind.NORMALISER):
        raise A2lError(
            f"`{entry.name}` is to be registered as {entry.kind.value}",
            "views and normalisers can be registered, and operators",
        )
    _check_defaults(entry.name, [(each.name, each.default, each.range) for each in entry.parameters])
    _add(entry, _functions)


def register_operator(entry: Operator) -> None:
    """Let files use an operator of your own. Raises `A2lError` where the entry does not fit.

    It takes one or two sets of any elements or of latents; `Sets.TRANSITION` is for the two built-in ones.
    """
    if entry.sets is Sets.TRANSITION or entry.pairwise:
        raise A2lError(
            f"`{entry.name}` is to be registered as an operator over pairs of samples",
            "an operator of your own sees whole batches: compare the pairs in its function",
        )
    if entry.unary and (entry.head or entry.needs_head):
        raise A2lError(
            f"the operator `{entry.name}` takes one set and a head", "pass head=False, or take two sets"
        )
    for option in entry.options:
        if option.name == HEAD or (option.needs is Needs.ROLLOUT and entry.unary):
            raise A2lError(
                f"the operator `{entry.name}` can't have the option `{option.name}`", "give it another name"
            )
    _check_defaults(entry.name, [(each.name, each.default, each.range) for each in entry.options])
    _add(entry, _operators)


def forget(name: str) -> None:
    """Take back the registration of a function or an operator. Raises `A2lError` if there is none."""
    for table, built_in in ((_functions, FUNCTIONS), (_operators, OPERATORS)):
        if name in table and name not in built_in:
            del table[name]
            return
    raise A2lError(f"`{name}` was not registered", "what belongs to the language stays")


def what_is(name: str) -> str:
    """What a name already means, in words; empty if it is free."""
    if name in _operators:
        return "an operator"
    if name in _functions:
        return "a function"
    if name in list(Stream):
        return "a stream"
    if name in (*KEYWORDS, "t", SCHEDULE, *HEADS):
        return "a word of the language"
    return ""


def _check_defaults(name: str, given: list[tuple[str, float, Range]]) -> None:
    names = [each for each, _, _ in given]
    for each, default, allowed in given:
        if not _NAME.fullmatch(each) or names.count(each) > 1:
            raise A2lError(
                f"`{name}` has a number called `{each}`", "each has a name of its own, as in Python"
            )
        if not allowed.holds(default):
            raise A2lError(f"the default of `{each}` of `{name}` is {default}", f"it has to be {allowed}")


def _add(entry: Entry, table: dict[str, Entry]) -> None:
    if table.get(entry.name) == entry:
        return
    if not _NAME.fullmatch(entry.name):
        raise A2lError(f"`{entry.name}` is no name", "use letters, digits and _, a letter first")
    if meaning := what_is(entry.name):
        raise A2lError(f"the name `{entry.name}` is taken by {meaning}", "choose another name")
    table[entry.name] = entry

"""Names that other papers and code bases use for what this language calls otherwise, and near names.

Each function gives the fix for a name that does not exist: what it probably means, else what there is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache

from a2ls_dsl.diagnostics import Fix, near
from a2ls_dsl.lang.messages.codes import texts
from a2ls_dsl.words.language import Stream
from a2ls_dsl.words.registry import functions, operators


@cache
def _foreign(kind: str) -> dict[str, str]:
    """What to write for names of a kind (`streams`, `operators`, ...) that are used elsewhere."""
    groups = texts("foreign_names")[kind]
    return {name: fix for fix, names in groups.items() for name in names.split()}


_STREAMS_LISTED = "the streams are s (state), a (action), r (reward), o (raw observation), done"

LISTED = 12
"""How many names a message lists."""


def suggestion(name: str, existing: Iterable[str], listed: str = "", guess: bool = True) -> str | Fix:
    """The fix for a name that does not exist: the near one, else `listed`, by default what there is.

    Without `guess` only what there is (that is cheap).
    """
    names = list(dict.fromkeys(existing))
    if close := near(name, names) if guess else None:
        return Fix(f"did you mean `{close}`?", close)
    more = ", ..." if len(names) > LISTED else ""
    return listed or f"there is {', '.join(names[:LISTED])}{more}"


def unknown_stream(name: str) -> str | Fix:
    """The fix for a stream that does not exist."""
    small = name.lower()
    words = f"write {small}" if small in list(Stream) else _foreign("streams").get(small, _STREAMS_LISTED)
    meant = re.search(r"\bwrite (\w+)(?:,|$)", words)
    return Fix(words, meant[1]) if meant else words


def unknown_function(name: str, guess: bool = True) -> str | Fix:
    """The fix for a function that does not exist; without `guess` only what there is (that is cheap)."""
    listed = f"the functions are {', '.join(functions)}; @a2l.view adds your own"
    if name in operators:
        return f"`{name}` is an operator, it stands before the sets; {listed}"
    return _fix(name, _foreign("functions"), functions, listed, guess)


def unknown_operator(name: str, guess: bool = True) -> str | Fix:
    """The fix for an operator that does not exist."""
    listed = f"the operators are {', '.join(operators)}; @a2l.operator adds your own"
    fix = _fix(name, _foreign("operators"), operators, listed, guess)
    if name not in functions:
        return fix
    what = f"`{name}` is a function of an item; "
    return what + fix if isinstance(fix, str) else replace(fix, words=what + fix.words)


def unknown_option(name: str, existing: Iterable[str], listed: str = "") -> str | Fix:
    """The fix for an option that the operator does not have; `existing` are those it has."""
    existing = list(existing)
    listed = listed or (f"it has {', '.join(existing)}" if existing else "it has none")
    shown = [f"`{option}`" for option in existing]
    foreign = _foreign("options").items()
    hints = {alias: hint for alias, hint in foreign if any(option in hint for option in shown)}
    return _fix(name, hints, existing, listed, True)


def _fix(
    name: str, aliases: Mapping[str, str], existing: Iterable[str], listed: str, guess: bool
) -> str | Fix:
    if name.lower() in aliases:
        words = aliases[name.lower()]
        meant = re.search(r"did you mean `(\w+)`|(\w+)\(", words)
        return Fix(words, meant[1] or meant[2]) if meant and not words.startswith("e.g.") else words
    return suggestion(name, existing, listed, guess)

"""Syntax errors of loss grammars: what is known from loss files, then what only grammars have."""

from __future__ import annotations

import re
from dataclasses import replace

from lark.exceptions import UnexpectedInput

from a2ls_dsl.diagnostics import Diagnostic, Fix, Source, Span
from a2ls_dsl.lang.grammar.codes import Rule, error
from a2ls_dsl.lang.syntax.error_context import Finding, ParseFailure
from a2ls_dsl.lang.syntax.errors import TERMINALS, explain_anywhere
from a2ls_dsl.lang.syntax.parser import failure_of

_HEADER = "a loss grammar begins with a line such as `grammar mine for k in 1..10`"

_WORDS_OF_GRAMMARS = ("_ARTICLE", "_AT", "_FOR", "_IN", "_MOST", "_OF")


def explain(source: Source, unexpected: UnexpectedInput, piece: str, base: int) -> Diagnostic:
    """A readable diagnostic out of the parser's exception."""
    failure = failure_of(unexpected, piece)
    if failure.found in _WORDS_OF_GRAMMARS:
        failure = replace(failure, found="NAME")  # `a` is a stream as well as a word of `require` lines
    _, message, fix, start, end = (
        _header(failure) or explain_anywhere(failure) or _no_equals(failure) or _unexpected(failure)
    )
    if isinstance(fix, Fix) and fix.at:
        fix = replace(fix, at=(base + fix.at[0], base + fix.at[1]))
    return error(Rule.SYNTAX, message, Span(source, base + start, base + max(end, start + 1)), fix)


def _header(failure: ParseFailure) -> Finding | None:
    if "_GRAMMAR" not in failure.expected:
        return None
    return failure.says(Rule.SYNTAX, _unexpected(failure)[1], _HEADER)


def _no_equals(failure: ParseFailure) -> Finding | None:
    """`source { s[t] }`"""
    name = re.search(r"^[^\S\n]*([A-Za-z_]\w*)[^\S\n]*\Z", failure.before, re.MULTILINE)
    if name is None or failure.found not in ("_LBRACE", "_SOME"):
        return None
    fix = Fix(f"write {name[1]} = ...", "= ", (failure.start, failure.start))
    return failure.says(Rule.SYNTAX, "an equals sign stands between the name of a rule and what it is", fix)


def _unexpected(failure: ParseFailure) -> Finding:
    message = f"{failure.shown} does not belong here"
    if failure.found == "$END":
        message = "the grammar ends too early"
    return failure.says(Rule.SYNTAX, message, _expectation(failure.expected))


def _expectation(wanted: frozenset[str]) -> str:
    """`expected `,` or `}``; nothing when so much may follow that a list helps nobody."""
    last = {"HEAD", "_REQUIRE", "$END"}
    if "HEAD" in wanted and wanted <= last:
        return "expected a rule `name = ...` or a `require` line"
    shown = sorted(map(_shown, wanted - last))
    if not shown or len(shown) > 8:
        return ""
    return "expected " + " or ".join([", ".join(shown[:-1]), shown[-1]] if shown[1:] else shown)


def _shown(terminal: str) -> str:
    own = {"INT": "a number", "_ARTICLE": "`a`", "_BAR": "`|`"}
    return own.get(terminal) or TERMINALS.get(terminal) or f"`{terminal.removeprefix('_').lower()}`"

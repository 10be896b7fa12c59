"""From text to the syntax tree. What the names in it mean is the checker's business (`check.py`).

A file is cut at the lines that begin with `loss` or `import` and parsed piece by piece, so that a mistake in
one definition doesn't hide the next.
"""

from __future__ import annotations

import re
from functools import lru_cache

from lark import Lark, UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from a2ls_dsl.diagnostics import Diagnostic, LanguageError, Source, Span
from a2ls_dsl.lang.ast import Definition, Import, Loss, LossFile
from a2ls_dsl.lang.build import Builder
from a2ls_dsl.lang.codes import Rule, report
from a2ls_dsl.lang.files import MAX_SIZE, too_large
from a2ls_dsl.lang.library import folder
from a2ls_dsl.lang.mistakes import explain
from a2ls_dsl.lang.trouble import Trouble

EXAMPLE = "loss forward = mse({ s[t], a[t] } -> { s[t+1] })"

MAX_BROKEN = 100
"""So many pieces of a file are explained that don't parse; what comes behind is left alone."""

_COMMENT = re.compile(r"(\"[^\"\r\n]*\")|#[^\r\n]*")
_START = re.compile(r"^[^\S\n]*(?:loss|import)\b", re.MULTILINE)
_NAMES = re.compile(r"\bloss\s+([A-Za-z_]\w*)|\b([A-Za-z_]\w*)\s*=(?!>)")


def parse(text: str, name: str = "<string>") -> LossFile:
    """The syntax tree of a loss file, with places. Raises `LanguageError` with every mistake found."""
    file, mistakes = recover(Source(name, text))
    if mistakes:
        raise LanguageError(mistakes)
    return file


def recover(source: Source) -> tuple[LossFile, list[Diagnostic]]:
    """The part of a file that can be understood, and what is wrong with the rest.

    A definition that doesn't parse stays in the tree with no terms, so that others may refer to it.
    """
    if len(source.text) > MAX_SIZE:
        raise too_large(source.name)
    builder = Builder(source)
    clean = _COMMENT.sub(lambda found: found[1] or " " * len(found[0]), source.text)
    starts = [0, *(match.start() for match in _START.finditer(clean) if match.start())]
    definitions, imports, broken = list[Definition](), list[Import](), 0
    for start, end in zip(starts, [*starts[1:], len(clean)], strict=True):
        piece = clean[start:end]
        if broken >= MAX_BROKEN:
            definitions += _placeholders(source, piece, start)
            continue
        try:
            found, brought = builder.build(_parser().parse(piece), start)
            definitions += found
            imports += brought
        except UnexpectedInput as error:
            broken += 1
            builder.mistakes.append(explain(source, _trouble(error, piece), start))
            definitions += _placeholders(source, piece, start)
    if not definitions and not builder.mistakes:
        nothing = Span(source, len(source.text), len(source.text))
        builder.mistakes.append(
            report(Rule.NO_LOSS, "there is no loss in this file", nothing, f"e.g. {EXAMPLE}")
        )
    whole = Span(source, 0, len(source.text))
    return LossFile(tuple(definitions), tuple(imports), whole), builder.mistakes


@lru_cache(maxsize=1)
def _parser() -> Lark:
    grammar = (folder("grammars") / "a2l.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser="lalr", lexer="basic", propagate_positions=True)


def _trouble(error: UnexpectedInput, piece: str) -> Trouble:
    """What the parser knows about a syntax error, without its words."""
    if isinstance(error, UnexpectedToken) and error.token.type != "$END":
        start = error.token.start_pos or 0
        return Trouble(
            piece, start, start + len(error.token), error.token.type, frozenset(error.accepts or ())
        )
    if isinstance(error, UnexpectedCharacters):
        start = error.pos_in_stream or 0
        return Trouble(piece, start, start + 1, "", frozenset())
    expected = (error.accepts or ()) if isinstance(error, UnexpectedToken) else ()
    end = len(piece.rstrip())
    return Trouble(piece, end, end, "$END", frozenset(expected))


def _placeholders(source: Source, piece: str, start: int) -> list[Definition]:
    """Definitions without terms for the names that a broken piece meant to define."""
    span = Span(source, start, start + len(piece))
    names = dict.fromkeys(match[1] or match[2] for match in _NAMES.finditer(piece))
    return [Definition(name, Loss(()), span) for name in names]

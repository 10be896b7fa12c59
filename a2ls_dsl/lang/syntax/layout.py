"""The one layout of a loss file, `a2l fmt`.

A definition stands on one line up to `WIDTH` columns, else with negatives and options on a line of their
own, else with one row per stream. Sets and options are in canonical order; terms, references, weights and
defaults that were written stay as written.

Comments stay too: those inside a statement move above it. Between statements and comments, one blank line
stays where there was at least one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Generic, TypeVar

from a2ls_dsl.diagnostics import Source, Span
from a2ls_dsl.lang.rules.canonical import ordered_comparison
from a2ls_dsl.lang.syntax.elaborate import parse
from a2ls_dsl.lang.syntax.printer import (
    print_option,
    print_runs,
    print_tail,
    print_term,
    print_weight,
    sets_of,
)
from a2ls_dsl.lang.syntax.tree import Comparison, Definition, Import, Item, Weighted

T = TypeVar("T")

WIDTH = 88
_INDENT = "    "
_COMMENT = re.compile(r"\"[^\"\n]*\"|(#[^\n]*)")


def format_file(source: Source) -> str:
    """The text of a loss file in its one layout. Raises `LanguageError` if it doesn't parse."""
    text = plain(source.text)
    file = parse(text, source.name)
    contents: list[Definition | Import] = [*file.imports, *file.definitions]
    return join(blocks(text, [(content, content.span) for content in contents]), _lines)


def format_definition(definition: Definition) -> list[str]:
    """A definition as lines."""
    head = f"loss {definition.name} ="
    terms = tuple(_sorted(weighted) for weighted in definition.loss.terms)
    line = f"{head} {' + '.join(_factor(weighted) + print_term(weighted.term) for weighted in terms)}"
    if len(line) <= WIDTH:
        return [line]
    if len(terms) == 1:
        return _term(terms[0], f"{head} ", "")
    lines = [head]
    for number, weighted in enumerate(terms):
        lines += _term(weighted, _INDENT + ("+ " if number else ""), _INDENT)
    return lines


def _lines(content: Definition | Import) -> list[str]:
    return format_definition(content) if isinstance(content, Definition) else [f'import "{content.path}"']


def _sorted(weighted: Weighted) -> Weighted:
    if isinstance(weighted.term, Comparison):
        return replace(weighted, term=ordered_comparison(weighted.term))
    return weighted


def _factor(weighted: Weighted) -> str:
    """The weight before a term as it was written, with its `*`; empty where there is none."""
    span = weighted.weight_span
    if span is None:
        return "" if weighted.weight == 1.0 else f"{print_weight(weighted.weight)} * "
    written = re.sub(r"#[^\n]*|\s+", "", span.source.text[span.start : span.end])
    return f"{written.replace(',', ', ')} * "


def _term(weighted: Weighted, lead: str, indent: str) -> list[str]:
    """A summand behind `lead`: on one line if it fits, else its comparison with one row per stream."""
    term, factor = weighted.term, _factor(weighted)
    line = f"{lead}{factor}{print_term(term)}"
    if len(line) <= WIDTH or not isinstance(term, Comparison):
        return [line]
    bare = f"{lead}{factor}{print_term(replace(term, against_batch=False, options=()))}"
    tail = f"{indent}{_INDENT}{print_tail(term).strip()}"
    if max(len(bare), len(tail)) <= WIDTH:
        return [bare, tail]
    source, *target = sets_of(term)
    return [
        f"{lead}{factor}{term.operator}(",
        *_set(source, f"{indent}{_INDENT}{{ "),
        *(line for items in target for line in _set(items, f"{indent}{_INDENT}-> {{ ")),
        *_tail(term, indent),
    ]


def _tail(term: Comparison, indent: str) -> list[str]:
    """The closing parenthesis and what stands behind it; options that don't fit have a line each."""
    line = f"{indent}){print_tail(term)}"
    if len(line) <= WIDTH:
        return [line]
    bare = f"{indent}){print_tail(replace(term, options=()))}"
    return [bare, *aligned(f"{indent}{_INDENT}with ", list(map(print_option, term.options)))]


def _set(items: Iterable[Item], lead: str) -> list[str]:
    """A set behind `lead` with a row per stream, longer rows broken, all items aligned."""
    rows: list[str] = []
    for _, texts in groupby(print_runs(items), key=lambda item: item[0]):
        row = ""
        for _, item in texts:
            if row and len(lead) + len(row) + len(item) + len(",  }") > WIDTH:
                rows.append(row)
                row = ""
            row += f", {item}" if row else item
        rows.append(row)
    return aligned(lead, rows or [""], " }")


def aligned(lead: str, rows: Sequence[str], end: str = "") -> list[str]:
    """Rows with commas between them, the first behind `lead`, the others below it, the last before `end`."""
    *before, last = rows
    lines = [*(row + "," for row in before), last + end]
    return [(" " * len(lead) if number else lead) + line for number, line in enumerate(lines)]


def plain(text: str) -> str:
    """A text with line breaks of one kind."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


@dataclass
class Block(Generic[T]):
    """A statement with the comments that belong to it, or a comment on its own.

    parted: whether a blank line stands before it.
    """

    start: int
    end: int
    content: T | None = None
    above: list[str] = field(default_factory=list)
    behind: str = ""
    parted: bool = False


def blocks(text: str, statements: Iterable[tuple[T, Span | None]]) -> list[Block[T]]:
    """Statements and comments in the order of the text, in which they stand at these places."""
    pieces: list[Block[T] | re.Match[str]] = [
        *(Block(place.start, place.end, statement) for statement, place in statements if place),
        *(match for match in _COMMENT.finditer(text) if match[1]),
    ]
    pieces.sort(key=lambda piece: piece.start if isinstance(piece, Block) else piece.start())
    merged: list[Block[T]] = []
    for piece in pieces:
        if isinstance(piece, Block):
            merged.append(piece)
            continue
        words = piece[0].rstrip()
        last = merged[-1] if merged else None
        if last is not None and piece.start() < last.end:
            last.above.append(words)
        elif last is not None and last.content is not None and "\n" not in text[last.end : piece.start()]:
            last.behind, last.end = words, piece.end()
        else:
            merged.append(Block(piece.start(), piece.end(), above=[words]))
    end = len(text)
    for block in merged:
        block.parted = text.count("\n", end, block.start) > 1
        end = block.end
    return merged


def join(blocks: Iterable[Block[T]], lines: Callable[[T], list[str]]) -> str:
    """The text of blocks, with each statement as these lines."""
    written = list[str]()
    for block in blocks:
        written += [""] * block.parted + block.above
        if block.content is not None:
            *first, last = lines(block.content)
            written += [*first, last + (f"  {block.behind}" if block.behind else "")]
    return "\n".join(written) + "\n"

"""The one layout of a loss file, `a2l fmt`.

A definition stands on one line up to `WIDTH` columns, else with one row per stream. Sets are in canonical
order; terms, references and weights stay as written. Comments stay too: those inside a definition move
above it. Between definitions and comments, one blank line stays where there was at least one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby

from a2ls_dsl.diagnostics import Source
from a2ls_dsl.lang.ast import Comparison, Definition, Element, Loss, Weighted
from a2ls_dsl.lang.canonical import canonical_comparison, canonical_set
from a2ls_dsl.lang.parse import parse
from a2ls_dsl.lang.printer import print_loss, print_runs, print_weighted

WIDTH = 88
_INDENT = "    "
_COMMENT = re.compile(r"#[^\n]*")


def format_file(source: Source) -> str:
    """The text of a loss file in its one layout. Raises `LanguageError` if it doesn't parse."""
    text = source.text.replace("\r\n", "\n").replace("\r", "\n")
    blocks = _blocks(text, parse(text, source.name).definitions)
    lines: list[str] = []
    end = len(text)
    for block in blocks:
        if text.count("\n", end, block.start) > 1:
            lines.append("")
        lines += block.lines()
        end = block.end
    return "\n".join(lines) + "\n"


@dataclass
class _Block:
    """A definition with the comments that belong to it, or a comment on its own."""

    start: int
    end: int
    definition: Definition | None = None
    above: list[str] = field(default_factory=list)
    behind: str = ""

    def lines(self) -> Iterator[str]:
        yield from self.above
        if self.definition is not None:
            *first, last = format_definition(self.definition)
            yield from first
            yield last + (f"  {self.behind}" if self.behind else "")


def _blocks(text: str, definitions: Iterable[Definition]) -> list[_Block]:
    """Definitions and comments in the order of the text."""
    blocks = [_Block(each.span.start, each.span.end, each) for each in definitions if each.span]
    pieces: list[_Block | re.Match[str]] = sorted(
        [*blocks, *_COMMENT.finditer(text)],
        key=lambda piece: piece.start if isinstance(piece, _Block) else piece.start(),
    )
    merged: list[_Block] = []
    for piece in pieces:
        if isinstance(piece, _Block):
            merged.append(piece)
            continue
        words = piece[0].rstrip()
        last = merged[-1] if merged else None
        if last is not None and piece.start() < last.end:
            last.above.append(words)
        elif last is not None and last.definition is not None and "\n" not in text[last.end : piece.start()]:
            last.behind, last.end = words, piece.end()
        else:
            merged.append(_Block(piece.start(), piece.end(), above=[words]))
    return merged


def format_definition(definition: Definition) -> list[str]:
    """A definition as lines."""
    head = f"loss {definition.name} ="
    terms = tuple(_sorted(weighted) for weighted in definition.loss.terms)
    line = f"{head} {print_loss(Loss(terms))}"
    if len(line) <= WIDTH:
        return [line]
    if len(terms) == 1:
        return _term(terms[0], f"{head} ", "", weight=terms[0].weight != 1.0)
    lines = [head]
    for number, weighted in enumerate(terms):
        lines += _term(weighted, _INDENT + ("+ " if number else ""), _INDENT)
    return lines


def _sorted(weighted: Weighted) -> Weighted:
    if isinstance(weighted.term, Comparison):
        return Weighted(weighted.weight, canonical_comparison(weighted.term))
    return weighted


def _term(weighted: Weighted, lead: str, indent: str, weight: bool = True) -> list[str]:
    """A summand behind `lead`: on one line if it fits, else its comparison with one row per stream."""
    line = lead + (print_weighted(weighted) if weight else print_loss(Loss((weighted,))))
    if len(line) <= WIDTH or not isinstance(weighted.term, Comparison):
        return [line]
    term, factor = weighted.term, f"{weighted.weight!r} * " if weight else ""
    return [
        f"{lead}{factor}{term.operator}(",
        *_set(term.source, f"{indent}{_INDENT}{{ "),
        *_set(term.target, f"{indent}{_INDENT}-> {{ "),
        f"{indent})" + (" against batch" if term.against_batch else ""),
    ]


def _set(elements: Iterable[Element], lead: str) -> list[str]:
    """A set behind `lead` with a row per stream, longer rows broken, all items aligned."""
    rows: list[str] = []
    for _, items in groupby(print_runs(canonical_set(elements)), key=lambda item: item[0]):
        row = ""
        for _, item in items:
            if row and len(lead) + len(row) + len(item) + len(",  }") > WIDTH:
                rows.append(row)
                row = ""
            row += f", {item}" if row else item
        rows.append(row)
    rows = rows or [""]
    margins = [lead, *[" " * len(lead)] * (len(rows) - 1)]
    ends = [","] * (len(rows) - 1) + [" }"]
    return [margin + row + end for margin, row, end in zip(margins, rows, ends, strict=True)]

"""What a layout leaves as it is: comments, and blank lines between statements.

Comments inside a statement move above it. Between statements and comments, one blank line stays where there
was at least one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from a2ls_dsl.diagnostics import Span

T = TypeVar("T")

_COMMENT = re.compile(r"\"[^\"\n]*\"|(#[^\n]*)")


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

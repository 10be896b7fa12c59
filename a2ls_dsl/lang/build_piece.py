"""What building a tree out of lark's needs everywhere: places, numbers, and the mistakes found on the way."""

from __future__ import annotations

from collections.abc import Iterable

from lark import Token, Tree

from a2ls_dsl.diagnostics import A2lError, Diagnostic, Fix, Source, Span
from a2ls_dsl.lang.codes import Rule, report
from a2ls_dsl.words.numbers import number_of_text

MAX_ELEMENTS = 10_000
"""How many elements a file may name; a run of a thousand is written in a dozen characters."""

Node = Tree[Token]


class Piece:
    """The piece of a source that is being built, from character `base` on, and the file's `mistakes`."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.base = 0
        self.mistakes: list[Diagnostic] = []
        self._elements = 0

    @property
    def few(self) -> bool:
        """Whether there is time to look for a near name: nobody reads more suggestions."""
        return len(self.mistakes) < 50

    def span(self, node: Node | Token) -> Span:
        """Where a rule or a word stands in the source."""
        place = node if isinstance(node, Token) else node.meta
        return Span(self.source, self.base + (place.start_pos or 0), self.base + (place.end_pos or 0))

    def text(self, node: Node) -> str:
        """What was written, shortened where it is long."""
        span = self.span(node)
        return short(self.source.text[span.start : span.end])

    def note(self, code: str, message: str, node: Node | Token, fix: str | Fix) -> None:
        """Remember a mistake at a rule or a word."""
        self.mistakes.append(report(code, message, self.span(node), fix))

    def number(self, node: Node, code: str) -> float | None:
        """The value of a number with its sign, or None after noting that it has none, under `code`."""
        value = number_of_text("".join(tokens(node)))
        if isinstance(value, A2lError):
            self.note(code, value.message, node, value.fix)
            return None
        return value

    def numbers(self, nodes: Iterable[Node], code: str) -> tuple[float, ...] | None:
        """The values of several numbers, or None if one of them has none."""
        values = [self.number(node, code) for node in nodes]
        found = tuple(value for value in values if value is not None)
        return found if len(found) == len(values) else None

    def affordable(self, elements: int, run: Node) -> bool:
        """Count the elements of a run, before it is expanded."""
        before, self._elements = self._elements, self._elements + elements
        if before <= MAX_ELEMENTS < self._elements:
            message = f"a file names at most {MAX_ELEMENTS:,} elements"
            self.note(Rule.ELEMENTS, message, run, "split the file")
        return self._elements <= MAX_ELEMENTS


def nodes(node: Node) -> list[Node]:
    """The rules directly inside a rule."""
    return [child for child in node.children if isinstance(child, Tree)]


def tokens(node: Node) -> list[Token]:
    """The words directly inside a rule."""
    return [child for child in node.children if isinstance(child, Token)]


def short(text: str, limit: int = 40) -> str:
    """A text for a message, cut where it is long."""
    return text if len(text) <= limit else text[:limit] + "..."

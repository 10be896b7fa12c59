"""From lark's tree to ours: runs become elements, steps become offsets, places are kept.

Whatever a step or a stream can get wrong is noted and the element left out, so that one run over a file
finds all of it.
"""

from __future__ import annotations

import math

from lark import Token, Tree

from a2ls_dsl.diagnostics import Diagnostic, Source, Span
from a2ls_dsl.lang.ast import (
    MAX_OFFSET,
    Comparison,
    Definition,
    Element,
    Loss,
    Ref,
    Stream,
    Weighted,
)
from a2ls_dsl.lang.codes import report

MAX_ELEMENTS = 100_000
"""How many elements a file may name; a run of a thousand is written in a dozen characters."""

MAX_DIGITS = 40
"""The length of the longest number that is looked at, in characters."""

Node = Tree[Token]


class Builder:
    """Builds the definitions of one file, piece by piece, and collects `mistakes` on the way."""

    def __init__(self, source: Source) -> None:
        self.mistakes: list[Diagnostic] = []
        self._source = source
        self._base = 0
        self._elements = 0

    def definitions(self, start: Node, base: int) -> list[Definition]:
        """The definitions in the tree of a piece of the source that begins at character `base`."""
        self._base = base
        return [self._definition(node) for node in _nodes(start)]

    def _definition(self, node: Node) -> Definition:
        (name,), (total,) = _tokens(node), _nodes(node)
        terms = tuple(self._weighted(each) for each in _nodes(total))
        return Definition(
            str(name), Loss(terms, self._span(total)), self._span(node), name_span=self._span(name)
        )

    def _weighted(self, node: Node) -> Weighted:
        *weight, term = _nodes(node)
        value = self._weight(weight[0]) if weight else 1.0
        return Weighted(value, self._term(term), self._span(node))

    def _weight(self, node: Node) -> float:
        text = "".join(_tokens(node))
        if len(text) > MAX_DIGITS:
            self._note("A2L037", f"a number has at most {MAX_DIGITS} characters", node, "write a shorter one")
        elif not math.isfinite(float(text)):
            self._note("A2L037", f"the weight {text} is not finite", node, "write a smaller one")
        else:
            return float(text)
        return 1.0

    def _term(self, node: Node) -> Comparison | Ref:
        (name,) = _tokens(node)
        if node.data == "reference":
            return Ref(str(name), self._span(node))
        source, target, *negatives = _nodes(node)
        return Comparison(
            str(name),
            self._set(source),
            self._set(target),
            bool(negatives),
            self._span(node),
            sides=(self._span(source), self._span(target)),
        )

    def _set(self, node: Node) -> tuple[Element, ...]:
        return tuple(element for item in _nodes(node) for element in self._item(item))

    def _item(self, node: Node) -> list[Element]:
        """The elements of one item of a set: none if something is wrong with it."""
        view = next(map(str, _tokens(node)), None)
        (run,) = _nodes(node)
        stream, steps = self._stream(run), [self._step(step, run) for step in _nodes(run)]
        first, last = steps[0], steps[-1]
        if stream is None or first is None or last is None:
            return []
        if last < first:
            fix = f"write {stream}[{_step_text(last)}..{_step_text(first)}]"
            self._note("A2L034", "a run goes forward in time; this one is empty", run, fix)
            return []
        if not self._affordable(last - first + 1, run):
            # One element stands for the run, so that the set isn't called empty on top.
            last = first
        span = self._span(node)
        return [Element(stream, offset, view, span) for offset in range(first, last + 1)]

    def _stream(self, run: Node) -> Stream | None:
        (name,) = _tokens(run)
        if name in list(Stream):
            return Stream(str(name))
        known = name.lower() in list(Stream)
        fix = f"write {name.lower()}" if known else "the streams are s (state), a (action), r (reward)"
        self._note("A2L022", f"there is no stream `{_short(name)}`", name, fix)
        return None

    def _step(self, node: Node, run: Node) -> int | None:
        """The offset that a step means, or None after noting what is wrong with it."""
        match _tokens(node):
            case ["t"]:
                return 0
            case ["t", "+", number] if number.isdecimal():
                digits = number.lstrip("0") or "0"
                if len(digits) <= len(str(MAX_OFFSET)):
                    return int(digits)
                fix = f"an episode has at most {MAX_OFFSET + 1:,} steps"
                self._note("A2L033", f"an offset is at most {MAX_OFFSET}", node, fix)
            case ["t", "-", number] if number.isdecimal():
                shown = self._source.text[self._span(run).start : self._span(run).end]
                message = f"steps start at t; {_short(shown)} lies before the window"
                fix = "write t" if int(number[:9]) == 0 else f"shift every element by {_short(number)}"
                self._note("A2L031", message, node, fix)
            case [number] if number.isdecimal():
                self._note("A2L032", "steps are counted from t", node, f"write t+{_short(number)}")
            case _:
                self._note("A2L032", "a step is t, or t plus a whole number", node, "e.g. t+3")
        return None

    def _affordable(self, elements: int, run: Node) -> bool:
        """Count the elements of a run, before it is expanded."""
        before, self._elements = self._elements, self._elements + elements
        if before <= MAX_ELEMENTS < self._elements:
            message = f"a file names at most {MAX_ELEMENTS:,} elements"
            self._note("A2L038", message, run, "split the file")
        return self._elements <= MAX_ELEMENTS

    def _span(self, node: Node | Token) -> Span:
        place = node if isinstance(node, Token) else node.meta
        return Span(self._source, self._base + (place.start_pos or 0), self._base + (place.end_pos or 0))

    def _note(self, code: str, message: str, node: Node | Token, fix: str) -> None:
        self.mistakes.append(report(code, message, self._span(node), fix))


def _nodes(node: Node) -> list[Node]:
    return [child for child in node.children if isinstance(child, Tree)]


def _tokens(node: Node) -> list[Token]:
    return [child for child in node.children if isinstance(child, Token)]


def _step_text(offset: int) -> str:
    return f"t+{offset}" if offset else "t"


def _short(text: str, limit: int = 40) -> str:
    return text if len(text) <= limit else text[:limit] + "..."

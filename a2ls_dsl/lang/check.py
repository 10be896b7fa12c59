"""What a loss file must satisfy beyond its syntax. Every rule has a code in `codes.py`.

One mistake gives one message: where something was already found, what follows from it is not reported.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from a2ls_dsl.diagnostics import Diagnostic, Source, Span, near
from a2ls_dsl.lang.ast import (
    OPERATORS,
    VIEWS,
    Comparison,
    Definition,
    Element,
    LossFile,
    Ref,
    Stream,
    Weighted,
)
from a2ls_dsl.lang.build import MAX_ELEMENTS
from a2ls_dsl.lang.canonical import canonical_set
from a2ls_dsl.lang.codes import report
from a2ls_dsl.lang.printer import print_runs

_STREAM_WORDS = {Stream.STATE: "a state", Stream.ACTION: "an action", Stream.REWARD: "a reward"}


def check(file: LossFile, earlier: Sequence[Diagnostic] = ()) -> list[Diagnostic]:
    """Errors and warnings of a parsed file in the order of their places, without the `earlier` ones."""
    checker = _Checker({each.name: each for each in reversed(file.definitions)}, earlier)
    for definition in file.definitions:
        checker.definition(definition)
    return sorted(checker.found, key=lambda each: each.span.start)


@dataclass(frozen=True)
class _Extent:
    """What a loss amounts to with its references multiplied out: elements, least and greatest weight."""

    elements: int = 0
    least: float = 1.0
    greatest: float = 1.0


class _Checker:
    def __init__(self, everywhere: Mapping[str, Definition], earlier: Sequence[Diagnostic]) -> None:
        self.found: list[Diagnostic] = []
        self._everywhere = everywhere
        self._earlier = sorted(diagnostic.span.start for diagnostic in earlier)
        self._defined: dict[str, Definition] = {}
        self._extents: dict[str, _Extent] = {}
        self._elements = 0

    def definition(self, definition: Definition) -> None:
        extents = [self._weighted(weighted) for weighted in definition.loss.terms]
        extent = _Extent(
            sum(each.elements for each in extents),
            min((each.least for each in extents), default=1.0),
            max((each.greatest for each in extents), default=1.0),
        )
        if self._damaged(definition.span):
            extent = _Extent()
        before, self._elements = self._elements, self._elements + extent.elements
        if self._elements > MAX_ELEMENTS:
            if before <= MAX_ELEMENTS:
                message = f"with references multiplied out, a file names at most {MAX_ELEMENTS:,} elements"
                self._note("A2L038", message, definition.name_span, "name fewer, or split the file")
            extent = _Extent()
        first = self._defined.setdefault(definition.name, definition)
        self._extents.setdefault(definition.name, extent)
        if first is not definition and definition.loss.terms:
            message = f"the name `{definition.name}` is taken"
            fix = f"first defined in line {_place(first.span).line}; choose another name"
            self._note("A2L025", message, definition.name_span, fix)

    def _weighted(self, weighted: Weighted) -> _Extent:
        """Check one summand; what it amounts to."""
        if isinstance(weighted.term, Ref):
            inner = self._reference(weighted.term)
        else:
            self._comparison(weighted.term)
            inner = _Extent(max(1, len(weighted.term.source) + len(weighted.term.target)))
        weight = weighted.weight
        if not (weight > 0 and math.isfinite(weight)):
            message = f"the weight {weight!r} is not positive and finite"
            self._note("A2L037", message, weighted.span, "write a number above 0, or leave the term out")
            return _Extent(inner.elements)
        least, greatest = weight * inner.least, weight * inner.greatest
        if not (least > 0 and math.isfinite(greatest)):
            message = "with references multiplied out, a weight is no longer positive and finite"
            self._note("A2L037", message, weighted.span, "use weights nearer to 1")
            return _Extent(inner.elements)
        return _Extent(inner.elements, least, greatest)

    def _reference(self, ref: Ref) -> _Extent:
        extent = self._extents.get(ref.name)
        if extent is not None:
            return extent
        message = f"no loss `{ref.name}` is defined above this one"
        guess = near(ref.name, self._defined)
        if ref.name in OPERATORS:
            fix = f"`{ref.name}` is an operator: write {ref.name}({{ s[t] }} -> {{ s[t+1] }})"
        elif ref.name in self._everywhere:
            line = _place(self._everywhere[ref.name].span).line
            fix = f"it is defined in line {line}; a loss refers only to losses above it"
        elif guess is not None:
            fix = f"did you mean `{guess}`?"
        else:
            fix = "define it above, in this file"
        self._note("A2L026", message, ref.span, fix)
        return _Extent()

    def _comparison(self, term: Comparison) -> None:
        if term.operator not in OPERATORS:
            guess = near(term.operator, OPERATORS)
            fix = f"did you mean `{guess}`?" if guess else f"the operators are {', '.join(OPERATORS)}"
            where = _head(term.span, term.operator)
            self._note("A2L021", f"there is no operator `{term.operator}`", where, fix)
        sides = term.sides or (term.span, term.span)
        source = self._set("source", term.source, sides[0])
        target = self._set("target", term.target, sides[1])
        if source and not any(element.stream is Stream.STATE for element in term.source):
            message = "the source holds no state; no gradient would reach the encoder"
            self._note("A2L036", message, sides[0], "add one, e.g. s[t]")
        elif source and target:
            self._overlap(term)

    def _set(self, side: str, elements: tuple[Element, ...], place: Span | None) -> bool:
        """Check one set; False if something is wrong with it, so that nothing more is said about it."""
        if self._damaged(place):
            return False
        if not elements:
            self._note("A2L035", f"the {side} is empty", place, "put an element in it, e.g. s[t]")
            return False
        clean = True
        for element in {element.span or element: element for element in elements}.values():
            clean = self._view(element) and clean
        self._repeats(elements)
        return clean

    def _view(self, element: Element) -> bool:
        if element.view is None:
            return True
        where = _head(element.span, element.view)
        if element.view not in VIEWS:
            guess = near(element.view, VIEWS)
            fix = f"did you mean `{guess}`?" if guess else f"the views are {', '.join(VIEWS)}"
            self._note("A2L023", f"there is no view `{element.view}`", where, fix)
            return False
        if element.stream is not Stream.STATE:
            message = f"`{element.view}` is taken of a state, this is {_STREAM_WORDS[element.stream]}"
            self._note("A2L024", message, element.span, "name the element alone")
            return False
        return True

    def _repeats(self, elements: Iterable[Element]) -> None:
        seen: set[Element] = set()
        for element in elements:
            if element in seen and element.view is None:
                message = f"{_words([element])} is named twice in this set; it counts once"
                self._note("A2L102", message, element.span, "remove one")
                return
            seen.add(element)

    def _overlap(self, term: Comparison) -> None:
        both = {element for element in term.source if element.view is None}.intersection(term.target)
        if not both:
            return
        first = next(element for element in term.target if element in both)
        verb, pronoun = ("is", "it") if len(both) == 1 else ("are", "them")
        message = f"{_words(both)} {verb} in the source and in the target; the predictor can copy {pronoun}"
        self._note("A2L101", message, first.span, "allowed, as in a2_winner_v")

    def _damaged(self, place: Span | None) -> bool:
        """Whether an earlier diagnostic lies in this place."""
        if place is None:
            return False
        following = bisect_left(self._earlier, place.start)
        return following < len(self._earlier) and self._earlier[following] < place.end

    def _note(self, code: str, message: str, span: Span | None, fix: str) -> None:
        self.found.append(report(code, message, _place(span), fix))


def _place(span: Span | None) -> Span:
    """A tree that was built rather than parsed has no places; its diagnostics point at nothing."""
    return span or Span(Source("<tree>", ""), 0, 0)


def _head(span: Span | None, name: str) -> Span | None:
    """The name that a node begins with."""
    return span and Span(span.source, span.start, span.start + len(name))


def _words(elements: Iterable[Element]) -> str:
    return ", ".join(text for _, text in print_runs(canonical_set(elements)))

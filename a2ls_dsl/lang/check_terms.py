"""What a comparison must satisfy: its items, its sets, and then the rules of `rules.py`, with places."""

from __future__ import annotations

from collections.abc import Iterable

from a2ls_dsl.diagnostics import Span
from a2ls_dsl.lang.advice import Advice
from a2ls_dsl.lang.aliases import unknown_operator
from a2ls_dsl.lang.ast import Comparison, Item, Option
from a2ls_dsl.lang.canonical import SOURCE, TARGET
from a2ls_dsl.lang.check_heads import HeadChecker
from a2ls_dsl.lang.check_items import ItemChecker
from a2ls_dsl.lang.codes import Rule
from a2ls_dsl.lang.findings import Findings, head
from a2ls_dsl.lang.printer import stream_of
from a2ls_dsl.lang.rules import Parts, Place, Problem, Side, number_of_sets, problems
from a2ls_dsl.lang.types import trains_encoder
from a2ls_dsl.words.entry import Operator
from a2ls_dsl.words.language import Stream
from a2ls_dsl.words.registry import operators


class TermChecker:
    """Checks the terms of one definition."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._items = ItemChecker(findings)
        self._heads = HeadChecker(findings)
        self._advice = Advice(findings)

    def check(self, term: Comparison) -> bool:
        """Check one comparison; whether it is free of errors."""
        entry = operators.get(term.operator)
        if entry is None:
            fix = unknown_operator(term.operator, self._findings.few)
            message = f"there is no operator `{term.operator}`"
            self._findings.note(Rule.OPERATOR_UNKNOWN, message, head(term.span, term.operator), fix)
        elif self._noted(number_of_sets(entry, _written(term, entry)), term):
            return False
        one = entry.unary if entry else len(term.sides or (0, 0)) == 1
        source = self._set(Place.SOURCE, term)
        target = one or self._set(Place.TARGET, term)
        if not source or not self._gradient(term) or not target or entry is None:
            return False
        parts = Parts(
            entry,
            term.against_batch,
            term.options,
            Side.of(term.source, SOURCE),
            None if one else Side.of(term.target, TARGET),
        )
        clean = not self._noted(problems(parts), term) and self._heads.check(term, parts)
        if clean:
            self._advice.term(term, parts)
        return clean

    def finish(self) -> None:
        """What can be said once all terms were seen."""
        self._heads.finish()

    def _noted(self, found: Iterable[Problem], term: Comparison) -> bool:
        """Report the problems of a term, each at what it is about; whether there is one."""
        told = list(found)
        for problem in told:
            self._findings.note(problem.code, problem.message, _span(problem.about, term), problem.fix)
        return bool(told)

    def _set(self, side: Place, term: Comparison) -> bool:
        """Check one set; False if something is wrong with it, so that nothing more is said about it."""
        items, where = term.source if side is Place.SOURCE else term.target, _span(side, term)
        if self._findings.damaged(where):
            return False
        if not items:
            self._findings.note(
                Rule.SET_EMPTY, f"the {side} is empty", where, "put an element in it, e.g. s[t]"
            )
            return False
        clean = self._items.check(items)
        if clean:
            self._advice.set(items, SOURCE if side is Place.SOURCE else TARGET)
        return clean

    def _gradient(self, term: Comparison) -> bool:
        """Some state has to be encoded with gradient; the checks of the target may still fail."""
        if any(trains_encoder(item, SOURCE) for item in term.source):
            return True
        if any(trains_encoder(item, TARGET) for item in term.target):
            return True
        if any(stream_of(item) is Stream.STATE for item in term.source):
            message = "no state of the source is encoded with gradient; none would reach the encoder"
            fix = "leave one as it is, e.g. s[t]"
        else:
            message = "the source holds no state; no gradient would reach the encoder"
            fix = "add one, e.g. s[t]"
        self._findings.note(Rule.NO_GRADIENT, message, _span(Place.SOURCE, term), fix)
        return False


def _written(term: Comparison, entry: Operator) -> int:
    """How many sets a term is written with; one that was built has a target even if that is empty."""
    return len(term.sides) if term.sides else 2 if term.target or not entry.unary else 1


def _span(about: Item | Option | Place, term: Comparison) -> Span | None:
    """Where in a term what a problem is about stands."""
    first, *second = term.sides or (term.span, term.span)
    match about:
        case Place.SOURCE:
            return first
        case Place.TARGET:
            return second[0] if second else None
        case Place.NEGATIVES:
            return term.against_span or term.span
        case Place.TERM:
            return term.span
    return about.span

"""What a term must satisfy: its items, sets and shared head, and the rules of `comparison.py` with places."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from a2ls_dsl.diagnostics import Fix, Span
from a2ls_dsl.lang.messages.codes import Findings, Rule, head, place
from a2ls_dsl.lang.messages.unknown_names import unknown_operator
from a2ls_dsl.lang.rules.canonical import SOURCE, TARGET
from a2ls_dsl.lang.rules.comparison import number_of_sets, problems, row_words
from a2ls_dsl.lang.rules.items import ItemChecker
from a2ls_dsl.lang.rules.parts import Parts, Place, Problem, Side
from a2ls_dsl.lang.rules.types import Width, trains_encoder
from a2ls_dsl.lang.rules.warnings import Advice
from a2ls_dsl.lang.syntax.printer import print_option, stream_of
from a2ls_dsl.lang.syntax.tree import Comparison, Item, Option, number_of
from a2ls_dsl.words.entry import Operator
from a2ls_dsl.words.language import Stream
from a2ls_dsl.words.registry import operators


@dataclass(frozen=True)
class _Use:
    """A named head where it stands: its option, and the widths that it maps from and to."""

    option: Option
    source: tuple[Width, ...]
    target: tuple[Width, ...]
    bins: float


class HeadChecker:
    """Checks the heads of the terms of one definition that share names."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._heads: dict[str, list[_Use]] = {}

    def check(self, term: Comparison, parts: Parts) -> bool:
        """Check the named head of a term that is free of problems; whether it agrees with those before it."""
        option = next((option for option in parts.options if option.shared), None)
        if option is None or option.shared is None:
            return True
        use = _Use(option, *parts.rows, number_of(term, "bins", 1.0))
        uses = self._heads.setdefault(option.shared, [])
        uses.append(use)
        first = uses[0]
        line = place(first.option.span).line
        if use.option.value != first.option.value:
            message = f"the head `{option.shared}` is `{print_option(first.option)}` in line {line}"
            fix = Fix("write the same here, or another name", print_option(first.option))
            self._findings.note(Rule.SHARED_HEAD, message, option.span, fix)
            return False
        for what, here, there in (
            ("reads", (use.source, 1.0), (first.source, 1.0)),
            ("predicts", (use.target, use.bins), (first.target, first.bins)),
        ):
            if here != there:
                before, now = row_words(there[0]), row_words(here[0])
                message = f"the head `{option.shared}` {what} {before} in line {line}, here {now}"
                if before == now:
                    message = f"the head `{option.shared}` {what} other bins in line {line}"
                self._findings.note(
                    Rule.SHARED_HEAD, message, option.span, "use it for equal rows, or another name"
                )
                return False
        return True

    def finish(self) -> None:
        """Warn of names that only one term of the definition uses."""
        for name, uses in self._heads.items():
            if len(uses) == 1:
                message = f"the head `{name}` is named once; nothing shares it"
                fix = "name it in another term of this loss too, or leave out `as`"
                self._findings.note(Rule.HEAD_ONCE, message, uses[0].option.span, fix)


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

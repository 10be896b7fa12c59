"""What a term must satisfy: its items, sets and shared head, and the rules of `comparison.py` with places."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from a2ls_dsl.diagnostics import Fix, Span
from a2ls_dsl.lang.messages.codes import Findings, Rule, head, place
from a2ls_dsl.lang.messages.unknown_names import unknown_operator
from a2ls_dsl.lang.rules.canonical import SOURCE, TARGET
from a2ls_dsl.lang.rules.comparison import number_of_sets, problems
from a2ls_dsl.lang.rules.items import ItemChecker
from a2ls_dsl.lang.rules.types import Parts, Place, Problem, Side, Width, row_words, trains_encoder
from a2ls_dsl.lang.rules.warnings import Advice
from a2ls_dsl.lang.syntax.printer import print_map, print_option, stream_of
from a2ls_dsl.lang.syntax.tree import Call, Comparison, Head, Item, Option, map_of, number_of
from a2ls_dsl.words.entry import Operator
from a2ls_dsl.words.language import BINS, HEAD, TRANSITION, Stream
from a2ls_dsl.words.registry import heads, operators


@dataclass(frozen=True)
class _Use:
    """A named map where it stands: its option, and the widths that it maps from and to."""

    option: Option
    source: tuple[Width, ...]
    target: tuple[Width, ...]
    bins: float


class HeadChecker:
    """Checks the learned maps of the terms of one definition that share names."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._heads: dict[str, list[_Use]] = {}

    def check(self, term: Comparison, parts: Parts) -> bool:
        """Check the named maps of a term that is free of problems; whether they agree with those before."""
        named = [(option, option.shared) for option in parts.options if option.shared]
        agree = [self._agrees(option, name, _use(option, term, parts)) for option, name in named]
        return all(agree)

    def _agrees(self, option: Option, name: str, use: _Use) -> bool:
        uses = self._heads.setdefault(name, [])
        uses.append(use)
        first = uses[0]
        line = place(first.option.span).line
        if use.option.value != first.option.value:
            message = f"the {first.option.name} `{name}` is `{print_option(first.option)}` in line {line}"
            same = replace(first.option, name=option.name)
            mended = Fix("write the same here, or another name", print_option(same))
            return self._findings.refuse(Rule.SHARED_HEAD, message, option.span, mended)
        layered = isinstance(option.value, Call) and heads[option.value.name].layers
        for what, here, there in (
            ("reads", (use.source, 1.0), (first.source, 1.0)),
            ("predicts", (use.target, use.bins), (first.target, first.bins)),
        ):
            # Hidden layers are shared, and each kind of row has a last layer of its own.
            if here != there and not (layered and what == "predicts"):
                before, now = row_words(there[0]), row_words(here[0])
                message = f"the {option.name} `{name}` {what} {before} in line {line}, here {now}"
                if before == now:
                    message = f"the {option.name} `{name}` {what} other bins in line {line}"
                fix = "use it for equal rows, or another name"
                if what == "predicts":
                    fix += "; only hidden layers, as of mlp(256), can be shared by what predicts other rows"
                return self._findings.refuse(Rule.SHARED_HEAD, message, option.span, fix)
        return True

    def finish(self) -> None:
        """Warn of names that are used once in the definition."""
        for name, uses in self._heads.items():
            if len(uses) == 1:
                message = f"the {uses[0].option.name} `{name}` is named once; nothing shares it"
                fix = "name it in another term of this loss too, or leave out `as`"
                self._findings.note(Rule.NAMED_ONCE, message, uses[0].option.span, fix)


def _use(option: Option, term: Comparison, parts: Parts) -> _Use:
    """What a named map of a term reads and predicts, as widths."""
    if option.name == HEAD:
        return _Use(option, *parts.rows, number_of(term, BINS, 1.0))
    actions = (Width.ACTION,) * (option.name == TRANSITION)
    return _Use(option, (Width.LATENT, *actions), (Width.LATENT,), 1.0)


class TermChecker:
    """Checks the terms of one definition."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._items = ItemChecker(findings)
        self._heads = HeadChecker(findings)
        self._advice = Advice(findings)
        self._transitions: list[tuple[Head, Comparison]] = []

    def check(self, term: Comparison) -> bool:
        """Check one comparison; whether it is free of errors."""
        entry = operators.get(term.operator)
        if entry is None:
            fix = unknown_operator(term.operator, self._findings.few)
            message = f"there is no operator `{term.operator}`"
            self._findings.note(Rule.OPERATOR_UNKNOWN, message, head(term.span, term.operator), fix)
        elif self._noted(number_of_sets(entry, _written(term, entry)), term):
            return False
        unary = entry.unary if entry else len(term.sides or (0, 0)) == 1
        source = self._set(Place.SOURCE, term)
        target = unary or self._set(Place.TARGET, term)
        if not source or not self._gradient(term) or not target or entry is None:
            return False
        sides = Side.of(term.source, SOURCE), None if unary else Side.of(term.target, TARGET)
        parts = Parts(entry, term.against_batch, term.options, *sides)
        clean = not self._noted(problems(parts), term) and self._heads.check(term, parts)
        if clean:
            self._advice.term(term, parts)
            made = map_of(term, TRANSITION)
            self._transitions += [(made, term)] if made and parts.rolls else []
        return clean

    def finish(self) -> None:
        """What can be said once all terms were seen."""
        self._heads.finish()
        self._items.finish()
        for made, term in self._transitions[1:]:
            first, before = self._transitions[0]
            if made != first:
                here, there = (print_map(head.kind, head.layers) for head in (made, first))
                named = " of another name" if here == there else ""
                message = f"this rollout's transition is {here}{named}, that of line "
                message += f"{place(before.span).line} is {there}: these are two models"
                self._findings.note(Rule.TRANSITIONS, message, term.span, "give both the same")
                return

    def _noted(self, given: Iterable[Problem], term: Comparison) -> bool:
        """Report the problems of a term, each at what it is about; whether there is one."""
        reported = list(given)
        for problem in reported:
            self._findings.note(problem.code, problem.message, _span(problem.about, term), problem.fix)
        return bool(reported)

    def _set(self, side: Place, term: Comparison) -> bool:
        """Check one set; False if something is wrong with it, so that nothing more is said about it."""
        items, where = term.source if side is Place.SOURCE else term.target, _span(side, term)
        if self._findings.damaged(where):
            return False
        if not items:
            message, fix = f"the {side} is empty", "put an element in it, e.g. s[t]"
            return self._findings.refuse(Rule.SET_EMPTY, message, where, fix)
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
        return self._findings.refuse(Rule.NO_GRADIENT, message, _span(Place.SOURCE, term), fix)


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

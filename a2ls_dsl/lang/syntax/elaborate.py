"""From a loss file to the tree of its losses: steps become offsets, runs elements.

Whatever can't be written as a tree is noted and left out, so that one run over a file finds all of it.
"""

from __future__ import annotations

from a2ls_dsl.diagnostics import Diagnostic, LanguageError, Source, Span
from a2ls_dsl.lang.files import MAX_SIZE, too_large
from a2ls_dsl.lang.messages.codes import Findings, Rule
from a2ls_dsl.lang.rules.sums import NO_SCHEDULE, SCHEDULE_FIX, schedule_of
from a2ls_dsl.lang.syntax import surface
from a2ls_dsl.lang.syntax.items import ItemBuilder, Numbers
from a2ls_dsl.lang.syntax.parser import LOSSES, read
from a2ls_dsl.lang.syntax.tree import (
    Call,
    Comparison,
    Definition,
    Import,
    Item,
    Loss,
    LossFile,
    Option,
    Ref,
    Weight,
    Weighted,
)
from a2ls_dsl.words.language import SCHEDULE

EXAMPLE = "loss forward = mse({ s[t], a[t] } -> { s[t+1] })"


def parse(text: str, name: str = "<string>") -> LossFile:
    """The tree of a loss file, with places. Raises `LanguageError` with every mistake found."""
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
    findings = Findings()
    statements = read(source, LOSSES, findings)
    losses = LossBuilder(findings)
    definitions = tuple(losses.build(line) for line in statements if isinstance(line, surface.Equation))
    if not definitions and not findings.diagnostics:
        end = Span(source, len(source.text), len(source.text))
        findings.note(Rule.NO_LOSS, "there is no loss in this file", end, f"e.g. {EXAMPLE}")
    imports = tuple(line for line in statements if isinstance(line, Import))
    return LossFile(definitions, imports, Span(source, 0, len(source.text))), findings.diagnostics


class LossBuilder:
    """Builds the definitions of one file, and collects in `findings` what is wrong with them."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._numbers = Numbers(findings)
        self._items = ItemBuilder(findings)

    def build(self, equation: surface.Equation) -> Definition:
        """The definition that an equation of a loss file stands for."""
        name, body = equation.name, equation.body
        if isinstance(body, surface.Broken):
            return Definition(name.text, Loss(()), equation.span)
        parts = body.parts if isinstance(body, surface.Sum) else (body,)
        loss = Loss(tuple(map(self._weighted, parts)), body.span)
        return Definition(name.text, loss, equation.span, name_span=name.span)

    def _weighted(self, part: surface.Expression) -> Weighted:
        if not isinstance(part, surface.Scaled):
            return Weighted(1.0, self._term(part), part.span)
        weight = self._weight(part.weight)
        return Weighted(weight, self._term(part.body), part.span, weight_span=part.weight.span)

    def _weight(self, given: surface.Expression) -> Weight:
        if not isinstance(given, surface.Operation):
            value = self._numbers.value(given, Rule.WEIGHT)
            return 1.0 if value is None else value
        if given.name.text != SCHEDULE:
            message = f"there is no schedule `{given.name.text}`"
            self._findings.note(Rule.SCHEDULE, message, given.name.span, SCHEDULE_FIX)
            return 1.0
        values = self._numbers.values(given.arguments, Rule.SCHEDULE)
        if values is None:
            return 1.0
        schedule = schedule_of(values)
        if schedule is None:
            self._findings.note(Rule.SCHEDULE, NO_SCHEDULE, given.span, SCHEDULE_FIX)
        return schedule or 1.0

    def _term(self, term: surface.Expression) -> Comparison | Ref:
        if not isinstance(term, surface.Operation):
            return Ref(term.text if isinstance(term, surface.Name) else "", term.span)
        sets = [*term.arguments, *([term.target] if term.target else [])]
        sides = [self._set(items) for items in sets]
        options = tuple(option for option in map(self._option, term.options) if option)
        return Comparison(
            term.name.text,
            sides[0],
            sides[1] if len(sides) > 1 else (),
            term.negatives is not None,
            options,
            term.span,
            sides=tuple(items.span for items in sets),
            against_span=term.negatives.span if term.negatives else None,
        )

    def _set(self, items: surface.Expression) -> tuple[Item, ...]:
        written = items.items if isinstance(items, surface.Elements) else ()
        return tuple(item for part in written for item in self._items.build(part))

    def _option(self, setting: surface.Setting) -> Option | None:
        value: float | Call | None
        match setting.value:
            case surface.Name(head):
                value = Call(head)
            case surface.Operation(name, arguments):
                numbers = self._numbers.values(arguments, Rule.OPTION_VALUE)
                value = None if numbers is None else Call(name.text, numbers)
            case number:
                value = self._numbers.value(number, Rule.OPTION_VALUE)
        if value is None:
            return None
        shared = setting.shared.text if setting.shared else None
        return Option(setting.name.text, value, shared, setting.span)

"""From a loss file to the tree of its losses: steps become offsets, runs elements.

Whatever can't be written as a tree is noted and left out, so that one run over a file finds all of it.
"""

from __future__ import annotations

from collections.abc import Iterable

from a2ls_dsl.diagnostics import Diagnostic, Fix, LanguageError, Source, Span
from a2ls_dsl.lang.files import MAX_SIZE, too_large
from a2ls_dsl.lang.messages.codes import Findings, Rule
from a2ls_dsl.lang.rules.sums import NO_SCHEDULE, SCHEDULE_FIX, schedule_of
from a2ls_dsl.lang.syntax import surface
from a2ls_dsl.lang.syntax.items import MAX_ELEMENTS, SEQUENCES, Word, built, is_sound
from a2ls_dsl.lang.syntax.parser import LOSSES, read
from a2ls_dsl.lang.syntax.printer import print_step
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
    Return,
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
        self._elements = 0

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
            value = self._number(given, Rule.WEIGHT)
            return 1.0 if value is None else value
        if given.name.text != SCHEDULE:
            message = f"there is no schedule `{given.name.text}`"
            self._findings.note(Rule.SCHEDULE, message, given.name.span, SCHEDULE_FIX)
            return 1.0
        values = self._numbers(given.arguments, Rule.SCHEDULE)
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
        return tuple(item for part in written for item in self._items(part))

    def _items(self, item: surface.Item) -> list[Item]:
        """The items that a written one stands for: none if something is wrong with it."""
        numbers = [
            isinstance(part, surface.Number) and self._number(part, Rule.NUMBER_RANGE) is not None
            for call in surface.every(surface.Apply, item)
            for part in call.arguments
            if not isinstance(part, surface.Run | surface.Apply)
        ]
        if not is_sound(item, None, ({},), self._findings) or not all(numbers):
            return []
        ((_, items),) = built(item, _written, self._steps)
        if len(items) == 1 or not isinstance(item, surface.Apply) or item.function.text not in SEQUENCES:
            return items
        if isinstance(items[0], Return):
            message, place = "a return ends in one value", item.arguments[1].span
            fix = Fix.write(f"value(s[{print_step(items[0].last_reward + 1)}])")
            self._findings.note(Rule.RETURN, message, place, fix)
        else:
            message = "a rollout starts at one state"
            self._findings.note(Rule.ARGUMENTS, message, item.arguments[0].span, "e.g. s[t]")
        return []

    def _steps(self, run: surface.Run) -> range:
        """The offsets of a run, which count among the elements of the file."""
        first, last = run.first.at({}), run.last.at({})
        before, self._elements = self._elements, self._elements + last - first + 1
        if before <= MAX_ELEMENTS < self._elements:
            message = f"a file names at most {MAX_ELEMENTS:,} elements"
            self._findings.note(Rule.ELEMENTS, message, run.span, "split the file")
        # One element stands for a run that is too much, so that the set isn't called empty on top.
        return range(first, (last if self._elements <= MAX_ELEMENTS else first) + 1)

    def _option(self, setting: surface.Setting) -> Option | None:
        value: float | Call | None
        match setting.value:
            case surface.Name(head):
                value = Call(head)
            case surface.Operation(name, arguments):
                numbers = self._numbers(arguments, Rule.OPTION_VALUE)
                value = None if numbers is None else Call(name.text, numbers)
            case number:
                value = self._number(number, Rule.OPTION_VALUE)
        if value is None:
            return None
        shared = setting.shared.text if setting.shared else None
        return Option(setting.name.text, value, shared, setting.span)

    def _number(self, number: surface.Argument, rule: Rule) -> float | None:
        """The value of a number, or None after noting under a rule that it has none."""
        if not isinstance(number, surface.Number):
            raise TypeError("the syntax of loss files lets numbers stand here only")
        if number.fault is None:
            return number.value
        self._findings.note(rule, number.fault.message, number.span, number.fault.fix)
        return None

    def _numbers(self, numbers: Iterable[surface.Argument], rule: Rule) -> tuple[float, ...] | None:
        """The values of several numbers, or None if one of them has none."""
        values = [self._number(number, rule) for number in numbers]
        given = tuple(value for value in values if value is not None)
        return given if len(given) == len(values) else None


def _written(word: surface.Expression) -> list[Word]:
    """What stands for a function or a number of a loss file: itself."""
    return [Word((), word.value if isinstance(word, surface.Number) else Call(getattr(word, "text", "")))]

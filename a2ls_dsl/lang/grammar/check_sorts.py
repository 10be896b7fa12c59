"""What every rule of a grammar stands for, and whether each part stands where its sort belongs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

from a2ls_dsl.diagnostics import Diagnostic, Fix, RuleTable, Span
from a2ls_dsl.lang.messages.codes import Findings, GrammarRule
from a2ls_dsl.lang.messages.unknown_names import (
    LISTED,
    suggestion,
    unknown_function,
    unknown_operator,
    unknown_option,
)
from a2ls_dsl.lang.syntax import surface
from a2ls_dsl.words import PAPER_OPERATORS
from a2ls_dsl.words.entry import MAX_LAYERS, Kind
from a2ls_dsl.words.language import SCHEDULE
from a2ls_dsl.words.maps import MAPS
from a2ls_dsl.words.registry import functions, heads, operators


class Sort(StrEnum):
    """What an expression stands for."""

    LOSS = "a loss"
    OPERATOR = "an operator"
    NEGATIVES = "`against batch` or `none`"
    SET = "a set"
    FUNCTION = "a function"
    NUMBER = "a number"
    WEIGHT = "a weight"
    HEAD = "a head"
    NOTHING = "`none`"


_EXAMPLES = {
    Sort.LOSS: "operator(source -> target)",
    Sort.OPERATOR: f"{', '.join(PAPER_OPERATORS)}, or a rule made of them",
    Sort.NEGATIVES: "`against batch`, `none` or a rule made of them",
    Sort.SET: "{ ... }, some of { ... } or a rule made of them",
    Sort.FUNCTION: "a view, an encoder, a normaliser, `none` or a rule made of them",
    Sort.NUMBER: "a number, (1 | 2) or a rule made of them",
    Sort.WEIGHT: "a number, linear(0.0, 1.0, 100000) or a rule made of them",
    Sort.HEAD: "predictor, none, linear, mlp(256) or a rule made of them",
}

_EMPTY = (Sort.NEGATIVES, Sort.FUNCTION, Sort.HEAD)
"""The sorts that `none` is one of."""


def check_sorts(
    rules: Mapping[str, surface.Equation], order: Sequence[str], bounds: Sequence[surface.Bound]
) -> list[Diagnostic]:
    """What stands in a wrong place. `order`: the rules, each behind all it refers to but bounded ones."""
    sorts = _Sorts(rules)
    for _ in range(2):  # bounded rules may stand before what they refer to; the second round knows them all
        sorts.findings = Findings(of_grammar=True)
        for name in order:
            sorts.sorts[name] = sorts.of(rules[name].body)
    if "loss" in rules:
        sorts.expect(rules["loss"].body, sorts.sorts["loss"], Sort.LOSS)
    for bound in bounds:
        if sorts.sorts.get(bound.rule.text) not in (Sort.LOSS, None):
            message = f"`{bound.rule.text}` is no sum of losses, only those are bounded"
            sorts.note(GrammarRule.BOUND, message, bound.rule.span, "remove the line")
    return list(dict.fromkeys(sorts.findings.diagnostics))


class _Sorts:
    """Infers what each rule stands for. A name that was complained about has no sort, and fits anywhere."""

    def __init__(self, rules: Mapping[str, surface.Equation]) -> None:
        self.rules = rules
        self.sorts: dict[str, Sort | None] = {}
        self.findings = Findings(of_grammar=True)

    def of(self, expression: surface.Expression) -> Sort | None:
        """The sort of an expression; complains about what is inside it."""
        match expression:
            case surface.Name(text, span=span):
                return self.of_name(text, span)
            case surface.Elements(items):
                if not items:
                    message, fix = "this set holds nothing", "put an element in it, e.g. s[t]"
                    self.note(GrammarRule.SIDE_EMPTY, message, expression.span, fix)
                for item in items:
                    self.item(item)
                return Sort.SET
            case surface.Number(_, fault, span=span):
                if fault:
                    self.note(GrammarRule.NUMBER_RANGE, fault.message, span, fault.fix)
                return Sort.NUMBER
            case surface.Nothing():
                return Sort.NOTHING
            case surface.Broken():
                return None
            case surface.Against():
                return Sort.NEGATIVES
            case surface.Both(parts):
                for part in parts:
                    self.fit(part, Sort.SET)
                return Sort.SET
            case surface.Optional(inner):
                return self.optional(inner)
            case surface.Choice(alternatives):
                return self.choice(alternatives)
            case surface.Sum():
                return self.sum(expression)
            case surface.Scaled(weight, body):
                self.fit(weight, Sort.WEIGHT)
                self.fit(body, Sort.LOSS)
                return Sort.LOSS
            case surface.Operation():
                return self.call(expression)

    def choice(self, alternatives: Sequence[surface.Expression]) -> Sort | None:
        sorts = [self.of(alternative) for alternative in alternatives]
        proper = [sort for sort in sorts if sort not in (None, Sort.NOTHING)]
        first = next(iter(proper), None)
        if first is None:
            return Sort.NOTHING if Sort.NOTHING in sorts else None
        if first is Sort.NUMBER and Sort.WEIGHT in proper:
            first = Sort.WEIGHT
        for alternative, sort in zip(alternatives, sorts, strict=True):
            self.expect(alternative, sort, first)
        return first

    def sum(self, expression: surface.Sum) -> Sort:
        """Terms, of which those in brackets may be left out."""
        for part in expression.parts:
            self.fit(part.inner if isinstance(part, surface.Optional) else part, Sort.LOSS)
        return Sort.LOSS

    def optional(self, inner: surface.Expression) -> Sort | None:
        sort = self.of(inner)
        if sort is Sort.LOSS:
            message = "a loss can be left out of a sum only"
            fix = "write x + [ y ], or leave out the brackets"
            self.note(GrammarRule.OPTIONAL_LOSS, message, inner.span, fix)
            return None
        return self.expect(inner, sort, Sort.SET, Sort.NEGATIVES, Sort.FUNCTION)

    def call(self, call: surface.Operation) -> Sort | None:
        name = call.name.text
        if name in functions or name in heads or name == SCHEDULE:
            return self.numbers(call)
        self.fit(call.name, Sort.OPERATOR)
        for argument in call.arguments:
            self.fit(argument, Sort.SET)
        if call.arguments[1:]:
            fix = f"write {name}(source -> target)"
            self.note(GrammarRule.KIND, "an operator compares two sets with `->`", call.span, fix)
        if call.target:
            self.fit(call.target, Sort.SET)
        if call.negatives:
            self.fit(call.negatives, Sort.NEGATIVES)
        self.options(call)
        return Sort.LOSS

    def options(self, call: surface.Operation) -> None:
        seen: set[str] = set()
        sorts = dict.fromkeys(MAPS, Sort.HEAD)
        sorts |= {option.name: Sort.NUMBER for entry in operators.values() for option in entry.options}
        for option in call.options:
            name = option.name.text
            if name in seen:
                self.note(GrammarRule.OPTION, f"`{name}` is given twice", option.span, "remove one")
            elif name not in sorts:
                fix = unknown_option(name, sorts, listed=f"there is {', '.join(sorts)}")
                self.note(GrammarRule.OPTION, f"there is no option `{name}`", option.name.span, fix)
            else:
                self.fit(option.value, sorts[name])
            seen.add(name)

    def numbers(self, call: surface.Operation) -> Sort | None:
        """A function, a head or a schedule with its numbers."""
        name, count = call.name.text, len(call.arguments)
        if call.target or isinstance(call.arguments[0], surface.Elements):
            fix = unknown_operator(name)
            self.note(GrammarRule.NAME_UNKNOWN, f"`{name}` is no operator", call.name.span, fix)
            return None
        for argument in call.arguments:
            self.fit(argument, Sort.NUMBER)
        more = call.negatives or (call.options[0] if call.options else None)
        if more is not None:
            self.note(GrammarRule.KIND, f"`{name}` takes numbers only", more.span, "remove this")
        if name in heads and heads[name].layers and count <= MAX_LAYERS:
            return Sort.HEAD
        if name == SCHEDULE and count == 3:
            return Sort.WEIGHT
        entry = functions.get(name)
        if entry and entry.kind is not Kind.SEQUENCE and count <= len(entry.parameters):
            return Sort.FUNCTION
        fix = f"e.g. {entry.example}" if entry else "e.g. mlp(256), linear(0.0, 1.0, 100000)"
        self.note(GrammarRule.NUMBER_RANGE, f"`{name}` does not take {count} numbers", call.span, fix)
        return None

    def item(self, item: surface.Item) -> None:
        """Functions of elements, and the numbers behind them."""
        for call in surface.every(surface.Apply, item):
            name, span = call.function.text, call.function.span
            rule = name in self.rules and name not in functions
            if rule:
                self.expect(call.function, self.sorts.get(name), Sort.FUNCTION)
            elif name not in functions:
                message, fix = f"there is no function `{name}`", unknown_function(name, guess=self.few)
                self.note(GrammarRule.FUNCTION, message, span, fix)
            for argument in call.arguments:
                if not isinstance(argument, surface.Run | surface.Apply):
                    self.fit(argument, Sort.NUMBER)
                    if rule:
                        message = f"numbers stand with the functions that the rule `{name}` lists"
                        self.note(GrammarRule.FUNCTION, message, argument.span, "e.g. view = none | shift(4)")

    def of_name(self, name: str, span: Span) -> Sort | None:
        if name in operators:
            return Sort.OPERATOR
        if name in functions:
            if functions[name].kind is Kind.SEQUENCE:
                example = functions[name].example
                message = f"`{name}` is no function of one element"
                self.note(GrammarRule.FUNCTION, message, span, f"write it out, e.g. {example}")
                return None
            return Sort.FUNCTION
        if name in heads:
            return Sort.HEAD
        if name in self.rules:
            return self.sorts.get(name)
        names = [*(rule for rule in self.rules if rule != "loss"), *operators, *functions]
        message, fix = f"there is no rule and no operator `{name}`", suggestion(name, names, guess=self.few)
        self.note(GrammarRule.NAME_UNKNOWN, message, span, fix)
        return None

    @property
    def few(self) -> bool:
        """Whether to look for near names: that takes long in a long file, and nobody reads so many."""
        return len(self.findings.diagnostics) < LISTED

    def note(self, rule: RuleTable, message: str, span: Span, fix: str | Fix) -> None:
        """Complain about a place."""
        self.findings.note(rule, message, span, fix)

    def fit(self, expression: surface.Expression, *wanted: Sort) -> Sort | None:
        """The sort of an expression; complains unless it is a wanted one."""
        return self.expect(expression, self.of(expression), *wanted)

    def expect(self, expression: surface.Expression, sort: Sort | None, *wanted: Sort) -> Sort | None:
        if sort is None or sort in wanted:
            return sort
        if sort is Sort.NOTHING and not set(wanted).isdisjoint(_EMPTY):
            return next(sort for sort in wanted if sort in _EMPTY)
        if sort is Sort.NUMBER and Sort.WEIGHT in wanted:
            return Sort.WEIGHT
        message = f"this is {sort}, but {' or '.join(wanted)} belongs here"
        self.note(GrammarRule.KIND, message, expression.span, f"write {_EXAMPLES[wanted[0]]}")
        return None

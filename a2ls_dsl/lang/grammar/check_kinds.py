"""What every rule of a grammar stands for, and whether each part stands where its kind belongs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

from a2ls_dsl.diagnostics import Diagnostic, Span
from a2ls_dsl.lang.grammar import tree
from a2ls_dsl.lang.grammar.codes import Rule, error
from a2ls_dsl.lang.messages.unknown_names import (
    LISTED,
    suggestion,
    unknown_function,
    unknown_operator,
    unknown_option,
)
from a2ls_dsl.words import PAPER_OPERATORS
from a2ls_dsl.words.entry import MAX_LAYERS
from a2ls_dsl.words.entry import Kind as FunctionKind
from a2ls_dsl.words.language import HEAD, SCHEDULE
from a2ls_dsl.words.registry import functions, heads, operators


class Kind(StrEnum):
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
    Kind.LOSS: "operator(source -> target)",
    Kind.OPERATOR: f"{', '.join(PAPER_OPERATORS)}, or a rule made of them",
    Kind.NEGATIVES: "`against batch`, `none` or a rule made of them",
    Kind.SET: "{ ... }, some of { ... } or a rule made of them",
    Kind.FUNCTION: "a view, an encoder, a normaliser, `none` or a rule made of them",
    Kind.NUMBER: "a number, (1 | 2) or a rule made of them",
    Kind.WEIGHT: "a number, linear(0.0, 1.0, 100000) or a rule made of them",
    Kind.HEAD: "predictor, none, linear, mlp(256) or a rule made of them",
}

_EMPTY = (Kind.NEGATIVES, Kind.FUNCTION, Kind.HEAD)
"""The kinds that `none` is one of."""


def check_kinds(
    rules: Mapping[str, tree.Rule], order: Sequence[str], bounds: Sequence[tree.Bound]
) -> list[Diagnostic]:
    """What stands in a wrong place. `order`: the rules, each behind all it refers to but bounded ones."""
    kinds = _Kinds(rules)
    for _ in range(2):  # bounded rules may stand before what they refer to; the second round knows them all
        kinds.found = []
        for name in order:
            kinds.kinds[name] = kinds.of(rules[name].body)
    if "loss" in rules:
        kinds.expect(rules["loss"].body, kinds.kinds["loss"], Kind.LOSS)
    for bound in bounds:
        if kinds.kinds.get(bound.rule.text) not in (Kind.LOSS, None):
            message = f"`{bound.rule.text}` is no sum of losses, only those are bounded"
            kinds.found.append(error(Rule.BOUND, message, bound.rule.span, "remove the line"))
    return list(dict.fromkeys(kinds.found))


class _Kinds:
    """Infers what each rule stands for. A name that was complained about has no kind, and fits anywhere."""

    def __init__(self, rules: Mapping[str, tree.Rule]) -> None:
        self.rules = rules
        self.kinds: dict[str, Kind | None] = {}
        self.found: list[Diagnostic] = []

    def of(self, expression: tree.Expression) -> Kind | None:
        """The kind of an expression; complains about what is inside it."""
        match expression:
            case tree.Name(text, span):
                return self.of_name(text, span)
            case tree.Elements(items):
                for item in items:
                    self.item(item)
                return Kind.SET
            case tree.Number():
                return Kind.NUMBER
            case tree.Nothing():
                return Kind.NOTHING
            case tree.Broken():
                return None
            case tree.Against():
                return Kind.NEGATIVES
            case tree.Both(parts):
                for part in parts:
                    self.fit(part, Kind.SET)
                return Kind.SET
            case tree.Optional(inner):
                return self.optional(inner)
            case tree.Choice(alternatives):
                return self.choice(alternatives)
            case tree.Sum():
                return self.sum(expression)
            case tree.Scaled(weight, body):
                self.fit(weight, Kind.WEIGHT)
                self.fit(body, Kind.LOSS)
                return Kind.LOSS
            case tree.Call():
                return self.call(expression)

    def choice(self, alternatives: Sequence[tree.Expression]) -> Kind | None:
        kinds = [self.of(each) for each in alternatives]
        known = [kind for kind in kinds if kind not in (None, Kind.NOTHING)]
        first = next(iter(known), None)
        if first is None:
            return Kind.NOTHING if Kind.NOTHING in kinds else None
        if first is Kind.NUMBER and Kind.WEIGHT in known:
            first = Kind.WEIGHT
        for each, kind in zip(alternatives, kinds, strict=True):
            self.expect(each, kind, first)
        return first

    def sum(self, expression: tree.Sum) -> Kind:
        """Terms, of which those in brackets may be left out."""
        for part in expression.parts:
            self.fit(part.inner if isinstance(part, tree.Optional) else part, Kind.LOSS)
        return Kind.LOSS

    def optional(self, inner: tree.Expression) -> Kind | None:
        kind = self.of(inner)
        if kind is Kind.LOSS:
            message = "a loss can be left out of a sum only"
            self.found.append(
                error(
                    Rule.OPTIONAL_LOSS,
                    message,
                    inner.span,
                    "write x + [ y ], or leave out the brackets",
                )
            )
            return None
        return self.expect(inner, kind, Kind.SET, Kind.NEGATIVES, Kind.FUNCTION)

    def call(self, call: tree.Call) -> Kind | None:
        name = call.name.text
        if name in functions or name in heads or name == SCHEDULE:
            return self.numbers(call)
        self.fit(call.name, Kind.OPERATOR)
        for each in call.arguments:
            self.fit(each, Kind.SET)
        if call.arguments[1:]:
            fix = f"write {name}(source -> target)"
            self.found.append(error(Rule.KIND, "an operator compares two sets with `->`", call.span, fix))
        if call.target:
            self.fit(call.target, Kind.SET)
        if call.negatives:
            self.fit(call.negatives, Kind.NEGATIVES)
        self.options(call)
        return Kind.LOSS

    def options(self, call: tree.Call) -> None:
        seen: set[str] = set()
        known = {
            HEAD: Kind.HEAD,
            **{o.name: Kind.NUMBER for each in operators.values() for o in each.options},
        }
        for option in call.options:
            name = option.name.text
            if name in seen:
                self.found.append(error(Rule.OPTION, f"`{name}` is given twice", option.span, "remove one"))
            elif name not in known:
                fix = unknown_option(name, known, listed=f"there is {', '.join(known)}")
                self.found.append(error(Rule.OPTION, f"there is no option `{name}`", option.name.span, fix))
            else:
                self.fit(option.value, known[name])
            seen.add(name)

    def numbers(self, call: tree.Call) -> Kind | None:
        """A function, a head or a schedule with its numbers."""
        name, count = call.name.text, len(call.arguments)
        if call.target or isinstance(call.arguments[0], tree.Elements):
            fix = unknown_operator(name)
            self.found.append(error(Rule.NAME_UNKNOWN, f"`{name}` is no operator", call.name.span, fix))
            return None
        for each in call.arguments:
            self.fit(each, Kind.NUMBER)
        more = call.negatives or (call.options[0] if call.options else None)
        if more is not None:
            self.found.append(error(Rule.KIND, f"`{name}` takes numbers only", more.span, "remove this"))
        if name in heads and heads[name].layers and count <= MAX_LAYERS:
            return Kind.HEAD
        if name == SCHEDULE and count == 3:
            return Kind.WEIGHT
        known = functions.get(name)
        if known and known.kind is not FunctionKind.SEQUENCE and count <= len(known.parameters):
            return Kind.FUNCTION
        fix = f"e.g. {known.example}" if known else "e.g. mlp(256), linear(0.0, 1.0, 100000)"
        self.found.append(error(Rule.NUMBER_RANGE, f"`{name}` does not take {count} numbers", call.span, fix))
        return None

    def item(self, item: tree.Item) -> None:
        """Functions of elements, and the numbers behind them."""
        for call in tree.applied(item):
            name, span = call.function.text, call.function.span
            rule = name in self.rules and name not in functions
            if rule:
                self.expect(call.function, self.kinds.get(name), Kind.FUNCTION)
            elif name not in functions:
                self.found.append(
                    error(
                        Rule.FUNCTION,
                        f"there is no function `{name}`",
                        span,
                        unknown_function(name, guess=self.few),
                    )
                )
            for each in call.arguments:
                if not isinstance(each, tree.Run | tree.Apply):
                    self.fit(each, Kind.NUMBER)
                    if rule:
                        message = f"numbers stand with the functions that the rule `{name}` lists"
                        self.found.append(
                            error(Rule.FUNCTION, message, each.span, "e.g. view = none | shift(4)")
                        )

    def of_name(self, name: str, span: Span) -> Kind | None:
        if name in operators:
            return Kind.OPERATOR
        if name in functions:
            if functions[name].kind is FunctionKind.SEQUENCE:
                example = functions[name].example
                message = f"`{name}` is no function of one element"
                self.found.append(error(Rule.FUNCTION, message, span, f"write it out, e.g. {example}"))
                return None
            return Kind.FUNCTION
        if name in heads:
            return Kind.HEAD
        if name in self.rules:
            return self.kinds.get(name)
        names = [*(rule for rule in self.rules if rule != "loss"), *operators, *functions]
        self.found.append(
            error(
                Rule.NAME_UNKNOWN,
                f"there is no rule and no operator `{name}`",
                span,
                suggestion(name, names, guess=self.few),
            )
        )
        return None

    @property
    def few(self) -> bool:
        """Whether to look for near names: that takes long in a long file, and nobody reads so many."""
        return len(self.found) < LISTED

    def fit(self, expression: tree.Expression, *wanted: Kind) -> Kind | None:
        """The kind of an expression; complains unless it is a wanted one."""
        return self.expect(expression, self.of(expression), *wanted)

    def expect(self, expression: tree.Expression, kind: Kind | None, *wanted: Kind) -> Kind | None:
        if kind is None or kind in wanted:
            return kind
        if kind is Kind.NOTHING and any(each in _EMPTY for each in wanted):
            return next(each for each in wanted if each in _EMPTY)
        if kind is Kind.NUMBER and Kind.WEIGHT in wanted:
            return Kind.WEIGHT
        message = f"this is {kind}, but {' or '.join(wanted)} belongs here"
        self.found.append(error(Rule.KIND, message, expression.span, f"write {_EXAMPLES[wanted[0]]}"))
        return None

"""What the parser cannot see: do the names exist, do the kinds fit, are the steps inside the window."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from graphlib import CycleError, TopologicalSorter

from a2ls_dsl.diagnostics import Diagnostic, Span, near
from a2ls_dsl.lang.ast import MAX_OFFSET, Stream
from a2ls_dsl.lang.grammar import tree
from a2ls_dsl.lang.grammar.codes import error, warning
from a2ls_dsl.lang.grammar.forms import SIDES
from a2ls_dsl.lang.grammar.parse import WORDS
from a2ls_dsl.lang.operators import PAPER_OPERATORS

STREAM_WORDS = {"state": Stream.STATE, "action": Stream.ACTION, "reward": Stream.REWARD, "element": None}
"""What a `require` line may ask for; an element is of any stream."""

STREAMS = (Stream.STATE, Stream.ACTION, Stream.REWARD)
"""The streams of the losses that a grammar describes."""

VIEWS = ("crop",)
"""The views of the losses that a grammar describes."""

_SHOWN = 12
"""How many names a message lists."""


class Kind(StrEnum):
    """What an expression stands for."""

    LOSS = "a loss"
    OPERATOR = "an operator"
    NEGATIVES = "`against batch` or `none`"
    SET = "a set"


_EXAMPLES = {
    Kind.LOSS: "operator(source -> target)",
    Kind.OPERATOR: f"{', '.join(PAPER_OPERATORS)}, or a rule made of them",
    Kind.NEGATIVES: "`against batch`, `none` or a rule made of them",
    Kind.SET: "{ ... }, some of { ... } or a rule made of them",
}


def check(file: tree.GrammarFile) -> list[Diagnostic]:
    """All findings about the names, kinds and steps of a grammar, in the order of the text."""
    rules: dict[str, tree.Rule] = {}
    for rule in file.rules:
        rules.setdefault(rule.name.text, rule)
    found = [*_horizons(file), *_rule_names(file), *_requires(file)]
    for rule in file.rules:
        for part in walk(rule.body):
            if isinstance(part, tree.Elements):
                found += [each for item in part.items for each in _item(item, file)]
    try:
        order = ordered(rules)
    except CycleError as cycle:
        found.append(_recursion(rules, cycle.args[1]))
    else:
        found += _Kinds(rules).check([rules[name] for name in order])
    if not found:  # a rule may seem unused only because its name was misspelled where it is used
        found += _unused(file)
    return sorted(found, key=lambda each: each.span.start)


def walk(expression: tree.Expression) -> Iterator[tree.Expression]:
    """An expression and everything inside it."""
    waiting = [expression]
    while waiting:
        yield (each := waiting.pop())
        waiting += reversed(tree.parts(each))


def uses(rule: tree.Rule) -> list[tree.Name]:
    """The names of rules and operators that a rule's body holds."""
    return [part for part in walk(rule.body) if isinstance(part, tree.Name)]


def ordered(rules: Mapping[str, tree.Rule]) -> list[str]:
    """The rules' names, each behind all that it refers to. Raises CycleError."""
    graph = {name: [use.text for use in uses(rule) if use.text in rules] for name, rule in rules.items()}
    return list(TopologicalSorter(graph).static_order())


def guess(name: str, choices: Iterable[str]) -> str:
    """A fix for a name that does not exist."""
    known = list(dict.fromkeys(choices))
    close = near(name, known)
    more = ", ..." if len(known) > _SHOWN else ""
    return f"did you mean `{close}`?" if close else f"there is {', '.join(known[:_SHOWN])}{more}"


def _horizons(file: tree.GrammarFile) -> Iterator[Diagnostic]:
    given = file.horizons
    if given is None:
        return
    if given.parameter.text == "t":
        yield error(
            "A2L207", "`t` is the present step, not a parameter", given.parameter.span, "use another, as k"
        )
    if given.last < given.first:
        fix = f"write {given.last}..{given.first}"
        yield error("A2L211", f"no number lies in {given.first}..{given.last}", given.span, fix)
    if max(given.first, given.last) > MAX_OFFSET:
        yield error("A2L213", f"no horizon is longer than {MAX_OFFSET}", given.span, "shorten the range")


def _rule_names(file: tree.GrammarFile) -> Iterator[Diagnostic]:
    seen: set[str] = set()
    for rule in file.rules:
        name, span = rule.name.text, rule.name.span
        if name in seen:
            yield error("A2L206", f"the rule `{name}` is defined above", span, "join both with `|`")
        elif name in WORDS or name in PAPER_OPERATORS:
            what = "an operator" if name in PAPER_OPERATORS else "a word of the language"
            yield error("A2L207", f"`{name}` is {what}, no rule can have its name", span, "rename the rule")
        seen.add(name)
    if "loss" not in seen:
        fix = "add a line such as `loss = mse(source -> target)`"
        yield error("A2L208", "no rule `loss` says what a loss is", file.name.span, fix)


def _requires(file: tree.GrammarFile) -> Iterator[Diagnostic]:
    for line in file.requires:
        for word, known in ((line.what, STREAM_WORDS), (line.side, SIDES)):
            if word.text not in known:
                message = f"`require` does not know `{word.text}`"
                yield error("A2L215", message, word.span, guess(word.text, known))


def _item(item: tree.Item, file: tree.GrammarFile) -> Iterator[Diagnostic]:
    stream, view = item.stream, item.view
    if stream.text not in STREAMS:
        fix = "the streams are s (states), a (actions), r (rewards)"
        yield error("A2L203", f"there is no stream `{stream.text}`", stream.span, fix)
    if view and view.text not in VIEWS:
        yield error("A2L204", f"there is no view `{view.text}`", view.span, guess(view.text, VIEWS))
    elif view and stream.text in (Stream.ACTION, Stream.REWARD):
        message = f"`{view.text}` is a view of states, not of `{stream.text}`"
        yield error("A2L204", message, item.span, "only states are augmented")
    names = [*_step_names(item.first, file), *_step_names(item.last, file)]
    yield from dict.fromkeys(names)
    if not names and not list(_horizons(file)):
        yield from _run(item, file)


def _step_names(step: tree.Step, file: tree.GrammarFile) -> Iterator[Diagnostic]:
    if step.base.text != "t":
        message = f"a step counts from t, not from `{step.base.text}`"
        yield error("A2L205", message, step.base.span, "write t, t+1, ...")
    parameter = file.horizons.parameter.text if file.horizons else None
    for name in step.parameters:
        if name.text != parameter:
            fix = f"the parameter is {parameter}" if parameter else "the grammar has no `for ... in ...`"
            yield error("A2L205", f"there is no parameter `{name.text}`", name.span, fix)


def _run(item: tree.Item, file: tree.GrammarFile) -> Iterator[Diagnostic]:
    """Steps are linear in the horizon, so the first and last horizon tell about all between."""
    for horizon in (file.range[0], file.range[-1]):
        first, last = item.first.at(horizon), item.last.at(horizon)
        where = f" for {file.horizons.parameter.text} = {horizon}" if file.horizons else ""
        if min(first, last) < 0:
            place = item.first.span if first < 0 else item.last.span
            message = f"steps start at t; this one is t{min(first, last)}{where}"
            yield error("A2L212", message, place, "shift every step of the loss by one or more")
        elif max(first, last) > MAX_OFFSET:
            message = f"this step is t+{max(first, last)}{where}; the last one possible is t+{MAX_OFFSET}"
            yield error("A2L213", message, item.span, "use smaller offsets")
        elif last < first:
            message = f"the run t+{first}..t+{last} is empty{where}"
            yield error("A2L214", message, item.span, "let the run end where it starts or later")
        else:
            continue
        return  # one finding an item is enough


def _recursion(rules: Mapping[str, tree.Rule], cycle: list[str]) -> Diagnostic:
    # Told from the rule that stands first in the file, so that the message does not depend on the search.
    names = cycle[:-1]
    first = min(range(len(names)), key=lambda i: rules[names[i]].name.span.start)
    path = [*names[first:], *names[:first], names[first]]
    path = path if any(use.text == path[1] for use in uses(rules[path[0]])) else path[::-1]
    shown = path if len(path) <= _SHOWN else [*path[: _SHOWN - 2], "...", path[-1]]
    message = f"rules must not be recursive: {' -> '.join(shown)}"
    use = next(use for use in uses(rules[path[0]]) if use.text == path[1])
    return error("A2L209", message, use.span, "a search space is finite; list the alternatives")


def _unused(file: tree.GrammarFile) -> Iterator[Diagnostic]:
    used = {use.text for rule in file.rules for use in uses(rule)} | {"loss"}
    for rule in file.rules:
        if rule.name.text not in used:
            message = f"the rule `{rule.name.text}` is never used"
            yield warning("A2L251", message, rule.name.span, "remove it, or refer to it")


class _Kinds:
    """Infers what each rule stands for. A name that was complained about has no kind, and fits anywhere."""

    def __init__(self, rules: Mapping[str, tree.Rule]) -> None:
        self.rules = rules
        self.kinds: dict[str, Kind | None] = {}
        self.found: list[Diagnostic] = []

    def check(self, rules: list[tree.Rule]) -> list[Diagnostic]:
        for rule in rules:
            self.kinds[rule.name.text] = self.of(rule.body)
        if "loss" in self.rules and self.kinds["loss"] not in (Kind.LOSS, None):
            self.expect(self.rules["loss"].body, self.kinds["loss"], Kind.LOSS)
        return self.found

    def of(self, expression: tree.Expression) -> Kind | None:
        """The kind of an expression; complains about what is inside it."""
        match expression:
            case tree.Name(text, span):
                return self.of_name(text, span)
            case tree.Elements():
                return Kind.SET
            case tree.Nothing() | tree.Against():
                return Kind.NEGATIVES
            case tree.Both(parts):
                for part in parts:
                    self.fit(part, Kind.SET)
                return Kind.SET
            case tree.Optional(inner):
                return self.fit(inner, Kind.SET, Kind.NEGATIVES)
            case tree.Choice(alternatives):
                kinds = [self.of(each) for each in alternatives]
                first = next(filter(None, kinds), None)
                for each, kind in zip(alternatives, kinds, strict=True):
                    if first:
                        self.expect(each, kind, first)
                return first
            case tree.Call(operator, source, target, negatives):
                self.fit(operator, Kind.OPERATOR)
                self.fit(source, Kind.SET)
                self.fit(target, Kind.SET)
                if negatives:
                    self.fit(negatives, Kind.NEGATIVES)
        return Kind.LOSS

    def of_name(self, name: str, span: Span) -> Kind | None:
        if name in PAPER_OPERATORS:
            return Kind.OPERATOR
        if name in self.rules:
            return self.kinds[name]
        # Looking for near names takes long in a long file, and nobody reads that many suggestions.
        fix = (
            guess(name, [*(rule for rule in self.rules if rule != "loss"), *PAPER_OPERATORS])
            if len(self.found) < _SHOWN
            else ""
        )
        self.found.append(error("A2L202", f"there is no rule and no operator `{name}`", span, fix))
        return None

    def fit(self, expression: tree.Expression, *wanted: Kind) -> Kind | None:
        """The kind of an expression; complains unless it is a wanted one."""
        return self.expect(expression, self.of(expression), *wanted)

    def expect(self, expression: tree.Expression, kind: Kind | None, *wanted: Kind) -> Kind | None:
        if kind is None or kind in wanted:
            return kind
        message = f"this is {kind}, but {' or '.join(wanted)} belongs here"
        self.found.append(error("A2L210", message, expression.span, f"write {_EXAMPLES[wanted[0]]}"))
        return None

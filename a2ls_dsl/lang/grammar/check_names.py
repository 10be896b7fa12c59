"""What the parser cannot see: do the names exist, are the steps inside the window."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from graphlib import CycleError

from a2ls_dsl.diagnostics import Diagnostic
from a2ls_dsl.lang.grammar.check_sorts import check_sorts
from a2ls_dsl.lang.grammar.file import GrammarFile
from a2ls_dsl.lang.grammar.layout import SIDES
from a2ls_dsl.lang.messages.codes import GrammarRule, report
from a2ls_dsl.lang.messages.unknown_names import LISTED, suggestion, unknown_stream
from a2ls_dsl.lang.syntax import surface
from a2ls_dsl.lang.syntax.items import applied_outside, misused, shapes
from a2ls_dsl.lang.syntax.tree import MAX_OFFSET
from a2ls_dsl.words.agent import RETURN, ROLLOUT
from a2ls_dsl.words.language import Stream
from a2ls_dsl.words.registry import functions, heads, operators

STREAM_WORDS = {"state": Stream.STATE, "action": Stream.ACTION, "reward": Stream.REWARD, "element": None}
"""What a `require` line may ask for; an element is of any stream."""

STREAMS = tuple(Stream)
"""The streams of the losses that a grammar describes."""

WORDS = (
    "grammar",
    "for",
    "in",
    "require",
    "at",
    "most",
    "none",
    "against",
    "batch",
    "with",
    "some",
    "of",
    "and",
)
"""Words of the language; no rule can have such a name."""

MAX_DEPTH = 8
"""How deep a rule may stand inside itself at most."""


def check(file: GrammarFile) -> list[Diagnostic]:
    """All findings about the names, kinds and steps of a grammar, in the order of the text."""
    rules = file.by_name
    findings = [*_horizons(file), *_rule_names(file), *_requires(file)]
    for rule in file.rules:
        for part in surface.walk(rule.body):
            if isinstance(part, surface.Elements):
                findings += [finding for item in part.items for finding in _item(item, file)]
    try:
        order = file.ordered()
    except CycleError as cycle:
        findings.append(_recursion(rules, cycle.args[1]))
    else:
        findings += check_sorts(rules, order, file.bounds)
    if not findings:  # a rule may seem unused only because its name was misspelled where it is used
        findings += _unused(file)
    return sorted(findings, key=lambda finding: finding.span.start)


def _horizons(file: GrammarFile) -> Iterator[Diagnostic]:
    seen: set[str] = set()
    for given in file.horizons:
        name = given.parameter
        if name.text == "t":
            fix = "use another, as k"
            yield report(GrammarRule.NAME_TAKEN, "`t` is the present step, not a parameter", name.span, fix)
        elif name.text in seen:
            yield report(
                GrammarRule.NAME_TWICE, f"the parameter `{name.text}` is given twice", name.span, "remove one"
            )
        seen.add(name.text)
        if given.last < given.first:
            fix = f"write {given.last}..{given.first}"
            yield report(
                GrammarRule.HORIZON_EMPTY, f"no number lies in {given.first}..{given.last}", given.span, fix
            )
        if max(given.first, given.last) > MAX_OFFSET:
            yield report(
                GrammarRule.OFFSET, f"no horizon is longer than {MAX_OFFSET}", given.span, "shorten the range"
            )


def _rule_names(file: GrammarFile) -> Iterator[Diagnostic]:
    seen: set[str] = set()
    for rule in file.rules:
        name, span = rule.name.text, rule.name.span
        if name in seen:
            yield report(
                GrammarRule.NAME_TWICE, f"the rule `{name}` is defined above", span, "join both with `|`"
            )
        elif what := _taken(name):
            yield report(
                GrammarRule.NAME_TAKEN,
                f"`{name}` is {what}, no rule can have its name",
                span,
                "rename the rule",
            )
        seen.add(name)
    if "loss" not in seen:
        fix = "add a line such as `loss = mse(source -> target)`"
        yield report(GrammarRule.NO_LOSS, "no rule `loss` says what a loss is", file.name.span, fix)


def _taken(name: str) -> str:
    if name in operators:
        return "an operator"
    if name in functions:
        return "a function"
    return "a word of the language" if name in WORDS or name in heads else ""


def _requires(file: GrammarFile) -> Iterator[Diagnostic]:
    for line in file.requires:
        for word, known in ((line.what, STREAM_WORDS), (line.side, SIDES)):
            if word.text not in known:
                message = f"`require` does not know `{word.text}`"
                yield report(GrammarRule.REQUIRE, message, word.span, suggestion(word.text, known))
    names = file.by_name
    for bound in file.bounds:
        if bound.rule.text not in names:
            message = f"there is no rule `{bound.rule.text}`"
            yield report(GrammarRule.BOUND, message, bound.rule.span, suggestion(bound.rule.text, names))
        elif not 1 <= bound.most <= MAX_DEPTH:
            message = f"a rule stands inside itself from 1 to {MAX_DEPTH} deep, not {bound.most}"
            yield report(GrammarRule.BOUND, message, bound.span, f"e.g. require at most 3 {bound.rule.text}")


def _item(item: surface.Item, file: GrammarFile) -> Iterator[Diagnostic]:
    for call in surface.applied(item):
        yield from _arguments(call)
    for run in surface.runs(item):
        if run.stream.text not in list(Stream):
            message = f"there is no stream `{run.stream.text}`"
            yield report(
                GrammarRule.STREAM_UNKNOWN, message, run.stream.span, unknown_stream(run.stream.text)
            )
        names = list(dict.fromkeys([*_step_names(run.first, file), *_step_names(run.last, file)]))
        yield from names
        if not names and not list(_horizons(file)):
            yield from _run(run, file)


def _arguments(call: surface.Apply) -> Iterator[Diagnostic]:
    """What stands in a call, in the words of loss files."""
    name = call.function.text
    if misuse := misused(name, shapes(call)):
        span = call.span if misuse.argument is None else call.arguments[misuse.argument].span
        yield report(GrammarRule.FUNCTION, misuse.message, span, misuse.fix)
        return
    for inner in (each for each in call.arguments if isinstance(each, surface.Apply)):
        if inner.function.text in (ROLLOUT, RETURN):
            outside = applied_outside(name, inner.function.text)
            yield report(GrammarRule.FUNCTION, outside.message, call.span, outside.fix)


def _step_names(step: surface.Step, file: GrammarFile) -> Iterator[Diagnostic]:
    if step.base.text != "t":
        message = f"a step counts from t, not from `{step.base.text}`"
        yield report(GrammarRule.STEP, message, step.base.span, "write t, t+1, ...")
    known = [each.parameter.text for each in file.horizons]
    for _, name in step.parameters:
        if not name.text.isidentifier():
            yield report(GrammarRule.STEP, "a step counts in whole numbers", name.span, "e.g. t+3")
        elif name.text not in known:
            fix = "the grammar has no `for ... in ...`"
            if known:
                plural = "parameters are" if known[1:] else "parameter is"
                fix = f"the {plural} {', '.join(known)}"
            yield report(GrammarRule.STEP, f"there is no parameter `{name.text}`", name.span, fix)


def _run(run: surface.Run, file: GrammarFile) -> Iterator[Diagnostic]:
    for binding in file.corners():
        first, last = run.first.at(binding), run.last.at(binding)
        where = for_values(binding)
        if min(first, last) < 0:
            place = run.first.span if first < 0 else run.last.span
            message = f"steps start at t; this one is t{min(first, last)}{where}"
            yield report(
                GrammarRule.STEP_BEFORE_T, message, place, "shift every step of the loss by one or more"
            )
        elif max(first, last) > MAX_OFFSET:
            message = f"this step is t+{max(first, last)}{where}; the last one possible is t+{MAX_OFFSET}"
            yield report(GrammarRule.OFFSET, message, run.span, "use smaller offsets")
        elif last < first:
            message = f"the run t+{first}..t+{last} is empty{where}"
            yield report(GrammarRule.RUN_EMPTY, message, run.span, "let the run end where it starts or later")
        else:
            continue
        return  # one finding a run is enough


def for_values(binding: surface.Binding) -> str:
    """` for k = 3, n = 1`; nothing without parameters."""
    return f" for {', '.join(f'{name} = {value}' for name, value in binding.items())}" if binding else ""


def _recursion(rules: Mapping[str, surface.Equation], cycle: list[str]) -> Diagnostic:
    # Told from the rule that stands first in the file, so that the message does not depend on the search.
    names = cycle[:-1]
    first = min(range(len(names)), key=lambda i: rules[names[i]].name.span.start)
    path = [*names[first:], *names[:first], names[first]]
    path = path if any(use.text == path[1] for use in surface.names_in(rules[path[0]].body)) else path[::-1]
    shown = path if len(path) <= LISTED else [*path[: LISTED - 2], "...", path[-1]]
    message = f"rules must not be recursive without a bound: {' -> '.join(shown)}"
    use = next(use for use in surface.names_in(rules[path[0]].body) if use.text == path[1])
    fix = f"for sums, add `require at most 3 {path[0]}`; else list the alternatives"
    return report(GrammarRule.RECURSION, message, use.span, fix)


def _unused(file: GrammarFile) -> Iterator[Diagnostic]:
    used = {use.text for rule in file.rules for use in surface.names_in(rule.body)} | {"loss"}
    for rule in file.rules:
        if rule.name.text not in used:
            message = f"the rule `{rule.name.text}` is never used"
            yield report(GrammarRule.RULE_UNUSED, message, rule.name.span, "remove it, or refer to it")

"""A loss grammar as a whole: its rules by name, their order, the values of its parameters, and their checks.

Checked are the names of rules and parameters, and whether steps lie in the window; `check_sorts.py` looks at
what stands where.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from itertools import product
from typing import TypeVar

from a2ls_dsl.diagnostics import Diagnostic
from a2ls_dsl.lang.grammar.check_sorts import check_sorts
from a2ls_dsl.lang.grammar.sets import SIDES
from a2ls_dsl.lang.messages.codes import Findings, GrammarRule, report
from a2ls_dsl.lang.messages.unknown_names import LISTED, suggestion
from a2ls_dsl.lang.syntax import surface
from a2ls_dsl.lang.syntax.items import is_sound
from a2ls_dsl.lang.syntax.tree import MAX_OFFSET
from a2ls_dsl.words.language import Stream
from a2ls_dsl.words.registry import functions, heads, operators

T = TypeVar("T")


@dataclass(frozen=True)
class GrammarFile:
    """A whole grammar; rules and other lines in the order they were written."""

    name: surface.Name
    horizons: tuple[surface.Horizon, ...]
    rules: tuple[surface.Equation, ...]
    requires: tuple[surface.Require, ...]
    bounds: tuple[surface.Bound, ...]

    @staticmethod
    def of(header: surface.Header, lines: Iterable[surface.Statement]) -> GrammarFile:
        """A file with these lines, rules and others."""

        def those(kind: type[T]) -> tuple[T, ...]:
            return tuple(line for line in lines if isinstance(line, kind))

        rules, requires, bounds = those(surface.Equation), those(surface.Require), those(surface.Bound)
        return GrammarFile(header.name, header.horizons, rules, requires, bounds)

    @property
    def size(self) -> int:
        """The number of combinations of the parameters' values; a grammar without any is expanded once."""
        total = 1
        for given in self.horizons:
            total *= max(0, given.last - given.first + 1)
        return total

    def bindings(self) -> Iterator[dict[str, int]]:
        """Every combination of the parameters' values, the last parameter changing fastest."""
        return self._values(range(given.first, given.last + 1) for given in self.horizons)

    def corners(self) -> Iterator[dict[str, int]]:
        """The combinations of first and last values: steps are linear, so these tell about all between."""
        return self._values(dict.fromkeys((given.first, given.last)) for given in self.horizons)

    def _values(self, offered: Iterable[Iterable[int]]) -> Iterator[dict[str, int]]:
        names = [given.parameter.text for given in self.horizons]
        return (dict(zip(names, values, strict=True)) for values in product(*offered))

    @cached_property
    def by_name(self) -> dict[str, surface.Equation]:
        """The rules by name; of two with one name the first."""
        return {rule.name.text: rule for rule in reversed(self.rules)}

    def ordered(self) -> list[str]:
        """The rules' names, each behind all that it refers to but bounded rules. Raises CycleError."""
        bounded = {bound.rule.text for bound in self.bounds}
        unbounded = self.by_name.keys() - bounded
        graph = {
            name: [use.text for use in surface.every(surface.Name, rule.body) if use.text in unbounded]
            for name, rule in self.by_name.items()
        }
        return list(TopologicalSorter(graph).static_order())


STREAM_WORDS = {"state": Stream.STATE, "action": Stream.ACTION, "reward": Stream.REWARD, "element": None}
"""What a `require` line may ask for; an element is of any stream."""

STREAMS = tuple(Stream)
"""The streams of the losses that a grammar describes."""

_OF_LOSSES = ("against", "batch", "with")
WORDS = ("grammar", "for", "in", "require", "at", "most", "none", "some", "of", "and", *_OF_LOSSES)
"""Words of the language; no rule can have such a name."""

MAX_DEPTH = 8
"""How deep a rule may stand inside itself at most."""


def check(file: GrammarFile) -> list[Diagnostic]:
    """All findings about the names, kinds and steps of a grammar, in the order of the text."""
    rules, findings = file.by_name, Findings(of_grammar=True)
    findings.diagnostics += _horizons(file)
    parameters = [given.parameter.text for given in file.horizons]
    values = [] if findings.diagnostics else list(file.corners())
    findings.diagnostics += [*_rule_names(file), *_requires(file)]
    for rule in file.rules:
        for elements in surface.every(surface.Elements, rule.body):
            for item in elements.items:
                is_sound(item, parameters, values, findings)
    try:
        order = file.ordered()
    except CycleError as cycle:
        findings.diagnostics.append(_recursion(rules, cycle.args[1]))
    else:
        findings.diagnostics += check_sorts(rules, order, file.bounds)
    if not findings.diagnostics:  # a rule may seem unused only because its name was misspelled
        findings.diagnostics += _unused(file)
    return sorted(findings.diagnostics, key=lambda finding: finding.span.start)


def _horizons(file: GrammarFile) -> Iterator[Diagnostic]:
    seen: set[str] = set()
    for given in file.horizons:
        name = given.parameter
        if name.text == "t":
            fix = "use another, as k"
            yield report(GrammarRule.NAME_TAKEN, "`t` is the present step, not a parameter", name.span, fix)
        elif name.text in seen:
            message = f"the parameter `{name.text}` is given twice"
            yield report(GrammarRule.NAME_TWICE, message, name.span, "remove one")
        seen.add(name.text)
        if given.last < given.first:
            message = f"no number lies in {given.first}..{given.last}"
            fix = f"write {given.last}..{given.first}"
            yield report(GrammarRule.HORIZON_EMPTY, message, given.span, fix)
        if max(given.first, given.last) > MAX_OFFSET:
            message = f"no horizon is longer than {MAX_OFFSET}"
            yield report(GrammarRule.OFFSET, message, given.span, "shorten the range")


def _rule_names(file: GrammarFile) -> Iterator[Diagnostic]:
    seen: set[str] = set()
    for rule in file.rules:
        name, span = rule.name.text, rule.name.span
        if name in seen:
            message = f"the rule `{name}` is defined above"
            yield report(GrammarRule.NAME_TWICE, message, span, "join both with `|`")
        elif what := _taken(name):
            message = f"`{name}` is {what}, no rule can have its name"
            yield report(GrammarRule.NAME_TAKEN, message, span, "rename the rule")
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
        for word, choices in ((line.what, STREAM_WORDS), (line.side, SIDES)):
            if word.text not in choices:
                message = f"`require` does not know `{word.text}`"
                yield report(GrammarRule.REQUIRE, message, word.span, suggestion(word.text, choices))
    names = file.by_name
    for bound in file.bounds:
        if bound.rule.text not in names:
            message = f"there is no rule `{bound.rule.text}`"
            yield report(GrammarRule.BOUND, message, bound.rule.span, suggestion(bound.rule.text, names))
        elif not 1 <= bound.most <= MAX_DEPTH:
            message = f"a rule stands inside itself from 1 to {MAX_DEPTH} deep, not {bound.most}"
            yield report(GrammarRule.BOUND, message, bound.span, f"e.g. require at most 3 {bound.rule.text}")


def _recursion(rules: Mapping[str, surface.Equation], cycle: list[str]) -> Diagnostic:
    # Told from the rule that stands first in the file, so that the message does not depend on the search.
    names = cycle[:-1]
    first = min(range(len(names)), key=lambda i: rules[names[i]].name.span.start)
    path = [*names[first:], *names[:first], names[first]]
    if not any(use.text == path[1] for use in surface.every(surface.Name, rules[path[0]].body)):
        path.reverse()
    shown = path if len(path) <= LISTED else [*path[: LISTED - 2], "...", path[-1]]
    message = f"rules must not be recursive without a bound: {' -> '.join(shown)}"
    use = next(use for use in surface.every(surface.Name, rules[path[0]].body) if use.text == path[1])
    fix = f"for sums, add `require at most 3 {path[0]}`; else list the alternatives"
    return report(GrammarRule.RECURSION, message, use.span, fix)


def _unused(file: GrammarFile) -> Iterator[Diagnostic]:
    used = {use.text for rule in file.rules for use in surface.every(surface.Name, rule.body)} | {"loss"}
    for rule in file.rules:
        if rule.name.text not in used:
            message = f"the rule `{rule.name.text}` is never used"
            yield report(GrammarRule.RULE_UNUSED, message, rule.name.span, "remove it, or refer to it")

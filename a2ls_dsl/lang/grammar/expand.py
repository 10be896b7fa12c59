"""From the checked tree of a grammar to its forms.

The alternatives of a grammar do not depend on the horizon. So rules are expanded once, into calls without
alternatives, and each of these gives one form for every horizon: a form's `choice` is the number of its call.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache, reduce
from itertools import product

from a2ls_dsl.lang.ast import Call, Element, Stream
from a2ls_dsl.lang.grammar import tree
from a2ls_dsl.lang.grammar.check import STREAM_WORDS, ordered, uses, walk
from a2ls_dsl.lang.grammar.forms import SIDES, Form, Layout

MAX_FORMS = 100_000
"""Horizons times alternatives; the optional elements of a form cost nothing."""

MAX_ELEMENTS = 1_000_000
"""The elements in all sets for all horizons; the space of He et al. 2022 has 390."""

MANY = 10**30
"""Where counting alternatives ends."""


def alternatives(file: tree.GrammarFile) -> int:
    """The number of calls that `calls` would build, without building them; at most `MANY`."""
    rules = {rule.name.text: rule for rule in file.rules}
    sizes: dict[str, int] = {}

    def measure(expression: tree.Expression) -> int:
        match expression:
            case tree.Name(text):
                return sizes.get(text, 1)
            case tree.Choice(each):
                return min(MANY, sum(map(measure, each)))
            case tree.Optional(inner):
                return 1 + measure(inner)
        return reduce(lambda size, part: min(MANY, size * measure(part)), tree.parts(expression), 1)

    for name in ordered(rules):
        sizes[name] = measure(rules[name].body)
    return sizes["loss"]


def calls(file: tree.GrammarFile) -> list[tree.Call]:
    """The rule `loss` with all rules put in and all alternatives taken apart."""
    rules = {rule.name.text: rule for rule in file.rules}
    reached, waiting = set[str](), ["loss"]
    while waiting:
        name = waiting.pop()
        if name in rules and name not in reached:
            reached.add(name)
            waiting += [use.text for use in uses(rules[name])]
    known: dict[str, list[tree.Expression]] = {}
    for name in ordered(rules):
        if name in reached:  # an unused rule may be huge, and nobody asks for it
            known[name] = list(_leaves(rules[name].body, known))
    return [leaf for leaf in known["loss"] if isinstance(leaf, tree.Call)]


def elements(file: tree.GrammarFile) -> int:
    """The elements in all sets for all horizons together, without building them."""
    items = [item for rule in file.rules for part in _literals(rule.body) for item in part.items]
    # A run's length is linear in the horizon: the mean over all horizons is that of the first and the last.
    first, last = file.range[0], file.range[-1]
    ends = sum(1 + item.last.at(end) - item.first.at(end) for item in items for end in (first, last))
    return ends * len(file.range) // 2


def forms(file: tree.GrammarFile, calls: Sequence[tree.Call]) -> tuple[Layout, tuple[Form, ...]]:
    """One form for every horizon and call, in this order, and the layout of their masks."""
    literals = {part.span.start: part for call in calls for part in _literals(call)}
    found = {each for part in literals.values() for horizon in file.range for each in _at(part, horizon)}
    layout = Layout(tuple(sorted(found, key=lambda element: element.order)))

    @cache  # a set stands in many calls; its place names it
    def cover(side: str, start: int, horizon: int) -> int:
        return layout.cover(side, _at(literals[start], horizon))

    def form(horizon: int, choice: int, call: tree.Call) -> Form:
        must = may = 0
        for side, leaf in zip(SIDES, (call.source, call.target), strict=True):
            for part in _literals(leaf):
                mask = cover(side, part.span.start, horizon)
                must, may = (must, may | mask) if part.some else (must | mask, may)
        against_batch = isinstance(call.negatives, tree.Against)
        return Form(horizon, choice, call.operator.text, against_batch, must, may & ~must)

    return layout, tuple(
        form(horizon, choice, call) for horizon in file.range for choice, call in enumerate(calls)
    )


def requirements(file: tree.GrammarFile, layout: Layout) -> tuple[int, ...]:
    """For each `require` line the elements of which one has to be there."""
    masks = [layout.mask(line.side.text, STREAM_WORDS[line.what.text]) for line in file.requires]
    return tuple(dict.fromkeys(masks))


def _leaves(
    expression: tree.Expression, known: Mapping[str, list[tree.Expression]]
) -> Iterator[tree.Expression]:
    """The alternatives of an expression, none of which holds a rule, a choice or an optional part."""
    match expression:
        case tree.Name(text) if text in known:
            yield from known[text]
        case tree.Choice(alternatives):
            for each in alternatives:
                yield from _leaves(each, known)
        case tree.Optional(inner, span):
            yield tree.Nothing(span)
            yield from _leaves(inner, known)
        case tree.Both(parts, span):
            for leaves in product(*(list(_leaves(part, known)) for part in parts)):
                # Flat and free of repetition, so that rules that join rules don't grow without bounds.
                literals = {each.span.start: each for leaf in leaves for each in _literals(leaf)}
                yield tree.Both(tuple(literals.values()), span)
        case tree.Call(span=span):
            sides = product(*(list(_leaves(part, known)) for part in tree.parts(expression)))
            for operator, source, target, *negatives in sides:
                if isinstance(operator, tree.Name):  # as the checker has seen to
                    yield tree.Call(operator, source, target, negatives[0] if negatives else None, span)
        case _:
            yield expression


def _literals(expression: tree.Expression) -> Iterator[tree.Elements]:
    return (part for part in walk(expression) if isinstance(part, tree.Elements))


def _at(literal: tree.Elements, horizon: int) -> Iterator[Element]:
    for item in literal.items:
        calls = (Call(item.view.text),) if item.view else ()
        for offset in range(item.first.at(horizon), item.last.at(horizon) + 1):
            yield Element(Stream(item.stream.text), offset, calls)

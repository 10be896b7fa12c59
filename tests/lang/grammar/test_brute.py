"""Random small grammars against their meaning, spelled out by brute force."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from a2ls_dsl.diagnostics import LanguageError
from a2ls_dsl.lang.grammar import Grammar, parse_grammar
from a2ls_dsl.lang.grammar.combinatorics import union_size
from a2ls_dsl.lang.rules.canonical import canonical, single
from a2ls_dsl.lang.syntax.tree import Call, Comparison, Element, Loss
from a2ls_dsl.words.language import Stream

ITEMS = {
    "s[t]": lambda k: [("s", 0, None)],
    "crop(s[t])": lambda k: [("s", 0, "crop")],
    "s[t+k]": lambda k: [("s", k, None)],
    "visited(s[t+k], a[t+k..t+k])": lambda k: [("s", k, None)],
    "a[t..t+k]": lambda k: [("a", step, None) for step in range(k + 1)],
    "r[t+1]": lambda k: [("r", 1, None)],
    "uniform(s[t..t+k])": lambda k: [("s", 0, k or None)],
    "uniform(a[t..t+k])": lambda k: [("a", 0, k or None)],
}
REQUIRE = "require a state in source\nrequire an element in target\n"


@dataclass(frozen=True)
class Side:
    """A set expression: its text, and for a horizon all sets that it can be."""

    text: str
    sets: object


def subsets(elements):
    return {frozenset(part) for n in range(len(elements) + 1) for part in combinations(elements, n)}


@st.composite
def literals(draw) -> Side:
    items = draw(st.lists(st.sampled_from(sorted(ITEMS)), min_size=1, max_size=2))
    some = draw(st.booleans())

    def sets(k: int):
        elements = sorted({element for item in items for element in ITEMS[item](k)}, key=str)
        return subsets(elements) if some else {frozenset(elements)}

    return Side(f"{'some of ' if some else ''}{{ {', '.join(items)} }}", sets)


def joined(left: Side, right: Side) -> Side:
    return Side(
        f"{left.text} and {right.text}",
        lambda k: {a | b for a, b in product(left.sets(k), right.sets(k))},
    )


def optional(a: Side, b: Side) -> Side:
    return Side(f"[ {a.text} | {b.text} ]", lambda k: {frozenset()} | a.sets(k) | b.sets(k))


sides = st.recursive(
    literals(),
    lambda inner: st.builds(joined, literals(), inner) | st.builds(optional, literals(), literals()),
    max_leaves=3,
)


@st.composite
def grammars(draw):
    """A text and the set of (operator, against batch, source, target) that it means."""
    first, last = sorted(draw(st.tuples(st.integers(0, 2), st.integers(0, 2))))
    rules = {name: draw(sides) for name in ("x", "y")}
    text, meaning = [], set()
    for _ in range(draw(st.integers(1, 3))):
        operators = draw(st.sampled_from([("mse",), ("nmse",), ("mse", "nmse")]))
        negatives = draw(st.sampled_from(["", " none", " against batch", " [against batch]", " n"]))
        both = [draw(st.sampled_from(sorted(rules)) | sides) for _ in range(2)]
        source, target = (rules[side] if isinstance(side, str) else side for side in both)
        names = [side if isinstance(side, str) else side.text for side in both]
        for against in {"": [0], " none": [0], " against batch": [1]}.get(negatives, [0, 1]):
            for k, operator in product(range(first, last + 1), operators):
                pairs = product(source.sets(k), target.sets(k))
                meaning |= {(operator, bool(against), *pair) for pair in pairs}
        operator = operators[0] if operators[1:] == () else "both"
        text.append(f"{operator}({names[0]} -> {names[1]}){negatives}")
    lines = [f"grammar g for k in {first}..{last}", "loss = " + " | ".join(text), REQUIRE]
    lines += ["both = mse | nmse", "n = none | against batch", *(f"{n} = {r.text}" for n, r in rules.items())]
    valid = {term for term in meaning if any(e[0] == "s" for e in term[2]) and term[3]}
    return "\n".join(lines), valid


def loss_of(meaning) -> Loss:
    operator, against, *both = meaning
    source, target = (
        tuple(
            Element(Stream(s), t, (Call("uniform"),), until=v)
            if isinstance(v, int)
            else Element(Stream(s), t, (Call(v),) if v else ())
            for s, t, v in side
        )
        for side in both
    )
    return single(Comparison(operator, source, target, against))


def parsed(text: str) -> Grammar | None:
    """The grammar; None if nothing keeps the `require` lines."""
    try:
        return parse_grammar(text)
    except LanguageError as error:
        if [finding.code for finding in error.diagnostics] == ["A2L219"]:
            return None
        raise


@given(grammars())
def test_a_grammar_holds_exactly_what_it_means(case) -> None:
    text, meaning = case
    grammar = parsed(text)
    if grammar is None:
        assert not meaning
        return
    losses = {loss_of(term) for term in meaning}
    listed = list(grammar.enumerate())
    assert grammar.count() == len(losses) == len(listed)
    assert set(listed) == losses
    assert all(grammar.contains(loss) for loss in losses)
    assert grammar.derivations() >= grammar.valid_derivations() >= grammar.count()
    for kind in {(term[0], term[1]) for term in meaning}:
        of_kind = {loss_of(term) for term in meaning if term[:2] == kind}
        assert set(grammar.restricted([kind[0]], kind[1]).enumerate()) == of_kind


@given(grammars(), st.integers(0, 2**32))
@settings(max_examples=60)
def test_every_step_stays_inside(case, seed) -> None:
    text, meaning = case
    grammar = parsed(text)
    if grammar is None:
        return
    losses = {loss_of(term) for term in meaning}
    rng = np.random.default_rng(seed)
    for _ in range(10):
        a, b = grammar.sample(rng), grammar.sample(rng, prior={("source", Stream.STATE): 0.0})
        steps = [grammar.mutate, grammar.replace, grammar.change_horizon, grammar.change_alternative]
        for loss in [a, b, grammar.crossover(a, b, rng), *(step(a, rng) for step in steps)]:
            assert loss in losses
            assert canonical(loss) == loss


@given(st.lists(st.tuples(st.integers(0, 255), st.integers(0, 255)), max_size=12))
def test_the_size_of_a_union_of_cubes(pairs) -> None:
    cubes = [(low & high, high) for low, high in pairs]
    inside = sum(any(not low & ~m and not m & ~high for low, high in cubes) for m in range(256))
    assert union_size(cubes, [1 << index for index in range(8)]) == inside

"""Every shipped grammar: what it gives are losses without errors, that print and parse back, inside it."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from a2ls_dsl.diagnostics import A2lError, Source
from a2ls_dsl.lang.files import folder, shipped
from a2ls_dsl.lang.grammar import Grammar, load_grammar, parse_grammar
from a2ls_dsl.lang.load import load_one, loads
from a2ls_dsl.lang.rules.canonical import canonical, comparisons
from a2ls_dsl.lang.syntax.layout import format_file
from a2ls_dsl.lang.syntax.printer import print_loss

NAMES = sorted(shipped("grammars", ".a2g"))
LOSSES = sorted(shipped("losses", ".a2l"))

grammar_of = cache(load_grammar)


def header(name: str) -> str:
    text = (folder("grammars") / f"{name}.a2g").read_text(encoding="utf-8")
    return " ".join(line.removeprefix("#").strip() for line in text.splitlines() if line.startswith("#"))


@pytest.mark.parametrize("name", NAMES)
@given(seed=st.integers(0, 2**32))
@settings(max_examples=8)
def test_whatever_a_grammar_gives_is_a_loss_inside_it(name: str, seed: int) -> None:
    grammar, rng = grammar_of(name), np.random.default_rng(seed)
    sampled, even = grammar.sample(rng), grammar.sample_evenly(rng)
    moves = [
        grammar.mutate,
        grammar.replace,
        grammar.change_horizon,
        grammar.change_alternative,
        grammar.regrow,
    ]
    losses = [sampled, even, grammar.crossover(sampled, even, rng), grammar.graft(sampled, even, rng)]
    losses += [move(sampled, rng) for move in moves]
    for loss in losses:
        assert grammar.contains(loss)
        assert canonical(loss) == loss
        text = f"loss x = {print_loss(loss)}\n"
        assert loads(text)["x"] == loss  # raises if it has errors
        formatted = format_file(Source("x", text))
        assert format_file(Source("x", formatted)) == formatted
        assert loads(formatted)["x"] == loss


def test_extended_holds_what_its_header_says() -> None:
    grammar = grammar_of("extended")
    held = {name for name in LOSSES if grammar.contains(load_one(name)[1])}
    claims, left_out = header("extended").split("It does not hold ")
    assert held == {name for name in LOSSES if re.search(rf"\b{name}\b", claims.split("proves it):")[1])}
    shared = {"svea", "dr_q", "mrq", "vicreg"}
    far = {"byol_gamma", "contrastive_rl"}
    assert set(LOSSES) - held == {*shared, *far, "curl", "curl_atari", "curl_atari_a2ls"}
    assert left_out.startswith("svea: ")


def test_extended_counts_its_derivations_exactly() -> None:
    grammar = grammar_of("extended")
    assert grammar.derivations() > grammar.valid_derivations() > 10**100
    least, greatest = grammar.bounds()
    assert 10**20 < least < greatest <= grammar.valid_derivations()
    with pytest.raises(A2lError, match="is not known"):
        grammar.count()


def test_around_spr_is_as_small_as_it_looks() -> None:
    grammar = grammar_of("around_spr")
    assert grammar.derivations() == grammar.valid_derivations() == 3 * 4**3
    # Losses without reward and inverse don't depend on k.
    assert grammar.count() == 3 * (4**3 - 4) + 4 == len(list(grammar.enumerate()))
    spr = load_one("spr")[1]
    assert all(any(term == comparisons(spr)[0] for term in comparisons(loss)) for loss in grammar.enumerate())


@pytest.mark.parametrize("name", NAMES)
def test_the_largest_losses_hold_every_kind(name: str) -> None:
    grammar = grammar_of(name)
    largest = grammar.largest()
    assert all(map(grammar.contains, largest[:: 1 + len(largest) // 20]))
    used = {(term.operator, term.against_batch) for loss in largest for _, term in comparisons(loss)}
    assert used == set(grammar.kinds)
    rng = np.random.default_rng(0)
    longest, terms = max(loss.horizon for loss in largest), max(len(loss.terms) for loss in largest)
    for loss in (grammar.sample(rng) for _ in range(30)):
        assert loss.horizon <= longest
        assert len(loss.terms) <= terms


def test_even_samples_are_even_over_derivations() -> None:
    grammar = parse_grammar(
        "grammar g for k in 0..1\nloss = one | [ 0.5 * one ] + two\n"
        "one = mse({ s[t] } -> some of { r[t..t+k] })\ntwo = nmse({ s[t], a[t] } -> { s[t+k] })\n"
        "require an element in target\n"
    )
    rng, number = np.random.default_rng(0), 3000
    drawn = Counter(grammar.sample_evenly(rng) for _ in range(number))
    # k = 0: {r[t]}; k = 1: three targets. Each `one` stands alone or with `two`; `two` alone as well.
    expected = dict.fromkeys(grammar.enumerate(), 1.0)
    shared = [loss for loss in expected if print_loss(loss) == "mse({ s[t] } -> { r[t] })"]
    expected[shared[0]] = 2.0
    assert grammar.valid_derivations() == sum(expected.values()) == 10
    observed = [drawn[loss] for loss in expected]
    assert chisquare(observed, [share * number / 10 for share in expected.values()]).pvalue > 1e-3


@pytest.mark.parametrize("name", ["a2ls", "extended"])
def test_mutation_walks_far(name: str) -> None:
    grammar, rng = grammar_of(name), np.random.default_rng(1)
    loss, seen = grammar.sample(rng), set()
    for _ in range(60):
        child = grammar.mutate(loss, rng)
        assert child != loss
        loss = child
        seen.add(loss)
    assert len(seen) > 40


def test_terms_stay_where_a_sum_grows_and_shrinks() -> None:
    text = (
        "grammar g for k in 1..9\nloss = terms\nterms = term | term + terms\nrequire at most 3 terms\n"
        "term = mse({ s[t] } -> { s[t+k] } | { r[t+k] } | { a[t+k] })\n"
    )
    grammar, rng = parse_grammar(text), np.random.default_rng(2)
    grown = 0
    for _ in range(200):
        loss = grammar.sample(rng)
        child = grammar.change_alternative(loss, rng)
        if len(child.terms) > len(loss.terms):
            assert not Counter(comparisons(loss)) - Counter(comparisons(child))
            grown += 1
    assert grown > 10


def test_graft_takes_a_part_of_the_other() -> None:
    grammar: Grammar = grammar_of("around_spr")
    spr = print_loss(load_one("spr")[1])
    a = loads(f"loss x = {spr} + 0.1 * variance({{ s[t] }})")["x"]
    b = loads(f"loss x = {spr} + 0.5 * mse({{ s[t], a[t..t+1] }} -> {{ r[t..t+1] }})")["x"]
    rng = np.random.default_rng(3)
    children = {print_loss(grammar.graft(a, b, rng)) for _ in range(40)}
    both = {print_loss(loss) for loss in (a, load_one("spr")[1])}
    assert both < children
    assert any("0.5 * mse({ s[t], a[t] } -> { r[t] })" in child and "variance" in child for child in children)

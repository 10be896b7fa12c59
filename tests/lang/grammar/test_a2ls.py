"""The search space of He et al. 2022: exact sizes, and the steps of the evolution."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from itertools import islice

import numpy as np
import pytest
from scipy.stats import binomtest, chisquare

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.lang.grammar import load_grammar, parse_grammar
from a2ls_dsl.lang.load import loads
from a2ls_dsl.lang.rules.canonical import canonical, comparisons, single
from a2ls_dsl.lang.syntax.printer import print_loss
from a2ls_dsl.lang.syntax.tree import Comparison, Element, Loss, Weighted
from a2ls_dsl.words import PAPER_OPERATORS
from a2ls_dsl.words.language import Stream

A2LS = load_grammar("a2ls")
STREAMS = (Stream.STATE, Stream.ACTION, Stream.REWARD)
A2_WINNER = "mse({ s[t+1], a[t+1..t+3] } -> { s[t+2], s[t+3], r[t], r[t+1] })"
A2_WINNER_V = (
    "mse({ s[t], s[t+2], s[t+8], a[t..t+5], a[t+7], a[t+8], r[t+3], r[t+4], r[t+8] }"
    " -> { s[t+1], s[t+3], s[t+6], s[t+9], a[t+4] })"
)


def loss(text: str) -> Loss:
    return loads(f"loss x = {text}")["x"]


def term(of: Loss) -> Comparison:
    ((_, comparison),) = comparisons(of)
    return comparison


def every_element(operator: str, horizon: int, against_batch: bool = False) -> Loss:
    elements = tuple(Element(stream, step) for stream in STREAMS for step in range(horizon + 1))
    return single(Comparison(operator, elements, elements, against_batch))


def flipped(a: Loss, b: Loss) -> set[tuple[str, Element]]:
    both = [
        {("source", e) for e in term(loss).source} | {("target", e) for e in term(loss).target}
        for loss in (a, b)
    ]
    return both[0] ^ both[1]


def test_sizes() -> None:
    assert A2LS.derivations() == 749581981407880192000
    # A horizon k: any source but those without a state, any target but the empty one.
    kept = [2 ** (2 * k + 2) * (2 ** (k + 1) - 1) * (2 ** (3 * k + 3) - 1) for k in range(1, 11)]
    assert A2LS.valid_derivations() == 10 * sum(kept)
    assert A2LS.count() == 10 * ((2**11 - 1) * 2**22 * (2**33 - 1))


def test_smoke_is_small() -> None:
    smoke = load_grammar("smoke")
    assert smoke.count() == (2**3 - 1) * 2**6 * (2**9 - 1)


@pytest.mark.parametrize(("text", "horizon"), [(A2_WINNER, 3), (A2_WINNER_V, 9)])
def test_discovered_losses_are_inside(text: str, horizon: int) -> None:
    assert A2LS.horizon_of(loss(text)) == {"k": horizon}
    assert A2LS.restricted(["mse"], against_batch=False).contains(loss(text))
    assert not A2LS.restricted(["mse"], against_batch=True).contains(loss(text))
    assert not A2LS.restricted(["nmse"]).contains(loss(text))


@pytest.mark.parametrize(
    "text",
    [
        "mse({ s[t] } -> { s[t+11] })",
        "bilinear({ crop(s[t]) } -> { crop(s[t]) }) against batch",
        "2.0 * mse({ s[t] } -> { s[t+1] })",
        "1.0 * mse({ s[t] } -> { s[t+1] }) + 1.0 * mse({ s[t] } -> { r[t] })",
    ],
)
def test_other_losses_are_outside(text: str) -> None:
    assert not A2LS.contains(loss(text))
    with pytest.raises(A2lError, match="is not in the grammar a2ls"):
        A2LS.mutate(loss(text), np.random.default_rng(0))


def test_requirements_decide_membership() -> None:
    state, action = (Element(stream, 0) for stream in (Stream.STATE, Stream.ACTION))
    assert A2LS.contains(single(Comparison("mse", (state,), (action,))))
    assert not A2LS.contains(single(Comparison("mse", (action,), (state,))))
    assert not A2LS.contains(single(Comparison("mse", (state,), ())))


def test_views_are_elements_of_their_own() -> None:
    grammar = parse_grammar("grammar g\nloss = inner({ s[t], crop(s[t]) } -> { crop(s[t]) })")
    assert grammar.count() == 1
    assert grammar.contains(loss("inner({ s[t], crop(s[t]) } -> { crop(s[t]) })"))
    assert not grammar.contains(loss("inner({ s[t], crop(s[t]), crop(s[t]) } -> { crop(s[t]) })"))


def test_a_parsed_loss_with_places_is_found() -> None:
    parsed = Loss((Weighted(1, term(loss(A2_WINNER))),))
    assert A2LS.contains(parsed)


def test_listing_starts_with_the_shortest() -> None:
    listed = list(islice(A2LS.enumerate(), 500))
    horizons = [loss.horizon for loss in listed]
    assert horizons == sorted(horizons)
    assert print_loss(listed[0]) == "mse({ s[t] } -> { s[t] })"
    assert len(set(listed)) == 500


def test_samples_reach_every_horizon_operator_and_element() -> None:
    rng = np.random.default_rng(0)
    sampled = [A2LS.sample(rng) for _ in range(1500)]
    assert all(canonical(loss) == loss and A2LS.contains(loss) for loss in sampled)
    assert all(loss(print_loss(drawn)) == drawn for drawn in sampled[:100])
    assert {loss.horizon for loss in sampled} >= set(range(1, 11))
    kinds = Counter((term(loss).operator, term(loss).against_batch) for loss in sampled)
    assert set(kinds) == {(operator, against) for operator in PAPER_OPERATORS for against in (False, True)}
    assert chisquare(list(kinds.values())).pvalue > 1e-3
    seen = {(side, e) for loss in sampled for side in ("source", "target") for e in getattr(term(loss), side)}
    assert len(seen) == 66


def test_samples_are_fair_coins_and_follow_a_prior() -> None:
    rng = np.random.default_rng(1)
    fair = [term(A2LS.sample(rng)) for _ in range(1000)]
    reward = sum(Element(Stream.REWARD, 0) in loss.source for loss in fair)
    assert binomtest(reward, 1000, 0.5).pvalue > 1e-3
    prior = {("source", Stream.REWARD): 0.0, ("target", Stream.STATE): 1.0, ("target", Stream.ACTION): 0.1}
    leaning = [term(A2LS.sample(rng, prior)) for _ in range(1000)]
    assert not any(e.stream is Stream.REWARD for loss in leaning for e in loss.source)
    assert all(Element(Stream.STATE, 0) in loss.target for loss in leaning)
    action = sum(Element(Stream.ACTION, 1) in loss.target for loss in leaning)
    assert binomtest(action, 1000, 0.1).pvalue > 1e-3
    with pytest.raises(A2lError):
        A2LS.sample(rng, {("source", Stream.STATE): 2.0})


def test_a_prior_without_states_still_gives_losses() -> None:
    rng = np.random.default_rng(2)
    never = {(side, stream): 0.0 for side in ("source", "target") for stream in Stream}
    sampled = [A2LS.sample(rng, never) for _ in range(20)]
    assert all(A2LS.contains(loss) for loss in sampled)
    assert {(len(term(loss).source), len(term(loss).target)) for loss in sampled} == {(1, 1)}


@pytest.mark.parametrize(("rate", "expected"), [(None, 1 / 24), (0.3, 0.3)])
def test_replacement_flips_every_element_at_its_rate(rate: float | None, expected: float) -> None:
    rng = np.random.default_rng(3)
    parent, number = every_element("mse", 3), 2000
    flips = Counter(bit for _ in range(number) for bit in flipped(parent, A2LS.replace(parent, rng, rate)))
    assert len(flips) == 24
    assert binomtest(flips.total(), 24 * number, expected).pvalue > 1e-3
    # 24 looks at the same data: the bound for one is that much lower.
    assert all(binomtest(flip, number, expected).pvalue > 1e-3 / 24 for flip in flips.values())


def test_horizon_changes_keep_the_other_steps() -> None:
    rng = np.random.default_rng(4)
    parent, number = every_element("cosine", 4, True), 600
    children = [A2LS.change_horizon(parent, rng) for _ in range(number)]
    shorter = [child for child in children if child.horizon == 3]
    assert set(shorter) == {every_element("cosine", 3, True)}
    assert binomtest(len(shorter), number, 0.5).pvalue > 1e-3
    longer = [child for child in children if child.horizon != 3]
    new = [bit for child in longer for bit in flipped(parent, child)]
    assert {element.offset for _, element in new} == {5}
    assert binomtest(len(new), 6 * len(longer), 0.5).pvalue > 1e-3


@pytest.mark.parametrize(("horizon", "reached"), [(1, {2}), (10, {9})])
def test_horizons_end_where_the_grammar_does(horizon: int, reached: set[int]) -> None:
    rng = np.random.default_rng(5)
    parent = every_element("mse", horizon)
    assert {A2LS.change_horizon(parent, rng).horizon for _ in range(100)} == reached


def test_crossover_mixes_both_parents() -> None:
    rng = np.random.default_rng(6)
    everything = every_element("mse", 3)
    little = loss("nmse({ s[t+3] } -> { r[t+3] }) against batch")
    children = [A2LS.crossover(everything, little, rng) for _ in range(600)]
    kinds = Counter((term(child).operator, term(child).against_batch) for child in children)
    assert set(kinds) == {("mse", False), ("nmse", True)}
    assert binomtest(kinds["mse", False], 600, 0.5).pvalue > 1e-3
    from_little = sum(len(flipped(everything, child)) for child in children)
    assert binomtest(from_little, 600 * 22, 0.5).pvalue > 1e-3
    assert all({("source", Element(Stream.STATE, 3))} - flipped(little, child) for child in children)


def test_crossover_of_other_horizons_keeps_the_first() -> None:
    rng = np.random.default_rng(7)
    short, long = loss("mse({ s[t] } -> { s[t+2] })"), every_element("inner", 8)
    children = [A2LS.crossover(short, long, rng) for _ in range(50)]
    assert {term(child).operator for child in children} == {"mse"}
    assert max(child.horizon for child in children) == 2
    assert len(set(children)) > 40


def test_mutation_never_gives_its_parent_back() -> None:
    rng = np.random.default_rng(8)
    children = [A2LS.mutate(loss(A2_WINNER), rng) for _ in range(500)]
    assert loss(A2_WINNER) not in children
    assert all(A2LS.contains(child) and canonical(child) == child for child in children)
    assert {term(child).operator for child in children} == set(PAPER_OPERATORS)
    assert {child.horizon for child in children} >= {2, 3, 4}


def test_a_grammar_with_one_loss_gives_it_always() -> None:
    grammar = parse_grammar("grammar g\nloss = mse({ s[t] } -> { s[t+1] })")
    rng = np.random.default_rng(9)
    (only,) = grammar.enumerate()
    assert grammar.sample(rng) == grammar.mutate(only, rng) == grammar.crossover(only, only, rng) == only


def test_restricted_grammars() -> None:
    mse = A2LS.restricted(["mse"], against_batch=False)
    assert mse.count() * 10 == A2LS.count()
    rng = np.random.default_rng(10)
    walk = [mse.sample(rng)]
    for _ in range(100):
        walk.append(mse.mutate(walk[-1], rng))
    assert {(term(loss).operator, term(loss).against_batch) for loss in walk} == {("mse", False)}
    with pytest.raises(A2lError, match="no operator `msee`"):
        A2LS.restricted(["msee"])
    with pytest.raises(A2lError, match="no loss of the grammar a2ls") as caught:
        mse.restricted(against_batch=True)
    assert caught.value.fix == "it has mse"


def test_results_depend_on_the_generator_alone() -> None:
    program = (
        "import numpy as np\n"
        "from a2ls_dsl.lang.grammar import load_grammar\n"
        "from a2ls_dsl.lang.syntax.printer import print_loss\n"
        "g, rng = load_grammar('a2ls'), np.random.default_rng(11)\n"
        "losses = [g.sample(rng) for _ in range(20)]\n"
        "losses += [g.mutate(loss, rng) for loss in losses]\n"
        "losses += [g.crossover(a, b, rng) for a, b in zip(losses, losses[1:])]\n"
        "print(*map(print_loss, losses), sep='\\n')\n"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("0", "1", "2")
    }
    assert len(printed) == 1
    assert len(printed.pop().splitlines()) == 79

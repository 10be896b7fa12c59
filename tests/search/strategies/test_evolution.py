"""The moves of the evolution: shares, parents, no repetition, the end of a space."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.lang.grammar import Grammar, load_grammar, parse_grammar
from a2ls_dsl.lang.rules.canonical import key
from a2ls_dsl.lang.syntax.tree import Comparison, Loss
from a2ls_dsl.search.settings import EvolutionSettings
from a2ls_dsl.search.strategies.evolution import Origin, best, first_population, next_population, quotas
from a2ls_dsl.words.language import Stream

EVOLUTION = EvolutionSettings()
TINY = parse_grammar(
    "grammar tiny for k in 1..1\nloss = mse({ s[t] } -> target)\n"
    "target = some of { s[t..t+k] }\nrequire an element in target\n"
)


@pytest.fixture(scope="module")
def a2ls() -> Grammar:
    return load_grammar("a2ls").restricted(("mse",), against_batch=False)


def population(grammar: Grammar, n: int, seed: int = 0) -> list[tuple[Loss, float]]:
    """Losses with random scores."""
    rng = np.random.default_rng(seed)
    proposals = first_population(grammar, n, EVOLUTION, rng)
    return [(proposal.loss, float(rng.random())) for proposal in proposals]


def terms(loss: Loss) -> Comparison:
    term = loss.terms[0].term
    assert isinstance(term, Comparison)
    return term


def test_the_shares_are_the_papers(a2ls: Grammar) -> None:
    scored = population(a2ls, 100)
    proposals = next_population(a2ls, scored, 100, EVOLUTION, np.random.default_rng(1))
    expected = {"replacement": 50, "crossover": 20, "horizon": 10, "random": 20}
    assert Counter(str(proposal.origin) for proposal in proposals) == expected


@given(st.integers(0, 200))
def test_quotas_add_up_and_stay_within_one_of_the_shares(n: int) -> None:
    counts = quotas(n, EVOLUTION)
    assert sum(counts.values()) == n
    shares = {"replacement": 0.5, "crossover": 0.2, "horizon": 0.1, "random": 0.2}
    assert all(abs(counts[Origin(name)] - share * n) < 1 for name, share in shares.items())


def test_children_are_new_and_in_the_grammar(a2ls: Grammar) -> None:
    scored = population(a2ls, 40)
    proposals = next_population(a2ls, scored, 200, EVOLUTION, np.random.default_rng(2))
    keys = [proposal.key for proposal in proposals]
    assert len(set(keys)) == 200
    assert not set(keys) & {key(loss) for loss, _ in scored}
    assert all(a2ls.contains(proposal.loss) for proposal in proposals)


def test_parents_are_the_best_quarter(a2ls: Grammar) -> None:
    scored = population(a2ls, 40)
    top = {key(loss) for loss, _ in sorted(scored, key=lambda pair: -pair[1])[:10]}
    proposals = next_population(a2ls, scored, 200, EVOLUTION, np.random.default_rng(3))
    number = {Origin.RANDOM: 0, Origin.REPLACEMENT: 1, Origin.HORIZON: 1, Origin.CROSSOVER: 2}
    for proposal in proposals:
        assert len(proposal.parents) == number[proposal.origin]
        assert set(proposal.parents) <= top
    assert {parent for proposal in proposals for parent in proposal.parents} == top


def test_crossover_takes_parents_of_equal_horizon_where_there_are_some(a2ls: Grammar) -> None:
    scored = population(a2ls, 200)
    horizon = {key(loss): loss.horizon for loss, _ in scored}
    count = Counter(loss.horizon for loss in best(scored, 0.25))
    only = EvolutionSettings(replacement=0, crossover=1, horizon=0, random=0)
    proposals = next_population(a2ls, scored, 50, only, np.random.default_rng(4))
    for proposal in proposals:
        first, other = (horizon[parent] for parent in proposal.parents)
        assert first == other or count[first] == 1


def test_best_rounds_up_and_breaks_ties_by_key(a2ls: Grammar) -> None:
    losses = [loss for loss, _ in population(a2ls, 5)]
    tied = [(loss, 1.0) for loss in losses]
    smallest = sorted(losses, key=key)[:2]
    assert best(tied, 0.25) == smallest == best(tied[::-1], 0.25)


def test_nothing_taken_is_proposed(a2ls: Grammar) -> None:
    rng = np.random.default_rng
    before = {proposal.key for proposal in first_population(a2ls, 50, EVOLUTION, rng(5))}
    again = first_population(a2ls, 50, EVOLUTION, rng(5), taken=before)
    assert not before & {proposal.key for proposal in again}
    scored = population(a2ls, 8, seed=6)
    before = {proposal.key for proposal in next_population(a2ls, scored, 50, EVOLUTION, rng(7))}
    again = next_population(a2ls, scored, 50, EVOLUTION, rng(7), taken=before)
    assert len(again) == 50
    assert not before & {proposal.key for proposal in again}


def test_the_first_population_looks_like_dynamics_and_reward_models(a2ls: Grammar) -> None:
    proposals = first_population(a2ls, 400, EVOLUTION, np.random.default_rng(8))
    targets = Counter(element.stream for proposal in proposals for element in terms(proposal.loss).target)
    assert targets[Stream.STATE] > 3 * targets[Stream.ACTION]
    assert targets[Stream.REWARD] > 3 * targets[Stream.ACTION]


def test_the_same_generator_gives_the_same_population(a2ls: Grammar) -> None:
    scored = population(a2ls, 12)
    once, again = (next_population(a2ls, scored, 30, EVOLUTION, np.random.default_rng(9)) for _ in "12")
    assert once == again


def test_a_space_is_emptied_to_the_last_loss_and_then_ends() -> None:
    assert TINY.count() == 3
    rng = np.random.default_rng(0)
    first = first_population(TINY, 2, EVOLUTION, rng)
    scored = [(proposal.loss, 1.0) for proposal in first]
    second = next_population(TINY, scored, 10, EVOLUTION, rng)
    assert len({proposal.key for proposal in (*first, *second)}) == 3
    taken = {proposal.key for proposal in (*first, *second)}
    assert next_population(TINY, scored, 10, EVOLUTION, rng, taken) == []
    assert first_population(TINY, 10, EVOLUTION, rng, taken) == []


def test_without_anything_scored_a_population_is_fresh(a2ls: Grammar) -> None:
    proposals = next_population(a2ls, [], 10, EVOLUTION, np.random.default_rng(0))
    assert [proposal.origin for proposal in proposals] == [Origin.RANDOM] * 10


def test_moves_that_do_not_add_up_are_refused() -> None:
    with pytest.raises(A2lError, match="shares"):
        EvolutionSettings(replacement=0.9)

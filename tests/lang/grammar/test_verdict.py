"""Checker and grammars have one opinion of what is a loss, and it doesn't hang on how a loss is written."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import any_losses
from torch import Tensor
from variants import loose_comparisons, rewritten

from a2ls_dsl.diagnostics import LanguageError, Severity, Source
from a2ls_dsl.lang.grammar import parse_grammar
from a2ls_dsl.lang.load import loads
from a2ls_dsl.lang.rules.canonical import is_fresh, key, single
from a2ls_dsl.lang.rules.check import check
from a2ls_dsl.lang.rules.sums import shared_names, view_names
from a2ls_dsl.lang.syntax.elaborate import recover
from a2ls_dsl.lang.syntax.printer import print_loss, print_option, print_set, print_term
from a2ls_dsl.lang.syntax.tree import Comparison, Loss
from a2ls_dsl.words.entry import Number
from a2ls_dsl.words.numbers import Range
from a2ls_dsl.words.registry import forget, operator

SHARED = "mse({ s[t], a[t] } -> { r[t] }) with head = linear as q"


def errors(text: str) -> list[str]:
    """The codes of the errors of a loss that is written so, sorted."""
    file, mistakes = recover(Source("x", f"loss mine = {text}"))
    diagnostics = [*mistakes, *check(file, mistakes)]
    return sorted(diagnostic.code for diagnostic in diagnostics if diagnostic.severity is Severity.ERROR)


def grammar_losses(text: str) -> set[Loss]:
    """The losses of a grammar; those that it gives are those that it holds."""
    grammar = parse_grammar(text)
    losses = set(grammar.enumerate())
    assert all(map(grammar.contains, losses))
    return losses


def drawn_twice(term: Comparison) -> bool:
    """Whether a set calls one view of one state twice, which no set of a grammar does."""
    fresh = [[item for item in items if is_fresh(item)] for items in (term.source, term.target)]
    return any(len(set(items)) < len(items) for items in fresh)


@pytest.mark.parametrize(
    ("first", "other"),
    [
        (
            "mse({ s[t], r[t] } -> { r[t+1], s[t+1] }) with head = none",
            "mse({ r[t], s[t] } -> { s[t+1], r[t+1] }) with head = none",
        ),
        ("mico({ s[t] } -> { r[t], s[t+1], r[t] })", "mico({ s[t] } -> { r[t], s[t+1] })"),
        (
            "mse({ rollout(s[t], a[t..t+1]) } -> { s[t+1], s[t+2], s[t+2] })",
            "mse({ rollout(s[t], a[t..t+1]) } -> { s[t+1..t+2] })",
        ),
        (
            "barlow({ shift(s[t]), s[t], s[t] } -> { shift(s[t]), s[t] })",
            "barlow({ shift(s[t]), s[t] } -> { shift(s[t]), s[t] })",
        ),
        (
            "mse({ rollout(s[t], a[t..t+1]) } -> { s[t+1], ema(s[t+2]) })",
            "mse({ rollout(s[t], a[t..t+1]) } -> { s[t+1..t+2] })",
        ),
        (
            f"{SHARED} + mse({{ a[t+1], s[t+1], s[t+1] }} -> {{ r[t+1] }}) with head = linear as q",
            f"{SHARED} + mse({{ s[t+1], a[t+1] }} -> {{ r[t+1] }}) with head = linear as q",
        ),
    ],
)
def test_order_repetition_and_defaults_mean_nothing(first: str, other: str) -> None:
    assert errors(first) == errors(other) == []
    (here,), (there,) = loads(f"loss a = {first}").values(), loads(f"loss a = {other}").values()
    assert key(here) == key(there)


@settings(max_examples=100)
@given(st.data())
def test_a_rewritten_comparison_earns_the_same_verdict(data: st.DataObject) -> None:
    term = data.draw(loose_comparisons())
    other = data.draw(rewritten(term))
    assert errors(print_term(term)) == errors(print_term(other))


@settings(max_examples=80)
@given(loose_comparisons())
def test_a_grammar_of_one_loss_stands_where_the_loss_does(term: Comparison) -> None:
    text, sound = print_term(term), not errors(print_term(term))
    if drawn_twice(term):
        return
    try:
        losses = grammar_losses(f"grammar one\nloss = {text}")
    except LanguageError:
        assert not sound
        return
    assert sound
    assert losses == {single(term)}


@settings(max_examples=25)
@given(st.lists(loose_comparisons(), min_size=2, max_size=2), st.booleans())
def test_of_alternatives_a_grammar_takes_those_that_the_checker_takes(
    terms: list[Comparison], optional: bool
) -> None:
    first, other = terms
    if any(map(drawn_twice, terms)) or not (first.target and other.target):
        return
    parts = [
        sorted({first.operator, other.operator}),
        sorted({print_set(first.source), print_set(other.source)}),
        sorted({print_set(first.target), print_set(other.target)}),
        ["", " against batch"] if optional else [""],
        sorted({", ".join(map(print_option, term.options)) for term in terms}),
    ]
    texts = [
        f"{operator}({source} -> {target}){negatives}" + (f" with {options}" if options else "")
        for operator, source, target, negatives, options in product(*parts)
    ]
    verdicts = {text: errors(text) for text in texts}
    means = {loss for text in texts if not verdicts[text] for loss in loads(f"loss a = {text}").values()}
    sets = [" | ".join(part) for part in parts[:3]]
    written = "\n| ".join(
        f"operator(source -> target){' [ against batch ]' if optional else ''}"
        + (f" with {part}" if part else "")
        for part in parts[4]
    )
    text = f"grammar g\nloss = {written}\noperator = {sets[0]}\nsource = {sets[1]}\ntarget = {sets[2]}"
    try:
        assert grammar_losses(text) == means
    except LanguageError as refused:
        codes = {diagnostic.code for diagnostic in refused.diagnostics}
        if codes & {"A2L218"}:
            assert any("A2L036" in verdict for verdict in verdicts.values())
        else:
            # Every comparison of a grammar has to go together in some way, and items and numbers in all.
            assert codes <= {"A2L221", "A2L224", "A2L204"}
            assert any(verdicts.values())


@settings(max_examples=40)
@given(any_losses(horizon=2))
def test_every_sound_loss_is_a_grammar(loss: Loss) -> None:
    terms = [term.term for term in loss.terms if isinstance(term.term, Comparison)]
    named = [*map(shared_names, terms), *map(view_names, terms)]
    if not any(named) and not any(map(drawn_twice, terms)):
        assert grammar_losses(f"grammar one\nloss = {print_loss(loss)}") == {loss}


@pytest.mark.parametrize(
    "weight",
    [
        "1e39",
        "1e-50",
        "1e30",
        "1e-30",
        "0.0",
        "1e999",
        "linear(0.0, 0.0, 5)",
        "linear(0.0, 1e31, 5)",
        "linear(1.0, 2.0, 2.5)",
        "linear(0.0, 1.0, 0)",
        "linear(0.0, 1e-30, 1000000000000)",
    ],
)
def test_checker_and_grammar_take_the_same_weights(weight: str) -> None:
    text = f"{weight} * mse({{ s[t] }} -> {{ s[t+1] }})"
    try:
        parse_grammar(f"grammar one\nloss = {text}")
    except LanguageError:
        assert errors(text)
    else:
        assert not errors(text)


@pytest.mark.parametrize("weights", [("1e20", "1e20"), ("1e-20", "1e-20"), ("1e20", "1e-20")])
def test_checker_and_grammar_multiply_weights_alike(weights: tuple[str, str]) -> None:
    inner, outer = weights
    file = f"loss one = {inner} * mse({{ s[t] }} -> {{ s[t+1] }})\nloss two = {outer} * one"
    grammar = f"grammar g\nloss = {outer} * one\none = {inner} * mse({{ s[t] }} -> {{ s[t+1] }})"
    results = []
    for attempt in (lambda: loads(file)["two"], lambda: next(parse_grammar(grammar).enumerate())):
        try:
            results.append(attempt())
        except LanguageError:
            results.append(None)
    assert results[0] == results[1]
    assert (results[0] is None) is (weights != ("1e20", "1e-20"))


@pytest.mark.parametrize(
    "text",
    [
        "1e999 * mse({ s[t] } -> { s[t+1] })",
        "mse({ s[t] } -> { s[t+1] }) with head = mlp(1e999)",
        "ce({ s[t] } -> { r[t] }) with bins = 1e999",
        "mse({ shift(s[t], 1e999) } -> { s[t+1] })",
        "mse({ s[t] } -> { return(r[t..t+1], 1e999) })",
        "linear(0.0, 1.0, 1e999) * mse({ s[t] } -> { s[t+1] })",
        "mse({ shift(s[t], (4 | 1e999)) } -> { s[t+1] })",
    ],
)
def test_an_infinite_number_of_a_grammar_has_a_message(text: str) -> None:
    with pytest.raises(LanguageError, match="the number 1e999 is not finite"):
        parse_grammar(f"grammar g\nloss = {text}")


@pytest.fixture
def wide() -> Iterator[None]:
    """An operator whose `bins` go further than those of `ce`."""

    @operator("", options=(Number("bins", 65, Range(2, 5000, whole=True)),))
    def wide(y: Tensor, z: Tensor, bins: float) -> Tensor:
        return y.mean()

    yield
    forget("wide")


@pytest.mark.usefixtures("wide")
@pytest.mark.parametrize("operators", [["ce"], ["wide"], ["ce", "wide"], ["mse", "ce"]])
@pytest.mark.parametrize("bins", [2, 1001, 1002, 5000, 5001])
def test_numbers_have_the_range_of_the_operator_that_takes_them(operators: list[str], bins: int) -> None:
    """Not of another one with an option of that name; a number that none takes is refused, not left out."""
    texts = [f"{name}({{ s[t] }} -> {{ r[t] }}) with bins = {bins}" for name in operators]
    sound = {text for text in texts if not errors(text)}
    offered = f"offered = {' | '.join(operators)}"
    grammar = f"grammar g\nloss = offered({{ s[t] }} -> {{ r[t] }}) with bins = {bins}\n{offered}"
    if sound:
        assert grammar_losses(grammar) == {loads(f"loss a = {text}")["a"] for text in sound}
    else:
        with pytest.raises(LanguageError, match=rf"A2L224\]: .*: bins = {bins}"):
            parse_grammar(grammar)


@pytest.mark.parametrize("temperature", ["0.1", "0.5", "1"])
@pytest.mark.parametrize("name", ["cosine({}) against batch", "infonce({})"])
def test_two_names_of_one_operator_are_one_loss_in_a_grammar(name: str, temperature: str) -> None:
    """`infonce` is `cosine` against the batch; a grammar wrote the negatives of the one behind the other."""
    text = f"{name.format('{ s[t] } -> { s[t+1] }')} with temperature = {temperature}"
    assert grammar_losses(f"grammar g\nloss = {text}") == {loads(f"loss a = {text}")["a"]}


def test_a_grammar_holds_both_ends_of_a_range_or_neither() -> None:
    """An alternative without an end goes with none that has the other; 0 and 0 is the natural range."""
    terms = "ce({ s[t] } -> { r[t] }) with low = (-5 | 0), high = (0 | 5)"
    losses = grammar_losses(f"grammar ends\nloss = {terms}")
    assert {print_loss(loss).partition(" with ")[2] for loss in losses} == {
        "",
        "low = -5, high = 0",
        "low = -5, high = 5",
        "low = 0, high = 5",
    }
    with pytest.raises(LanguageError, match="`low` is given without `high`"):
        parse_grammar("grammar end\nloss = ce({ s[t] } -> { r[t] }) with low = -5")

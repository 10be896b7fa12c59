"""The canonical form of the whole language: what may differ between two files that hold one loss."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import any_losses

from a2ls_dsl.diagnostics import Severity
from a2ls_dsl.lang.load import loads
from a2ls_dsl.lang.rules.canonical import (
    SOURCE,
    TARGET,
    canonical,
    canonical_comparison,
    comparisons,
    explicit_calls,
    key,
)
from a2ls_dsl.lang.rules.check import check
from a2ls_dsl.lang.rules.sums import with_elements
from a2ls_dsl.lang.rules.types import Width, steps, trains_encoder, widths
from a2ls_dsl.lang.syntax.elaborate import parse
from a2ls_dsl.lang.syntax.printer import print_loss
from a2ls_dsl.lang.syntax.tree import (
    Call,
    Comparison,
    Definition,
    Element,
    Head,
    Loss,
    LossFile,
    Weighted,
    map_of,
    number_of,
)
from a2ls_dsl.words.language import Stream

SAME = {
    # what was written: what it is
    "cosine({ s[t] } -> { r[t] }) against batch with temperature = 0.1": "infonce({ s[t] } -> { r[t] })",
    "infonce({ s[t] } -> { r[t] }) with temperature = 1": "cosine({ s[t] } -> { r[t] }) against batch",
    "cosine({ s[t] } -> { s[t+1] }) against batch with temperature = 0.5, head = none": (
        "infonce({ s[t] } -> { s[t+1] }) with head = none, temperature = 0.5"
    ),
    "cosine({ s[t] } -> { s[t+1] }) with head = none": "cosine({ s[t] } -> { s[t+1] }) with head = none",
    "mse({ s[t] } -> { return(r[t]) })": "mse({ s[t] } -> { r[t] })",
    "mse({ s[t] } -> { return(r[t], 0.5), r[t] })": "mse({ s[t] } -> { r[t] })",
    "mse({ s[t] } -> { return(r[t], value(s[t+1])) })": "mse({ s[t] } -> { return(r[t], value(s[t+1])) })",
    "mse({ rollout(s[t], a[t]) } -> { s[t+1] }) with decay = 0.5": (
        "mse({ rollout(s[t], a[t]) } -> { s[t+1] })"
    ),
    "mse({ rollout(s[t], a[t..t+1]) } -> { r[t], r[t+1] }) with decay = 0.5": (
        "mse({ rollout(s[t], a[t..t+1]) } -> { r[t], r[t+1] }) with decay = 0.5"
    ),
    "mse({ visited(s[t], a[t..t+1]), a[t], a[t+1] } -> { r[t], r[t+1] }) with transition = plain": (
        "mse({ visited(s[t], a[t..t+1]), a[t], a[t+1] } -> { r[t], r[t+1] })"
    ),
    "mse({ visited(l2(s[t]), a[t]), a[t] } -> { r[t] }) with transition = linear, decay = 0.5": (
        "mse({ l2(s[t]), a[t] } -> { r[t] })"
    ),
    "mse({ visited(s[t], a[t]), s[t], rollout(s[t], a[t]) } -> { r[t] }) with transition = linear": (
        "mse({ s[t], rollout(s[t], a[t]) } -> { r[t] }) with transition = linear"
    ),
    "mse({ s[t] } -> { uniform(s[t+1]), ema(geometric(s[t+1..t+3], 0.99)) })": (
        "mse({ s[t] } -> { s[t+1], geometric(s[t+1..t+3]) })"
    ),
    "mse({ uniform(s[t..t+2]), s[t] } -> { uniform(r[t..t+2]), uniform(r[t..t+2]) })": (
        "mse({ s[t], uniform(s[t..t+2]) } -> { uniform(r[t..t+2]) })"
    ),
    "mse({ s[t] } -> { s[t+1] }) with projector = none, head = linear as lone": (
        "mse({ s[t] } -> { s[t+1] }) with head = linear"
    ),
    "ce({ s[t] } -> { r[t] }) with high = 0, low = 0": "ce({ s[t] } -> { r[t] })",
    "ce({ s[t] } -> { r[t] }) with high = 5, low = 0": "ce({ s[t] } -> { r[t] }) with low = 0, high = 5",
    "ce({ s[t] } -> { r[t] }) with high = 0, low = -5, head = linear as lone": (
        "ce({ s[t] } -> { r[t] }) with head = linear, low = -5, high = 0"
    ),
    "variance({ s[t] }) with projector = mlp(8) as p + covariance({ s[t] }) with projector = mlp(8) as p": (
        "1.0 * covariance({ s[t] }) with projector = mlp(8) as h1"
        " + 1.0 * variance({ s[t] }) with projector = mlp(8) as h1"
    ),
    "mse({ l2(avgl1(s[t])) } -> { s[t+1] })": "mse({ l2(s[t]) } -> { s[t+1] })",
    "mse({ l2(simnorm(s[t])) } -> { s[t+1] })": "mse({ l2(simnorm(s[t])) } -> { s[t+1] })",
    "mse({ crop(shift(s[t])) } -> { s[t+1] })": "mse({ shift(s[t]) } -> { s[t+1] })",
    "mse({ shift(crop(s[t])) } -> { s[t+1] })": "mse({ shift(crop(s[t])) } -> { s[t+1] })",
    "mse({ online(s[t]), a[t] } -> { ema(s[t+1]) })": "mse({ s[t], a[t] } -> { s[t+1] })",
    "mse({ ema(s[t]), s[t] } -> { online(s[t+1]) })": "mse({ s[t], ema(s[t]) } -> { online(s[t+1]) })",
    "mse({ l2(online(shift(s[t], 4))) } -> { l2(ema(s[t+1])) })": (
        "mse({ l2(shift(s[t])) } -> { l2(s[t+1]) })"
    ),
    "mse({ shift(s[t], 3) } -> { simnorm(s[t+1], 8.0) })": "mse({ shift(s[t], 3) } -> { simnorm(s[t+1]) })",
    "mse({ s[t], s[t], online(s[t]) } -> { r[t] })": "mse({ s[t] } -> { r[t] })",
    "mse({ crop(s[t]), crop(s[t]) } -> { r[t] })": "mse({ crop(s[t]), crop(s[t]) } -> { r[t] })",
    "mse({ s[t] } -> { value(ema(s[t+1])) })": "mse({ s[t] } -> { value(s[t+1]) })",
    "mse({ s[t], value(ema(s[t])) } -> { value(online(s[t+1])) })": (
        "mse({ s[t], value(s[t]) } -> { value(stop(s[t+1])) })"
    ),
    "mse({ s[t] } -> { done[t+1], o[t+1], r[t], a[t], s[t+1] })": (
        "mse({ s[t] } -> { s[t+1], a[t], r[t], o[t+1], done[t+1] })"
    ),
    "mse({ s[t] } -> { return(r[t..t+2], value(s[t+3]), 0.99), r[t] })": (
        "mse({ s[t] } -> { r[t], return(r[t..t+2], value(s[t+3])) })"
    ),
    "mse({ rollout(l2(online(s[t])), a[t..t]) } -> { ema(s[t+1]) })": (
        "mse({ rollout(l2(s[t]), a[t]) } -> { s[t+1] })"
    ),
    "ce({ s[t] } -> { r[t] }) with bins = 65, head = predictor": "ce({ s[t] } -> { r[t] })",
    "infonce({ s[t] } -> { s[t+1] }) with temperature = 1e-1, head = mlp(64.0)": (
        "infonce({ s[t] } -> { s[t+1] }) with head = mlp(64)"
    ),
    "inner({ s[t] } -> { s[t+1] }) against batch with temperature = 1.0": (
        "inner({ s[t] } -> { s[t+1] }) against batch"
    ),
    "linear(1, 1, 500) * mse({ s[t] } -> { r[t] })": "mse({ s[t] } -> { r[t] })",
    "linear(0, 0.5, 500) * mse({ s[t] } -> { r[t] })": "linear(0.0, 0.5, 500) * mse({ s[t] } -> { r[t] })",
    "mse({ s[t] } -> { r[t] }) with head = mlp(8) as q": "mse({ s[t] } -> { r[t] }) with head = mlp(8)",
    "mse({ s[t] } -> { r[t] }) with head = predictor as q": "mse({ s[t] } -> { r[t] })",
}


@pytest.mark.parametrize(("written", "form"), SAME.items())
def test_the_form(written: str, form: str) -> None:
    loss = loads(f"loss it = {written}")["it"]
    assert print_loss(loss) == form
    assert loads(f"loss it = {form}")["it"] == loss


def test_shared_heads_are_numbered() -> None:
    terms = [f"mse({{ s[t] }} -> {{ r[{step}] }}) with head = linear" for step in ("t", "t+1")]
    assert print_loss(loads(f"loss it = {terms[0]} as z + {terms[1]} as z")["it"]) == (
        f"1.0 * {terms[1]} as h1 + 1.0 * {terms[0]} as h1"
    )


def test_names_of_heads_count_in_their_definition_only() -> None:
    text = (
        "loss one = mse({ s[t] } -> { r[t] }) with head = linear as q"
        " + mse({ s[t] } -> { r[t+1] }) with head = linear as q\n"
        "loss two = one + one + mse({ s[t] } -> { r[t+2] }) with head = linear as q\n"
    )
    two = loads(text)["two"]
    names = [option.shared for _, term in comparisons(two) for option in term.options]
    assert names == ["h1", "h2", None, "h1", "h2"]


def test_terms_that_share_heads_crosswise_have_one_form() -> None:
    terms = {name: f"mse({{ s[t] }} -> {{ r[{name}] }}) with head = linear" for name in ("t", "t+1")}
    first = f"{terms['t']} as p + {terms['t']} as q + {terms['t+1']} as p + {terms['t+1']} as q"
    crossed = f"{terms['t']} as q + {terms['t']} as p + {terms['t+1']} as p + {terms['t+1']} as q"
    apart = f"{terms['t']} as p + {terms['t']} as p + {terms['t+1']} as q + {terms['t+1']} as q"
    keys = [key(loads(f"loss it = {text}")["it"]) for text in (first, crossed, apart)]
    assert keys[0] == keys[1] != keys[2]


@settings(max_examples=150)
@given(any_losses(terms=4), st.data())
def test_neither_names_nor_order_matter(loss: Loss, data: st.DataObject) -> None:
    names = data.draw(st.permutations(["h1", "h2", "h3", "x", "v1", "v2"]))
    renamed = dict(zip(["h1", "h2", "h3", "h4", "v1", "v2"], names, strict=True))

    def viewed(element: Element) -> Element:
        calls = (replace(call, shared=renamed.get(call.shared or "")) for call in element.calls)
        return replace(element, calls=tuple(calls))

    terms = []
    for weighted in data.draw(st.permutations(loss.terms)):
        term = weighted.term
        assert isinstance(term, Comparison)
        options = [replace(option, shared=renamed.get(option.shared or "")) for option in term.options]
        source, target = (
            data.draw(st.permutations([with_elements(item, viewed) for item in items])) if items else ()
            for items in (term.source, term.target)
        )
        shuffled = replace(
            term,
            source=tuple(source),
            target=tuple(target),
            options=tuple(data.draw(st.permutations(options))) if options else (),
        )
        terms.append(replace(weighted, term=shuffled))
    assert canonical(Loss(tuple(terms))) == loss


@settings(max_examples=150)
@given(any_losses())
def test_the_form_is_valid_and_its_own(loss: Loss) -> None:
    assert canonical(loss) == loss
    diagnostics = check(LossFile((Definition("it", loss),)))
    assert not [diagnostic for diagnostic in diagnostics if diagnostic.severity is Severity.ERROR]
    (definition,) = parse(f"loss it = {print_loss(loss)}").definitions
    assert canonical(definition.loss) == loss
    assert key(canonical(definition.loss)) == key(loss)


def test_weights_and_schedules_multiply() -> None:
    text = (
        "loss one = linear(0.0, 2.0, 1000) * mse({ s[t] } -> { r[t] }) + 0.5 * mse({ s[t] } -> { r[t+1] })\n"
        "loss two = 0.5 * one\n"
        "loss three = linear(1.0, 0.0, 50) * mse({ s[t] } -> { r[t] })\n"
        "loss four = 0.25 * three + two\n"
    )
    losses = loads(text)
    assert print_loss(losses["two"]) == (
        "0.25 * mse({ s[t] } -> { r[t+1] }) + linear(0.0, 1.0, 1000) * mse({ s[t] } -> { r[t] })"
    )
    assert print_loss(losses["four"]) == (
        f"{print_loss(losses['two'])} + linear(0.25, 0.0, 50) * mse({{ s[t] }} -> {{ r[t] }})"
    )


def test_what_backends_read() -> None:
    crop, shift, l2, value = Call("crop"), Call("shift"), Call("l2"), Call("value")
    element = Element(Stream.STATE, 0, (shift, crop, l2))
    assert [call.name for call in explicit_calls(element, SOURCE)] == ["shift", "crop", "online", "l2"]
    assert explicit_calls(element, TARGET)[0].numbers == (4,)
    assert [call.name for call in explicit_calls(replace(element, calls=(value,)), SOURCE)] == [
        "ema",
        "value",
    ]
    assert trains_encoder(element, SOURCE)
    assert not trains_encoder(element, TARGET)
    assert not trains_encoder(replace(element, calls=(Call("online"), value)), SOURCE)
    (term,) = (
        term
        for _, term in comparisons(
            loads(
                "loss it = ce({ rollout(s[t], a[t..t+1]), rollout(l2(s[t]), a[t..t+1]) }"
                " -> { r[t..t+1], done[t+1], done[t+2], return(r[t..t+2]), return(r[t+1..t+3]) })"
                " with head = mlp(64, 32), decay = 0.5"
            )["it"]
        )
    )
    assert (map_of(term, "head"), number_of(term, "decay"), number_of(term, "bins")) == (
        Head("mlp", (64, 32)),
        0.5,
        65,
    )
    assert number_of(term, "discount", 1.0) == 1.0
    with pytest.raises(KeyError):
        number_of(term, "discount")
    rows = steps(term)
    assert [widths(source) for source, _ in rows] == [(Width.LATENT,) * 2] * 2
    assert [widths(target) for _, target in rows] == [(Width.NUMBER,) * 3] * 2
    assert [[item.last for item in target] for _, target in rows] == [[0, 2, 1], [1, 3, 2]]


def test_one_step_without_rollouts() -> None:
    term = canonical_comparison(Comparison("variance", (Element(Stream.STATE, 0),)))
    assert steps(term) == [(term.source, ())]
    assert map_of(term, "head") is None
    assert print_loss(Loss((Weighted(1.0, term),))) == "variance({ s[t] })"


@pytest.mark.parametrize(
    ("outer", "inner", "product"),
    [
        ("0.1", "0.2", "0.02"),
        ("3.0", "0.1", "0.3"),
        ("10.0", "linear(0.1, 0.3, 5)", "linear(1.0, 3.0, 5)"),
        ("linear(0.1, 0.7, 5)", "0.1", "linear(0.01, 0.07, 5)"),
    ],
)
def test_weights_multiply_as_they_are_written(outer: str, inner: str, product: str) -> None:
    term = "mse({ s[t] } -> { s[t+1] })"
    nested = loads(f"loss part = {inner} * {term}\nloss whole = {outer} * part")["whole"]
    assert print_loss(nested) == print_loss(loads(f"loss flat = {product} * {term}")["flat"])

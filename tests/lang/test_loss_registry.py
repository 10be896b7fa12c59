"""Registering functions and operators: files can use them, nothing is shadowed, mistakes are said."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from a2ls_dsl.backend.module import compile_loss
from a2ls_dsl.backend.window import Spaces
from a2ls_dsl.diagnostics import A2lError, LanguageError
from a2ls_dsl.lang.functions import Function, Kind, Parameter
from a2ls_dsl.lang.latex import latex
from a2ls_dsl.lang.load import loads
from a2ls_dsl.lang.numbers import Range
from a2ls_dsl.lang.operators import Needs, Negatives, NumberOption, Operator, Sets
from a2ls_dsl.lang.printer import print_loss
from a2ls_dsl.lang.registry import forget, functions, operators, register_function, register_operator
from a2ls_dsl.lang.timeline import timeline

BLUR = Function(
    "blur", Kind.VIEW, "blurs frames", "blur(s[t], 3)", (Parameter("radius", 3, Range(1, 9, whole=True)),)
)
UNIT = Function("unit_box", Kind.NORMALISER, "scales into a box", "unit_box(s[t])")
CAUCHY = Operator(
    "cauchy",
    "log(1 + squared error)",
    negatives=Negatives.ON_REQUEST,
    options=(NumberOption("scale", 1, Range(0, 10, above=True), "of the error"),),
)
RANK = Operator(
    "rank", "how full the latents' rank is", unary=True, head=False, sets=Sets.LATENTS, anchored=True
)


@pytest.fixture
def entries() -> Iterator[None]:
    for function in (BLUR, UNIT):
        register_function(function)
    for operator in (CAUCHY, RANK):
        register_operator(operator)
    yield
    for each in (BLUR, UNIT, CAUCHY, RANK):
        forget(each.name)


@pytest.mark.usefixtures("entries")
def test_files_use_them_like_any_other() -> None:
    text = (
        "loss it = cauchy({ unit_box(blur(s[t], 5)) } -> { blur(s[t+1], 3) }) against batch with scale = 2"
        " + 0.1 * rank({ s[t] })"
    )
    loss = loads(text)["it"]
    assert print_loss(loss) == (
        "1.0 * cauchy({ unit_box(blur(s[t], 5)) } -> { blur(s[t+1]) }) against batch with scale = 2"
        " + 0.1 * rank({ s[t] })"
    )
    assert loads(f"loss it = {print_loss(loss)}")["it"] == loss
    assert "unit_box(blur(s, 5))" in timeline(loss)
    assert r"\mathrm{cauchy}(y_{1}, z_{1})" in latex("it", loss)


@pytest.mark.usefixtures("entries")
@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("cauchy({ blur(s[t], 10) } -> { r[t] })", "A2L040"),
        ("cauchy({ blur(a[t]), s[t] } -> { r[t] })", "A2L024"),
        ("cauchy({ s[t] } -> { r[t] }) with scale = 0", "A2L041"),
        ("cauchy({ s[t] } -> { r[t] }) with scales = 1", "A2L027"),
        ("rank({ s[t], a[t] })", "A2L049"),
        ("rank({ s[t] } -> { s[t+1] })", "A2L048"),
        ("cauchi({ s[t] } -> { r[t] })", "A2L021"),
    ],
)
def test_their_rules_hold(text: str, code: str) -> None:
    with pytest.raises(LanguageError) as caught:
        loads(f"loss it = {text}")
    assert [each.code for each in caught.value.diagnostics] == [code]


def test_an_operator_of_one_set_may_take_negatives() -> None:
    entry = Operator("apart", "", unary=True, head=False, negatives=Negatives.ON_REQUEST, sets=Sets.LATENTS)
    register_operator(entry)
    try:
        text = "apart({ s[t] }) against batch"
        assert print_loss(loads(f"loss it = {text}")["it"]) == text
    finally:
        forget("apart")


@pytest.mark.usefixtures("entries")
def test_they_are_suggested_and_compared() -> None:
    with pytest.raises(LanguageError, match="did you mean `cauchy`"):
        loads("loss it = cauchi({ s[t] } -> { r[t] })")
    register_operator(CAUCHY)  # an equal entry again is no change
    with pytest.raises(A2lError, match="the name `cauchy` is taken by an operator"):
        register_operator(Operator("cauchy", "another one"))
    with pytest.raises(A2lError, match="nothing computes `rank`"):
        compile_loss(loads("loss it = rank({ s[t] })")["it"], Spaces(3, 1, 4))


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        ("mse", "an operator"),
        ("crop", "a function"),
        ("rollout", "a function"),
        ("done", "a stream"),
        ("loss", "a word of the language"),
        ("with", "a word of the language"),
        ("linear", "a word of the language"),
        ("mlp", "a word of the language"),
        ("t", "a word of the language"),
    ],
)
def test_nothing_is_shadowed(name: str, meaning: str) -> None:
    for register, entry in (
        (register_function, Function(name, Kind.VIEW, "", "")),
        (register_operator, Operator(name, "")),
    ):
        with pytest.raises(A2lError, match=rf"the name `{name}` is taken by {meaning}") as caught:
            register(entry)  # type: ignore[operator]
        assert caught.value.fix == "choose another name"


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (Function("my view", Kind.VIEW, "", ""), "is no name"),
        (Function("späti", Kind.VIEW, "", ""), "is no name"),
        (Function("mine", Kind.ENCODER, "", ""), "is to be registered as encoder"),
        (Function("mine", Kind.SEQUENCE, "", ""), "is to be registered as function of a run"),
        (
            Function("mine", Kind.VIEW, "", "", (Parameter("size", 0, Range(1, 9)),)),
            "the default of `size` of `mine` is 0",
        ),
        (Function("mine", Kind.VIEW, "", "", (Parameter("a b", 1, Range(1, 9)),)), "a number called `a b`"),
        (Operator("mine", "", unary=True), "takes one set and a head"),
        (Operator("mine", "", sets=Sets.TRANSITION), "over pairs of samples"),
        (
            Operator("mine", "", options=(NumberOption("head", 1, Range(0, 2), ""),)),
            "can't have the option `head`",
        ),
        (
            Operator(
                "mine",
                "",
                unary=True,
                head=False,
                options=(NumberOption("decay", 1, Range(0, 2), "", Needs.ROLLOUT),),
            ),
            "can't have the option `decay`",
        ),
        (
            Operator("mine", "", options=(NumberOption("x", 1, Range(0, 2), ""),) * 2),
            "a number called `x`",
        ),
    ],
)
def test_what_does_not_fit_is_refused(entry: Function | Operator, message: str) -> None:
    register = register_function if isinstance(entry, Function) else register_operator
    with pytest.raises(A2lError, match=message) as caught:
        register(entry)  # type: ignore[operator]
    assert caught.value.fix
    assert entry.name not in {*functions, *operators}


def test_what_belongs_to_the_language_stays() -> None:
    for name in ("mse", "crop", "never_registered"):
        with pytest.raises(A2lError, match="was not registered"):
            forget(name)
    with pytest.raises(TypeError):
        operators["mine"] = CAUCHY  # type: ignore[index]

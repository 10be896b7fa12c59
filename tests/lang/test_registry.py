"""Registering functions and operators: files can use them, nothing is shadowed, mistakes are said."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import cast

import pytest
import torch
from torch import Tensor

from a2ls_dsl.backend.formulas import compare
from a2ls_dsl.backend.formulas import view as augment
from a2ls_dsl.diagnostics import A2lError, LanguageError
from a2ls_dsl.ir.lower import lower
from a2ls_dsl.ir.show import print_program
from a2ls_dsl.lang.load import loads
from a2ls_dsl.lang.syntax.printer import print_loss
from a2ls_dsl.lang.views.latex import latex
from a2ls_dsl.lang.views.timeline import timeline
from a2ls_dsl.words.draws import Draws
from a2ls_dsl.words.entry import Negatives, Number, Sets
from a2ls_dsl.words.numbers import Range
from a2ls_dsl.words.registry import forget, functions, normaliser, operator, operators, view

RADIUS = Number("radius", 3, Range(1, 9, whole=True))
SCALE = Number("scale", 1, Range(0, 10, above=True), "of the error")
CAUCHY = operator("log(1 + squared error)", negatives=Negatives.ON_REQUEST, options=(SCALE,))


def blur(x: Tensor, draws: Draws, radius: float) -> Tensor:
    return x


def unit_box(x: Tensor) -> Tensor:
    return x


def cauchy(y: Tensor, z: Tensor, scale: float, against_batch: bool) -> Tensor:
    return y.mean()


def rank(y: Tensor) -> Tensor:
    return y.mean()


def mine(y: Tensor, z: Tensor) -> Tensor:
    return y.mean()


@pytest.fixture
def entries() -> Iterator[None]:
    view("blurs frames", example="blur(s[t], 3)", parameters=(RADIUS,))(blur)
    normaliser("scales into a box")(unit_box)
    CAUCHY(cauchy)
    operator("how full the rank is", unary=True, head=False, sets=Sets.LATENTS, anchored=True)(rank)
    yield
    for name in ("blur", "unit_box", "cauchy", "rank"):
        forget(name)


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
    assert [diagnostic.code for diagnostic in caught.value.diagnostics] == [code]


def test_an_operator_of_one_set_may_take_negatives() -> None:
    @operator("", unary=True, head=False, negatives=Negatives.ON_REQUEST, sets=Sets.LATENTS)
    def apart(y: Tensor, against_batch: bool) -> Tensor:
        return y.mean()

    try:
        text = "apart({ s[t] }) against batch"
        assert print_loss(loads(f"loss it = {text}")["it"]) == text
    finally:
        forget("apart")


@pytest.mark.usefixtures("entries")
def test_they_are_suggested_and_compared() -> None:
    with pytest.raises(LanguageError, match="did you mean `cauchy`"):
        loads("loss it = cauchi({ s[t] } -> { r[t] })")
    with pytest.raises(A2lError, match="the name `cauchy` is taken by an operator"):
        operator("another one")(lambda_named("cauchy"))


@pytest.mark.usefixtures("entries")
def test_an_equal_entry_takes_its_new_function() -> None:
    """As when a cell of a notebook runs again."""

    def again(y: Tensor, z: Tensor, scale: float, against_batch: bool) -> Tensor:
        return z.mean()

    again.__name__ = "cauchy"
    CAUCHY(again)
    assert operators["cauchy"].formula is again


@pytest.mark.usefixtures("entries")
def test_an_operator_along_a_rollout_weighs_its_steps() -> None:
    text = "cauchy({ rollout(s[t], a[t..t+1]) } -> { s[t+1..t+2] }) with decay = 0.5"
    loss = loads(f"loss it = {text.replace(' with', ' with scale = 2,')}")["it"]
    assert "over-steps" in print_program(lower(loss))


def lambda_named(name: str, *parameters: str) -> Callable[..., Tensor]:
    """A function of a name, with two rows or these parameters."""
    function = {2: lambda x, draws: x, 3: lambda x, draws, size: x}.get(len(parameters), lambda y, z: y)
    function.__name__ = name
    return function


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
        ("none", "a word of the language"),
        ("t", "a word of the language"),
    ],
)
def test_nothing_is_shadowed(name: str, meaning: str) -> None:
    for register in (view(""), operator("")):
        with pytest.raises(A2lError, match=rf"the name `{name}` is taken by {meaning}") as caught:
            register(lambda_named(name))
        assert caught.value.fix == "choose another name"


@pytest.mark.parametrize(
    ("register", "function", "message"),
    [
        (view(""), lambda_named("my view"), "is not a name"),
        (view(""), lambda_named("späti"), "is not a name"),
        (
            view("", parameters=(Number("size", 0, Range(1, 9)),)),
            mine,
            "the default of `size` of `mine` is 0",
        ),
        (view("", parameters=(Number("a b", 1, Range(1, 9)),)), mine, "a number called `a b`"),
        (
            view("", uncropped=True),
            lambda_named("mine", "x", "draws", "size"),
            "frames that the agent doesn't see",
        ),
        (operator("", unary=True), mine, "takes one set and a head"),
        (operator("", sets=Sets.TRANSITION), mine, "takes a transition and a head"),
        (operator("", sets=Sets.DATA_TARGET), mine, "has no option `bins`"),
        (operator("", options=(Number("head", 1, Range(0, 2)),)), mine, "can't have the option `head`"),
        (operator("", options=(Number("draws", 1, Range(0, 2)),)), mine, "can't have the option `draws`"),
        (
            operator("", unary=True, head=False, options=(Number("decay", 1, Range(0, 2)),)),
            rank,
            "can't have the option `decay`",
        ),
        (operator("", options=(Number("x", 1, Range(0, 2)),) * 2), mine, "a number called `x`"),
        (operator("", options=(SCALE,)), mine, r"called as mine\(y, z, scale=...\).*unexpected keyword"),
        (operator("", negatives=Negatives.ON_REQUEST), mine, r"called as mine\(y, z, against_batch=...\)"),
        (view("", parameters=(RADIUS,)), mine, r"called as mine\(x, draws, radius\): too many"),
    ],
)
def test_what_does_not_fit_is_refused(
    register: Callable[..., object], function: Callable[..., Tensor], message: str
) -> None:
    with pytest.raises(A2lError, match=message) as caught:
        register(function)
    assert caught.value.fix
    assert function.__name__ not in {*functions, *operators}


def test_what_belongs_to_the_language_stays() -> None:
    for name in ("mse", "crop", "never_registered"):
        with pytest.raises(A2lError, match="was not registered"):
            forget(name)
    with pytest.raises(TypeError):
        operators["mine"] = operators["mse"]  # type: ignore[index]


def test_who_registers_as_before_is_told_how_it_is_done_now() -> None:
    with pytest.raises(A2lError, match="register_operation was removed") as caught:
        exec("from a2ls_dsl.backend.registry import register_operation, register_view")  # noqa: S102
    assert "@a2l.operator" in caught.value.fix


def square(y: Tensor, z: Tensor) -> Tensor:
    return (y - z).square()


def first(x: Tensor, draws: Draws) -> Tensor:
    return x[:, :1]


@pytest.mark.parametrize("members", [0, 2])
def test_what_gives_another_shape_than_it_should_is_explained(members: int) -> None:
    operator("squared error, not its mean")(square)
    view("the first number alone", example="first(s[t])")(first)
    leading = (members,) if members else ()
    rows = torch.zeros(*leading, 5, 3)
    try:
        with pytest.raises(
            A2lError, match=r"the operator square gave a tensor of the shape \(5, 3\)"
        ) as caught:
            compare("square", False, [rows, rows])
        assert caught.value.fix == "let it return a tensor that is a single number"
        if not members:
            with pytest.raises(A2lError, match=r"the function first gave a tensor of the shape \(5, 1\)"):
                augment("first", (), rows, cast(Draws, None))
    finally:
        forget("square")
        forget("first")

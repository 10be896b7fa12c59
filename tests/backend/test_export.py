"""The exported file: torch only, and the same loss."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from backend.exported import SPACES, arguments, estimate, made
from hypothesis import given, settings
from paper_losses import losses
from random_windows import windows
from strategies import any_losses
from torch import Tensor, nn

from a2ls_dsl.backend.counter_rng import CounterRng
from a2ls_dsl.backend.export import export
from a2ls_dsl.backend.export_check import check_export, load_class
from a2ls_dsl.backend.module import CompiledLoss, compile_loss
from a2ls_dsl.backend.stacked import StackAgent, StackedLoss
from a2ls_dsl.backend.window import Spaces, Window
from a2ls_dsl.diagnostics import LanguageError
from a2ls_dsl.lang.files import shipped
from a2ls_dsl.lang.grammar import load_grammar
from a2ls_dsl.lang.load import load_one, loads
from a2ls_dsl.lang.syntax.tree import Loss
from a2ls_dsl.words.registry import operators

GOLDEN = Path(__file__).parent / "golden"


def same(loss: Loss, module: nn.Module, compiled: CompiledLoss) -> None:
    """Equal value and gradients with equal parameters, on random windows and equal draws of views."""
    module.double().load_state_dict(compiled.double().state_dict())
    window = windows(SPACES, 6, loss.horizon + 1, seed=1)
    results = []
    for computation in (module, compiled):
        generator = torch.Generator().manual_seed(0)
        online, target = (
            torch.randn(3, 4, dtype=torch.float64, generator=generator, requires_grad=True) for _ in range(2)
        )
        encoders = (lambda x, w=online: torch.tanh(x @ w), lambda x, w=target: torch.tanh(x @ w))
        if computation is module:
            value = computation(*encoders, **arguments(module, window, 3))
        else:
            value = computation(
                *encoders,
                window,
                value=estimate,
                frames=500,
                generator=torch.Generator().manual_seed(3),
            )
        value.backward()
        assert target.grad is None
        results.append([value.detach(), online.grad, *(p.grad for p in computation.parameters())])
    for exported, other in zip(*results, strict=True):
        torch.testing.assert_close(exported, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", shipped("losses", ".a2l"))
def test_every_shipped_loss_is_the_same_outside(name: str) -> None:
    label, loss = load_one(name)
    same(loss, made(load_class(label, export(label, loss))), compile_loss(loss, SPACES))


def test_brackets_that_only_group_are_not_opened_up() -> None:
    """With a comma behind what they hold, as in a call on several lines, they would be a tuple."""
    target, rest = (
        "{ value(s[t+1]), value(s[t+2]), value(s[t+3]) }",
        "head = linear, decay = 0.3282015015529938",
    )
    term = f"mse({{ rollout(s[t], a[t..t+2]) }} -> {target}) with {rest}"
    loss = loads(f"loss it = linear(0.012345678901, 1.123456789012, 411481) * {term}")["it"]
    same(loss, made(load_class("it", export("it", loss))), compile_loss(loss, SPACES))


@settings(max_examples=40)
@given(losses(terms=3, views=True) | any_losses())
def test_any_loss_is_the_same_outside(loss: Loss) -> None:
    same(loss, made(load_class("some_loss", export("some_loss", loss))), compile_loss(loss, SPACES))


SIDES = ["s[t]", "r[t]", "done[t]", "value(s[t+1])", "return(r[t..t+1], value(s[t+2]))", "l2(s[t+1])"]
OPTIONS = ["", " against batch", " with temperature = 0.5", " with decay = 0.5"]
ROLLOUTS = [
    "{op}({{ rollout(s[t], a[t..t+1]) }} -> {{ value(s[t+1]), value(s[t+2]) }}){options}",
    "{op}({{ rollout(s[t], a[t..t+1]) }} -> {{ return(r[t], value(s[t+1])), return(r[t+1], value(s[t+2])) }})"
    "{options}",
]


def lone_terms() -> Iterator[str]:
    """Every operator on sets of one element: what an exported file writes as one expression."""
    for entry in operators.values():
        for options in OPTIONS:
            if entry.unary:
                yield f"{entry.name}({{ s[t] }}){options}"
            for target in SIDES:
                term = f"{entry.name}({{ s[t] }} -> {{ {target} }}){options}"
                yield term
                yield f"2 * {term} + mse({{ s[t] }} -> {{ r[t] }})"
            for rollout in ROLLOUTS:
                yield rollout.format(op=entry.name, options=options)


def test_every_operator_on_a_lone_element_is_the_same_outside() -> None:
    """Brackets stand where they have to, whatever stands inside whatever."""
    tried: dict[str, int] = {}
    for text in lone_terms():
        try:
            loss = loads(f"loss it = {text}")["it"]
        except LanguageError:
            continue  # the checker's to test
        check_export("it", loss, export("it", loss))
        operator = text.removeprefix("2 * ").split("(")[0]
        tried[operator] = tried.get(operator, 0) + 1
    assert tried.keys() == operators.keys() - {"mico", "bisim", "simsr"}  # they need a reward and a state
    assert tried["inner"] > 20


def test_losses_of_the_extended_grammar_are_the_same_outside() -> None:
    grammar, rng = load_grammar("extended"), np.random.default_rng(0)
    for _ in range(60):
        loss = grammar.sample(rng)
        check_export("it", loss, export("it", loss))


def test_encoders_may_flatten_by_view() -> None:
    """Frames come contiguous, as CURL's and DrQ-v2's encoders want them, whatever has been done to them."""
    alone = ("crop(s[t])", "shift(s[t])", "mask(s[t])", "intensity(s[t])")
    for views in (*alone, "mask(shift(crop(s[t])))", "intensity(shift(s[t]))"):
        loss = loads(f"loss it = mse({{ {views} }} -> {{ {views} }}) with head = linear")["it"]
        spaces = Spaces.of((3, 12, 12), 2, 4)
        whole = torch.randint(0, 256, (5, 1, 3, 16, 16), dtype=torch.uint8)
        last = whole[..., 2:14, 2:14].movedim(-3, -1).contiguous().movedim(-1, -3)  # channels last
        window = Window(last, torch.zeros(5, 1, 2), torch.zeros(5, 1), uncropped=whole)

        def encoder(x: Tensor) -> Tensor:
            assert x[0].is_contiguous()
            return x.view(len(x), -1)[:, :4].float().requires_grad_()

        given = {name: part for name, part in vars(window).items() if part is not None and name != "done"}
        module = load_class("it", export("it", loss))(2, 4)
        if "crop" not in views:
            del given["uncropped"]
        assert module(encoder, encoder, **given).isfinite()
        assert compile_loss(loss, spaces)(encoder, encoder, window).isfinite()
        stack = StackedLoss.of([loss, loss], spaces, CounterRng(torch.tensor([0, 1])))
        if "crop" in views:
            continue  # a stack's replay cuts its crops

        def encode(x: Tensor) -> Tensor:
            assert x[0, 0].is_contiguous()
            return x.view(*x.shape[:2], -1)[..., :4].float().requires_grad_()

        two = Window(
            *(torch.stack([tensor, tensor]) for tensor in (window.observation, window.action, window.reward))
        )
        agent = StackAgent(
            encode, encode, rng=CounterRng(torch.tensor([0, 1])), counter=torch.zeros(2).long()
        )
        assert stack(encode, encode, two, agent).isfinite().all()


def test_views_of_frames_are_the_same_outside() -> None:
    """Crops are cut out of the whole frames, each with a draw of its own, and then moved."""
    text = "loss it = mse({ shift(crop(s[t])), mask(s[t]) } -> { intensity(crop(s[t])), o[t] })"
    loss = loads(text)["it"]
    spaces = Spaces.of((3, 12, 12), 2, 4)
    module, compiled = load_class("it", export("it", loss))(2, 4, spaces.data), compile_loss(loss, spaces)
    module.load_state_dict(compiled.state_dict())
    numbers = torch.Generator().manual_seed(0)
    whole = torch.randint(0, 256, (5, 1, 3, 16, 16), dtype=torch.uint8, generator=numbers)
    seen, action, reward = whole[..., 2:14, 2:14], torch.zeros(5, 1, 2), torch.zeros(5, 1)
    inputs: list[Tensor] = []

    def encoder(x: Tensor) -> Tensor:
        inputs.append(x.float())
        return x.float().flatten(1)[:, :4] / 255

    window = Window(seen, action, reward, uncropped=whole)
    values = [
        compiled(encoder, encoder, window, generator=torch.Generator().manual_seed(1)),
        module(
            *(encoder, encoder, seen, action, reward),
            uncropped=whole,
            generator=torch.Generator().manual_seed(1),
        ),
    ]
    torch.testing.assert_close(values[0], values[1])
    for mine, other in zip(inputs[:2], inputs[2:], strict=True):
        assert torch.equal(mine, other)
    assert not torch.equal(inputs[0][:5], seen[:, 0].float())


@pytest.mark.parametrize("name", ["a2_winner", "tdmpc2", "spr_rollout"])
def test_the_text(name: str, golden: Callable[[Path, str], None]) -> None:
    golden(GOLDEN / f"{name}.py.txt", export(name, load_one(name)[1]))

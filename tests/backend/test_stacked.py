"""The stacked backend equals the interpreter, in value and in gradients, whatever else is in the stack."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from interpret import interpret
from paper_losses import losses
from random_windows import windows
from torch import Tensor, nn

from a2ls_dsl.backend.counter_rng import CounterRng
from a2ls_dsl.backend.module import CompiledLoss, compile_loss
from a2ls_dsl.backend.stacked import PADDING, StackedLoss, StackEncoder
from a2ls_dsl.backend.window import Spaces, Window
from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.ir.lower import lower
from a2ls_dsl.lang.rules.canonical import single
from a2ls_dsl.lang.syntax.tree import Comparison, Element, Loss
from a2ls_dsl.words.language import Stream

SPACES = Spaces(observation=3, action=2, features=4)
BATCH = 6


def build(members: Sequence[Loss | None], seed: int = 0) -> StackedLoss:
    rng = CounterRng(torch.arange(len(members)) + seed)
    stack = StackedLoss.of(members, SPACES, rng).double()
    with torch.no_grad():
        # A fresh predictor has gain 1 and shift 0; other values where a lane is live test both.
        for bucket in stack.buckets:
            bucket.norm_bias += 0.1 * bucket.norm_weight
            bucket.norm_weight *= 1.3
    return stack


def encoders(members: int, seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shape = (2, members, SPACES.observation, SPACES.features)
    online, target = torch.randn(*shape, dtype=torch.float64, generator=generator)
    return online.requires_grad_(), target


def encoder_of(weights: Tensor) -> StackEncoder:
    """tanh of a linear map, of each member's own (members, observation, features)."""
    return lambda x, members=None: torch.tanh(x @ (weights if members is None else weights[members]))


def member_window(window: Window, member: int) -> Window:
    parts = (window.observation, window.action, window.reward, window.done)
    return Window(*(part[member] for part in parts if part is not None))


def reference(loss: Loss, alone: CompiledLoss, encoder: Tensor, target: Tensor, window: Window) -> Tensor:
    """The interpreter on the program as lowered, before any pass. A crop of a vector is the vector."""
    program = lower(loss)
    return interpret(
        program, alone, lambda x: torch.tanh(x @ encoder), lambda x: torch.tanh(x @ target), window, crop=0.0
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(losses(terms=2, views=True) | st.none(), min_size=1, max_size=4), st.integers(0, 10**6))
def test_value_and_gradients_equal_the_interpreter(members: list[Loss | None], seed: int) -> None:
    stack = build(members, seed)
    steps = stack.capacity.horizon + 1
    window = windows(SPACES, BATCH, steps, seed, (len(members),))
    online, target = encoders(len(members), seed)
    values = stack(encoder_of(online), encoder_of(target), window)
    assert values.shape == (len(members),)
    (values.sum() + 0 * online.sum()).backward()  # also where no member has a loss
    online_grad = torch.zeros_like(online) if online.grad is None else online.grad
    own_grads = _gradients(stack)
    for index, loss in enumerate(members):
        if loss is None:
            assert values[index] == 0
            assert not online_grad[index].any()
            continue
        alone = CompiledLoss(loss, SPACES, lower(loss)).double()
        alone.load_state_dict(stack.member_state(index))
        encoder = online[index].detach().clone().requires_grad_()
        value = reference(loss, alone, encoder, target[index], member_window(window, index))
        value.backward()
        torch.testing.assert_close(values[index], value, rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(online_grad[index], encoder.grad, rtol=1e-7, atol=1e-9)
        for name, parameter in alone.named_parameters():
            torch.testing.assert_close(own_grads[index][name], parameter.grad, rtol=1e-7, atol=1e-9)


def _gradients(stack: StackedLoss) -> list[dict[str, Tensor]]:
    """The gradients in the names and shapes of each member's own module."""
    kept = {name: parameter.detach().clone() for name, parameter in stack.named_parameters()}
    with torch.no_grad():
        for parameter in stack.parameters():
            parameter.copy_(torch.zeros_like(parameter) if parameter.grad is None else parameter.grad)
    grads = [stack.member_state(index) for index in range(stack.members)]
    with torch.no_grad():
        for name, parameter in stack.named_parameters():
            parameter.copy_(kept[name])
    return grads


@settings(max_examples=25, deadline=None)
@given(losses(), st.lists(losses(), min_size=1, max_size=3), st.integers(0, 10**6))
def test_a_member_equals_the_same_loss_alone(loss: Loss, others: list[Loss], seed: int) -> None:
    """Same start, and the same parameters after steps of Adam; padding stays exactly zero."""
    rng = CounterRng(torch.tensor([seed, *range(len(others))]))
    crowd = StackedLoss.of([loss, *others], SPACES, rng).double()
    alone = StackedLoss.of([loss], SPACES, rng.member(0)).double()
    for name, value in alone.member_state(0).items():
        assert torch.equal(crowd.member_state(0)[name], value)
    live = [parameter != 0 for parameter in crowd.parameters()]
    window = windows(SPACES, BATCH, crowd.capacity.horizon + 1, seed, (1 + len(others),))
    online, target = encoders(1 + len(others), seed)
    _train(crowd, online, target, window)
    _train(alone, online[:1], target[:1], Window(*(x[:1] for x in vars(window).values() if x is not None)))
    for name, value in alone.member_state(0).items():
        torch.testing.assert_close(crowd.member_state(0)[name], value, rtol=1e-5, atol=1e-7)
    for (name, parameter), was_live in zip(crowd.named_parameters(), live, strict=True):
        if not name.endswith("norm_bias"):
            assert not parameter[~was_live].any()
    for bucket in crowd.buckets:
        assert not bucket.norm_bias[bucket.norm_weight == 0].any()


def _train(stack: StackedLoss, online: Tensor, target: Tensor, window: Window) -> None:
    adam = torch.optim.Adam(stack.parameters(), lr=1e-2)
    for _ in range(3):
        adam.zero_grad()
        encode = torch.tanh(window.observation.flatten(1, 2) @ online)
        assert encode.isfinite().all()
        stack(encoder_of(online), encoder_of(target), window).sum().backward()
        adam.step()


def loss_of(*, source: tuple[Element, ...], target: tuple[Element, ...]) -> Loss:
    return single(Comparison("mse", source, target))


STATE, NEXT = Element(Stream.STATE, 0), Element(Stream.STATE, 1)
SMALL = loss_of(source=(STATE,), target=(NEXT,))
LARGE = loss_of(source=(STATE, NEXT), target=(NEXT, Element(Stream.REWARD, 4)))


def test_a_slot_takes_another_loss() -> None:
    """Refilling a slot gives what a fresh stack gives, and leaves the neighbour alone."""
    rng = CounterRng(torch.tensor([5, 6]))
    stack = StackedLoss.of([LARGE, LARGE], SPACES, rng)
    neighbour = stack.member_state(1)
    stack.reset(0, SMALL, rng.member(0))
    fresh = StackedLoss.of([SMALL], SPACES, rng.member(0))
    assert all(torch.equal(stack.member_state(0)[k], v) for k, v in fresh.member_state(0).items())
    assert all(torch.equal(stack.member_state(1)[k], v) for k, v in neighbour.items())


def test_a_loss_beyond_the_capacity_is_refused() -> None:
    stack = StackedLoss.of([SMALL], SPACES, CounterRng(torch.tensor([0])))
    with pytest.raises(A2lError, match="does not fit"):
        stack.reset(0, LARGE, CounterRng(torch.tensor([0])))


def test_a_stack_holds_what_its_free_lanes_hold() -> None:
    stack, padded = (StackedLoss([SMALL, LARGE, None], SPACES, padding) for padding in (PADDING, math.inf))
    assert (len(stack.buckets), len(padded.buckets)) == (2, 1)
    for loss in (stack, padded):
        assert loss.capacity.horizon == 4
        assert not loss.holds(2, SMALL)  # no lane is free
        assert loss.holds(2, None)
    assert not stack.holds(0, LARGE)
    assert not stack.holds(1, SMALL)  # it would compute more than thrice what it needs
    assert padded.holds(0, LARGE)
    assert padded.holds(1, SMALL)


def test_initialisation_uses_the_fan_in_of_the_member() -> None:
    """In a wide stack a narrow member starts within the bounds of its own width."""
    stack = StackedLoss.of([SMALL, LARGE], Spaces(24, 6, 64), CounterRng(torch.tensor([0, 1])))
    weight = stack.member_state(0)["heads.0.0.weight"]
    assert weight.shape == (128, 64)
    bound = 64**-0.5
    assert weight.abs().max() <= bound
    assert abs(weight.std() / (bound / 3**0.5) - 1) < 0.02
    linear = nn.Linear(64, 128)
    assert abs(weight.std() / linear.weight.std() - 1) < 0.05


def test_compiled_loss_is_the_interpreter_after_the_passes() -> None:
    module = compile_loss(LARGE, SPACES).double()
    window = windows(SPACES, BATCH, 5, 0)
    encoder, target = (pair[0] for pair in encoders(1, 0))
    value = module(lambda x: torch.tanh(x @ encoder), lambda x: torch.tanh(x @ target), window)
    torch.testing.assert_close(value, reference(LARGE, module, encoder, target, window))

"""Members with losses of any structure: equal to each loss alone, computed once a group, moved as data."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from paper_losses import losses
from random_windows import windows
from strategies import any_losses
from torch import Tensor

from a2ls_dsl.backend.counter_rng import CounterRng, Purpose
from a2ls_dsl.backend.interpreter import evaluate
from a2ls_dsl.backend.module import Agent, Alone, CompiledLoss
from a2ls_dsl.backend.stacked import StackAgent, StackedLoss
from a2ls_dsl.backend.window import Spaces, Window
from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.ir.lower import lower
from a2ls_dsl.lang.load import load_one, loads
from a2ls_dsl.lang.syntax.tree import Loss

SPACES = Spaces(observation=3, action=2, features=4)
BATCH = 5


def estimate(features: Tensor) -> Tensor:
    return torch.sin(features.sum(dim=-1))


class Streams:
    """The numbers that one member's call of a view gets in a stack."""

    def __init__(self, rng: CounterRng, counter: int) -> None:
        self.rng, self.counter = rng, counter

    def uniform(self, x: Tensor, *shape: int) -> Tensor:
        return self.rng.uniform(Purpose.AUGMENTATION, self.counter, math.prod(shape)).view(shape)

    def normal(self, x: Tensor, *shape: int) -> Tensor:
        return self.rng.normal(Purpose.AUGMENTATION, self.counter, math.prod(shape)).view(shape)


class Stack:
    """A stack in float64 with agents whose encoders are tanh of a linear map; calls are counted."""

    def __init__(self, members: Sequence[Loss | None], seed: int = 0) -> None:
        self.members, self.size = members, len(members)
        self.rng = CounterRng(torch.arange(self.size) + seed)
        self.loss = StackedLoss.of(members, SPACES, self.rng).double()
        generator = torch.Generator().manual_seed(seed)
        shape = (2, self.size, SPACES.observation, SPACES.features)
        self.online, self.target = torch.randn(shape, dtype=torch.float64, generator=generator)
        self.online.requires_grad_()
        steps = self.loss.capacity.horizon + 1
        self.window = windows(SPACES, BATCH, steps, seed, (self.size,))
        self.frames = 1000 * torch.arange(self.size)
        self.counter = 7 + torch.arange(self.size)
        self.calls: Counter[str] = Counter()

    def __call__(self) -> Tensor:
        self.calls.clear()
        agent = StackAgent(self._encode, self._target, self._value, self.frames, self.rng, self.counter)
        return self.loss(self._encode, self._target, self.window, agent)

    def _encode(self, x: Tensor, members: Tensor | None = None) -> Tensor:
        self.calls["online"] += 1
        return torch.tanh(x @ (self.online if members is None else self.online[members]))

    def _target(self, x: Tensor, members: Tensor | None = None) -> Tensor:
        self.calls["target"] += 1
        return torch.tanh(x @ (self.target if members is None else self.target[members]))

    def _value(self, latents: Tensor, seen: Tensor, members: Tensor | None = None) -> Tensor:
        self.calls["value"] += 1
        assert seen.shape[:2] == latents.shape[:2]
        return estimate(latents)

    def alone(self, member: int, loss: Loss) -> tuple[CompiledLoss, Tensor, Tensor]:
        """The member's own module, encoder and loss, by the interpreter on the program as lowered."""
        module = CompiledLoss(loss, SPACES, lower(loss)).double()
        module.load_state_dict(self.loss.member_state(member))
        encoder, target = self.online[member].detach().clone().requires_grad_(), self.target[member]
        whole = self.window
        parts = (whole.observation, whole.action, whole.reward, whole.done)
        window = Window(*(part[member] for part in parts if part is not None))
        rng, counter = self.rng.member(member), int(self.counter[member])

        class Own(Alone):
            def draws(self, draw: int) -> Streams:
                return Streams(rng, counter * 65536 + draw)

        agent = Agent(lambda x: torch.tanh(x @ encoder), lambda x: torch.tanh(x @ target), estimate)
        frames = float(self.frames[member])
        return module, encoder, evaluate(lower(loss), Own(module, window, frames, None), agent)


def check(stack: Stack) -> None:
    """Every member's value and gradients are those of its loss alone."""
    values = stack()
    assert values.shape == (stack.size,)
    parameters = [stack.online, *stack.loss.parameters()]
    total = values.sum() + 0 * stack.online.sum()  # also where no member has a loss
    gradients = torch.autograd.grad(total, parameters, allow_unused=True, materialize_grads=True)
    kept = [parameter.detach().clone() for parameter in stack.loss.parameters()]
    references = {i: stack.alone(i, loss) for i, loss in enumerate(stack.members) if loss is not None}
    with torch.no_grad():
        for parameter, gradient in zip(stack.loss.parameters(), gradients[1:], strict=True):
            parameter.copy_(gradient)
    own = [stack.loss.member_state(member) for member in range(stack.size)]
    with torch.no_grad():
        for parameter, before in zip(stack.loss.parameters(), kept, strict=True):
            parameter.copy_(before)
    for member in range(stack.size):
        if member not in references:
            assert values[member] == 0
            assert not gradients[0][member].any()
            continue
        module, encoder, value = references[member]
        torch.testing.assert_close(values[member], value, rtol=1e-9, atol=1e-9)
        expected = torch.autograd.grad(
            value, [encoder, *module.parameters()], allow_unused=True, materialize_grads=True
        )
        torch.testing.assert_close(gradients[0][member], expected[0], rtol=1e-7, atol=1e-9)
        for (name, _), wanted in zip(module.named_parameters(), expected[1:], strict=True):
            torch.testing.assert_close(own[member][name], wanted, rtol=1e-7, atol=1e-9)


@settings(max_examples=30)
@given(
    st.lists(any_losses() | losses(4, terms=2, views=True) | st.none(), min_size=1, max_size=3),
    st.booleans(),
    st.integers(0, 10**6),
)
def test_value_and_gradients_equal_each_loss_alone(
    members: list[Loss | None], twice: bool, seed: int
) -> None:
    check(Stack(members * (1 + twice), seed))


MIXED = ("tdmpc2", "curl_a2ls", None, "vcr", "svea", "tdmpc2", "barlow_twins", "mico", "reconstruction")


def test_a_mixed_stack_calls_the_agent_once_a_kind() -> None:
    """Once for the tables, and once for all groups: encoder with and without gradient, target, value."""
    stack = Stack([None if name is None else load_one(name)[1] for name in MIXED])
    check(stack)
    stack()
    assert stack.calls == {"online": 3, "target": 2, "value": 1}


def test_five_seeds_of_a_loss_are_one_group() -> None:
    stack = Stack([load_one("vcr")[1]] * 5)
    stack()
    assert stack.calls == {"online": 1, "target": 1, "value": 1}
    assert len(stack.loss.general._groups) == 1
    check(stack)


def test_losses_that_differ_in_weights_are_one_group() -> None:
    texts = ("0.5 * huber({ s[t] } -> { r[t] })", "linear(0, 1, 2000) * huber({ s[t] } -> { r[t] })")
    stack = Stack([loads(f"loss it = {text}")["it"] for text in texts])
    check(stack)
    assert len(stack.loss.general._groups) == 1
    stack.frames = torch.zeros(2, dtype=torch.int64)
    assert stack()[1] == 0
    assert stack()[0] > 0


def test_a_slot_takes_another_loss() -> None:
    """Its numbers are those of a fresh stack, the neighbour's stay; structures are built once."""
    winner, spr, dbc = (load_one(name)[1] for name in ("a2_winner", "spr_rollout", "dbc"))
    stack = Stack([dbc, spr, winner, winner])
    stack.loss.reset(3, None, stack.rng.member(3))  # its lane becomes free
    kept = {i: stack.loss.member_state(i) for i in (1, 2)}
    structures = dict(stack.loss.general._structures)
    for loss in (spr, winner, None, dbc):
        stack.loss.reset(0, loss, stack.rng.member(0))
        stack.members = [loss, spr, winner, None]
        check(stack)
        if loss is not None:
            fresh = StackedLoss.of([loss], SPACES, stack.rng.member(0)).member_state(0)
            state = stack.loss.member_state(0)
            assert state.keys() == fresh.keys()
            for name, value in fresh.items():  # which is in float32
                torch.testing.assert_close(state[name], value.double(), rtol=1e-6, atol=1e-7)
    for member, before in kept.items():
        after = stack.loss.member_state(member)
        assert all(torch.equal(after[name], value) for name, value in before.items())
    assert {key: stack.loss.general._structures[key] for key in structures} == structures


def test_what_does_not_fit_is_refused() -> None:
    small, large = (load_one(name)[1] for name in ("mico", "mrq"))
    stack = StackedLoss.of([small], SPACES, CounterRng(torch.tensor([0])))
    with pytest.raises(A2lError, match="does not fit"):
        stack.reset(0, large, CounterRng(torch.tensor([0])))
    tables = StackedLoss.of([load_one("a2_winner")[1]], SPACES, CounterRng(torch.tensor([0])))
    with pytest.raises(A2lError, match="does not fit"):
        tables.reset(0, small, CounterRng(torch.tensor([0])))
    assert not tables.holds(0, small)


def test_a_start_is_that_of_torch_and_the_paper() -> None:
    loss = loads("loss it = mse({ s[t] } -> { r[t] }) + bilinear({ s[t] } -> { stop(s[t+1]) })")["it"]
    stack = StackedLoss.of([loss], Spaces(3, 2, 64), CounterRng(torch.tensor([3])))
    state = stack.member_state(0)
    (name,) = (name for name in state if name.startswith("bilinear."))
    assert 0 <= state[name].min() < 0.01
    assert 0.99 < state[name].max() < 1
    weight = state["heads.0.0.weight"]
    assert weight.abs().max() <= 64**-0.5
    assert abs(weight.std() * 64**0.5 - 3**-0.5) < 0.02
    assert (state["heads.0.1.weight"] == 1).all()
    assert not state["heads.0.1.bias"].any()

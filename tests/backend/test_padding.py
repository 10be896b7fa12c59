"""What a stack of unequal losses computes, beside what they would alone; counted, not timed."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from a2ls_dsl.backend.counter_rng import CounterRng
from a2ls_dsl.backend.stacked import PADDING, PADDING_ON_GPU, StackedLoss, StackEncoder
from a2ls_dsl.backend.window import Spaces, Window
from a2ls_dsl.lang.grammar import load_grammar
from a2ls_dsl.lang.syntax.tree import Loss

CHEETAH = Spaces(observation=17, action=6, features=57)
GRAMMAR = load_grammar("a2ls")
BATCH = 8


def population(members: int, seed: int) -> list[Loss]:
    rng = np.random.default_rng(seed)
    return [GRAMMAR.sample(rng) for _ in range(members)]


class Counted:
    """What an evaluation and its gradients cost: products of predictors, states encoded, numbers moved."""

    def __init__(self, losses: list[Loss]) -> None:
        with torch.device("meta"):
            stack = StackedLoss(losses, CHEETAH)
        self.numbers = numbers(stack)
        self.states = 0
        rows, members = stack.capacity.horizon + 1, stack.members
        with torch.device("meta"):
            window = Window(
                torch.empty(members, BATCH, rows, CHEETAH.observation),
                torch.empty(members, BATCH, rows, CHEETAH.action),
                torch.empty(members, BATCH, rows),
            )
        with FlopCounterMode(display=False) as counter:
            stack(self._encoder(), self._encoder(), window).sum().backward()
        self.operations = counter.get_total_flops()

    def _encoder(self) -> StackEncoder:
        def encode(x: torch.Tensor, members: torch.Tensor | None = None) -> torch.Tensor:
            self.states += x.shape[0] * x.shape[1]
            return x.new_ones(*x.shape[:2], CHEETAH.features, requires_grad=torch.is_grad_enabled())

        return encode


def numbers(stack: StackedLoss) -> int:
    return sum(parameter.numel() for parameter in stack.parameters())


def alone(losses: list[Loss]) -> int:
    """How many numbers the predictors of the losses have, each in a stack of its own."""
    with torch.device("meta"):
        return sum(numbers(StackedLoss([loss], CHEETAH)) for loss in losses)


@pytest.mark.parametrize("members", [4, 16, 64])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_padding_costs_at_most_three_tenths(members: int, seed: int) -> None:
    losses = population(members, seed)
    stacked = Counted(losses)
    singles = [Counted([loss]) for loss in losses]
    for name in ("numbers", "states", "operations"):
        exact = sum(getattr(single, name) for single in singles)
        assert exact <= getattr(stacked, name) <= PADDING * exact, name


def test_it_stays_so_when_slots_take_other_losses() -> None:
    """A loss is let into the lanes that there are as long as they waste little; else the stack is rebuilt."""
    losses, rng = population(16, 0), CounterRng(torch.arange(16))
    stack, rebuilt = StackedLoss(losses, CHEETAH), 0
    for number, loss in enumerate(population(48, 1)):
        losses[number % 16] = loss
        if stack.holds(number % 16, loss):
            stack.reset(number % 16, loss, rng.member(number % 16))
        else:
            stack, rebuilt = StackedLoss(losses, CHEETAH), rebuilt + 1
        if number % 8 == 7:
            assert numbers(stack) <= PADDING * alone(losses)
    assert 0 < rebuilt < 48


def test_without_a_limit_all_terms_share_a_bucket_as_large_as_the_largest() -> None:
    losses = population(16, 0)
    padded = StackedLoss(losses, CHEETAH, math.inf)
    assert len(padded.buckets) == 1
    assert numbers(padded) > 3 * alone(losses)


def test_with_spare_lanes_most_losses_that_come_find_one() -> None:
    """As on a GPU, where each stack that is rebuilt is captured anew: 16 of the 24 would be without."""
    losses, rng, rebuilt = population(64, 0), CounterRng(torch.arange(64)), 0

    def made(spare: bool) -> StackedLoss:
        with torch.device("meta"):
            return StackedLoss(losses, CHEETAH, PADDING_ON_GPU, spare)

    stack = made(spare=True)
    assert len(stack.buckets) < 12
    for number, loss in enumerate(population(24, 1)):
        losses[number] = loss
        if stack.holds(number, loss):
            stack.reset(number, loss, rng.member(number))
        else:
            stack, rebuilt = made(spare=True), rebuilt + 1
    assert rebuilt <= 4
    assert numbers(stack) <= PADDING_ON_GPU * alone(losses)


def test_spare_lanes_change_no_number() -> None:
    """Values and gradients of a stack, and of one with room for others, some of which have come and gone."""
    losses, rng = population(6, 2), CounterRng(torch.arange(6))
    plain = StackedLoss.of(losses, CHEETAH, rng).double()
    spare = StackedLoss(losses, CHEETAH, PADDING_ON_GPU, spare=True)
    for member, loss in enumerate(population(6, 3)):
        if spare.holds(member, loss):
            spare.reset(member, loss, rng.member(member))
    for member, loss in enumerate(losses):
        spare.reset(member, loss, rng.member(member))
    spare.double()
    rows, generator = plain.capacity.horizon + 1, torch.Generator().manual_seed(0)

    def drawn(*shape: int) -> torch.Tensor:
        return torch.randn(shape, dtype=torch.float64, generator=generator)

    window = Window(drawn(6, BATCH, rows, 17), drawn(6, BATCH, rows, 6), drawn(6, BATCH, rows))
    weight = drawn(6, 17, 57).requires_grad_()

    def encode(x: torch.Tensor, members: torch.Tensor | None = None) -> torch.Tensor:
        return torch.tanh(x @ (weight if members is None else weight[members]))

    values = [stack(encode, encode, window) for stack in (plain, spare)]
    torch.testing.assert_close(*values, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(
        *(torch.autograd.grad(value.sum(), weight)[0] for value in values), rtol=1e-9, atol=1e-9
    )
    for member in range(6):
        assert plain.member_state(member).keys() == spare.member_state(member).keys()

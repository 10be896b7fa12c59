"""What a stack of unequal losses computes, beside what they would alone; counted, not timed."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from a2ls_dsl.backend.counter_rng import CounterRng
from a2ls_dsl.backend.stacked import PADDING, StackedLoss, StackEncoder
from a2ls_dsl.backend.window import Spaces, Window
from a2ls_dsl.lang.ast import Loss
from a2ls_dsl.lang.grammar import load_grammar

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
            return x.new_ones(*x.shape[:2], CHEETAH.features, requires_grad=True)

        return encode


def numbers(stack: StackedLoss) -> int:
    return sum(each.numel() for each in stack.parameters())


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
        exact = sum(getattr(each, name) for each in singles)
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

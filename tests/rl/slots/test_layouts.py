"""A learner is restored whatever its slots held before, and goes on bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from a2ls_dsl.lang.grammar import load_grammar
from a2ls_dsl.lang.syntax.tree import Loss
from a2ls_dsl.rl.replay.observations import Observations
from a2ls_dsl.rl.settings import Computation, SacSettings
from a2ls_dsl.rl.slots.learner import Learner

MEMBERS = 6
SETTINGS = SacSettings(hidden=8, batch_size=4)


def learner(losses: list[Loss | None], padding: float | None = None) -> Learner:
    computation = Computation(padding=padding)
    return Learner(
        *(losses, [0] * MEMBERS, Observations((5,)), 2, 60, SETTINGS), computation=computation, refill=True
    )


def live(learner: Learner) -> None:
    rng, every = np.random.default_rng(0), np.ones(MEMBERS, np.bool_)
    learner.begin(rng.normal(size=(MEMBERS, 5)).astype(np.float32), every)
    for _ in range(30):
        learner.append(
            rng.uniform(-1, 1, (MEMBERS, 2)).astype(np.float32),
            rng.normal(size=MEMBERS).astype(np.float32),
            ~every,
            rng.normal(size=(MEMBERS, 5)).astype(np.float32),
            ~every,
        )


@pytest.mark.parametrize("padding", [None, 2.0])
def test_where_losses_lie_is_restored_with_them(padding: float | None) -> None:
    """Buckets depend on all losses that have come and gone, which the one that goes on has not seen."""
    grammar, rng = load_grammar("a2ls"), np.random.default_rng(0)
    first = learner([None] * MEMBERS)
    for number in range(24):
        first.reset(int(rng.integers(MEMBERS)), grammar.sample(rng) if rng.random() < 0.8 else None, number)
        if number % 4 != 3:
            continue
        second = learner([None] * MEMBERS, padding)
        second.refill(first.losses, first.seeds)
        second.restore(first.state())
        mine, its = first.state(), second.state()
        assert mine.keys() == its.keys()
        assert all(np.array_equal(mine[name], its[name]) for name in mine), number
    live(first)
    second.restore(first.state())
    for trained in (first, second):
        for member in range(MEMBERS):
            trained.activate(member)
        for _ in range(3):
            trained.update()
    for name, value in first.stacks[0].state_dict().items():
        assert torch.equal(value, second.stacks[0].state_dict()[name]), name

"""What is recorded of a member is the same in any company."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from rl.rainbow import small_rainbow

from a2ls_dsl.lang.load import load_one
from a2ls_dsl.lang.syntax.tree import Loss
from a2ls_dsl.rl.replay.observations import Observations
from a2ls_dsl.rl.settings import SacSettings
from a2ls_dsl.rl.slots.learner import Learner

AGENTS = {
    "sac": (Observations((5,)), SacSettings(hidden=8, batch_size=8, random_steps=30)),
    "rainbow": (small_rainbow.FRAMES, small_rainbow.SETTINGS),
}
AUXILIARY = {"auxiliary_loss", "auxiliary_skipped"}


def loss_of(name: str) -> Loss | None:
    return None if name == "none" else load_one(name)[1]


def trained(agent: str, names: Sequence[str], **more: Any) -> Learner:
    """A learner with two episodes of 30 random steps that has made four updates."""
    observations, settings = AGENTS[agent]
    losses = [loss_of(name) for name in names]
    learner = Learner(losses, range(len(names)), observations, 3, 70, settings, **more)
    learn(learner, len(names))
    return learner


def learn(learner: Learner, members: int) -> None:
    observations, rng, every = learner.observations, np.random.default_rng(0), np.ones(members, np.bool_)

    def seen() -> np.ndarray:
        if observations.crop is None:
            return rng.normal(size=(members, *observations.shape)).astype(np.float32)
        return rng.integers(0, 256, (members, *observations.shape), dtype=np.uint8)

    for step in range(60):
        if step % 30 == 0:
            learner.begin(seen(), every)
        action = np.eye(3, dtype=np.float32)[rng.integers(3, size=members)]
        last = every & (step % 30 == 29)
        learner.append(action, rng.normal(size=members).astype(np.float32), ~every, seen(), last)
    for _ in range(4):
        learner.update()


def unknown(learner: Learner, member: int) -> set[str]:
    """The figures of a member that nothing has given."""
    return {name for name, value in learner.pop_metrics(member).items() if np.isnan(value)}


@pytest.mark.parametrize("agent", AGENTS)
@pytest.mark.parametrize("company", [(), ("none",), ("curl",), ("vcr",), ("curl", "vcr", "none")])
def test_who_has_no_loss_has_no_figures_of_one(agent: str, company: tuple[str, ...]) -> None:
    """Neither its value nor how often its step was left out: alone, nothing computes them."""
    learner = trained(agent, ("none", *company))
    assert unknown(learner, 0) == AUXILIARY
    for member, name in enumerate(company, 1):
        assert unknown(learner, member) == (AUXILIARY if name == "none" else set())


@pytest.mark.parametrize("agent", AGENTS)
def test_a_slot_that_changes_hands_has_the_figures_of_who_is_there(agent: str) -> None:
    learner = trained(agent, ("none", "curl", "curl"), refill=True)
    for member, name in enumerate(("curl", "none")):
        learner.reset(member, loss_of(name), 7)
    learn(learner, 3)
    for member in range(2):
        learner.activate(member)
    for _ in range(4):
        learner.update()
    assert [unknown(learner, member) for member in range(3)] == [set(), AUXILIARY, set()]

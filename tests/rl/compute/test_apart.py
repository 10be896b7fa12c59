"""One loss that looks at values, as no graph can hold, keeps nobody else out of the graph."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from rl.mixed_stack import FRAMES, VECTORS, filled, made
from torch import Tensor

import a2ls_dsl as a2l
from a2ls_dsl.lang.load import load_one
from a2ls_dsl.lang.syntax.tree import Loss
from a2ls_dsl.rl.compute.capturable import Looks
from a2ls_dsl.rl.replay.observations import Observations
from a2ls_dsl.rl.settings import SacSettings
from a2ls_dsl.rl.slots.learner import Learner
from a2ls_dsl.words import registry

SETTINGS = SacSettings(hidden=16, batch_size=8)


@pytest.fixture
def looking() -> Iterator[Loss]:
    @a2l.operator("the error, twice where it is large", example="steep({ s[t] } -> { s[t+1] })")
    def steep(y: Tensor, z: Tensor) -> Tensor:
        error = (y - z).square().mean()
        return error if error.item() < 1 else 2 * error

    yield a2l.loads("loss looking = steep({ s[t], a[t] } -> { s[t+1] })")
    registry.forget("steep")


@pytest.mark.parametrize("observations", [VECTORS, FRAMES], ids=["vectors", "frames"])
def test_a_graph_holds_all_but_the_loss_that_looks(observations: Observations, looking: Loss) -> None:
    """On tensors without values, on which whoever looks at one fails."""
    looks = Looks(SETTINGS, observations, 2)
    assert looks(looking)
    assert not any(looks(load_one(name)[1]) for name in ("a2_winner", "spr", "vcr"))
    stack = made(observations, "meta", names=("a2_winner", "spr", None))
    (agent,), every = stack.stacks, ((True, True, True),)
    assert agent.refit(2, looking)
    agent.reset(2, looking, 5)
    with pytest.raises(RuntimeError):
        stack._run_update(every)
    agent.split(looks)
    stack._run_update(every)
    with pytest.raises(RuntimeError):
        stack._run_apart(every)
    agent.refit(2, None)
    agent.reset(2, None, 5)
    agent.split(looks)
    assert not agent.is_split


def test_what_is_computed_apart_is_what_is_computed_together() -> None:
    """In float64, as in test_capture.py; also a member that doesn't learn, and figures of learning."""

    def trained(apart: tuple[str, ...]) -> Learner:
        learner = filled(VECTORS, "cpu", names=("vcr", "a2_winner", "spr", None, "vcr"))
        learner.stacks[0].split(lambda loss: loss in [load_one(name)[1] for name in apart])
        assert learner.stacks[0].is_split is bool(apart)
        learner.stacks[0].double()
        learner.replays[0].double()
        learner.deactivate(4)
        for _ in range(20):
            learner.update()
        return learner

    together = trained(())
    expected = together.stacks[0].state_dict()
    for apart in (("vcr",), ("vcr", "spr")):
        separate = trained(apart)
        state = separate.stacks[0].state_dict() | {"metrics.sums": expected["metrics.sums"]}
        torch.testing.assert_close(state, expected, rtol=1e-6, atol=1e-6)
        figures = [learner.stacks[0].metrics.sums for learner in (separate, together)]
        torch.testing.assert_close(*(sums[0] / sums[1] for sums in figures), equal_nan=True)

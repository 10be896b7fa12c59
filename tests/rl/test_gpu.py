"""The same numbers on a GPU, launched kernel by kernel, captured or compiled; skipped where there is none."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mixed_stack import FRAMES, VECTORS, filled

from a2ls_dsl.rl.arithmetic import Precision
from a2ls_dsl.rl.learner import Learner
from a2ls_dsl.rl.observations import Observations
from a2ls_dsl.rl.settings import Computation

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]

EAGER = Computation(Precision.FLOAT32, capture=False)


def trained(device: str, computation: Computation, observations: Observations = VECTORS) -> Learner:
    """A mixed stack after 20 updates in float64: differences are then of the mathematics, not of rounding."""
    learner = filled(observations, device, computation)
    learner.stacks[0].double()
    learner.replays[0].double()
    for _ in range(20):
        learner.update()
    return learner


def assert_same(one: Learner, other: Learner, tolerance: float) -> None:
    mine, its = one.stacks[0].state_dict(), other.stacks[0].state_dict()
    for name, value in mine.items():
        torch.testing.assert_close(
            value.cpu(),
            its[name].cpu(),
            rtol=tolerance,
            atol=tolerance,
            msg=lambda text, n=name: f"{n}: {text}",
        )


@pytest.mark.parametrize("observations", [VECTORS, FRAMES], ids=["vectors", "frames"])
def test_a_gpu_learns_what_the_cpu_learns(observations: Observations) -> None:
    assert_same(trained("cpu", EAGER, observations), trained("cuda", EAGER, observations), 1e-6)


@pytest.mark.parametrize("observations", [VECTORS, FRAMES], ids=["vectors", "frames"])
@pytest.mark.parametrize("compile", [False, True], ids=["captured", "compiled"])
def test_captured_and_compiled_updates_are_the_eager_ones(observations: Observations, compile: bool) -> None:
    fast = Computation(Precision.FLOAT32, compile=compile)
    assert_same(trained("cuda", EAGER, observations), trained("cuda", fast, observations), 1e-6)


@pytest.mark.parametrize("observations", [VECTORS, FRAMES], ids=["vectors", "frames"])
def test_captured_steps_store_and_act_like_eager_ones(observations: Observations) -> None:
    """Every call captured: the ring after 50 steps, sampled and mean actions of several observations."""
    one, other = (
        filled(observations, "cuda", Computation(Precision.FLOAT32, capture=each)) for each in (False, True)
    )
    for name, value in one.replays[0].state_dict().items():
        assert torch.equal(value, other.replays[0].state_dict()[name]), name
    rng = np.random.default_rng(1)
    for counter in range(8):
        seen = rng.integers(0, 256, (5, *observations.seen)).astype(
            np.float32 if observations.crop is None else np.uint8
        )
        np.testing.assert_allclose(
            *(each.act(seen, np.full(5, counter), np.arange(5) == counter) for each in (one, other)),
            atol=1e-5,
        )
        np.testing.assert_allclose(one.act_frozen(seen), other.act_frozen(seen), atol=1e-5)


def test_a_restored_learner_goes_on_from_what_it_restored() -> None:
    computation = Computation(Precision.FLOAT32)
    one, other = trained("cuda", computation), trained("cuda", computation)
    one.update()
    other.restore(one.state())
    for learner in (one, other):
        for _ in range(6):
            learner.update()
    assert_same(one, other, 1e-6)


def test_a_gpu_state_is_restored_from_a_cpu_state() -> None:
    one, other = trained("cpu", EAGER), trained("cuda", EAGER)
    other.restore(one.state())
    mine, its = one.state(), other.state()
    assert mine.keys() == its.keys()
    assert all(np.array_equal(mine[name], its[name]) for name in mine)

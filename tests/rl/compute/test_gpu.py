"""The same numbers on a GPU, launched kernel by kernel, captured or compiled; skipped where there is none."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from rl.compute.test_apart import looking as looking
from rl.mixed_stack import FRAMES, VECTORS, filled
from rl.slots.test_poison import CASES, SICK, Run

from a2ls_dsl.lang.syntax.tree import Loss
from a2ls_dsl.rl.compute.arithmetic import Precision
from a2ls_dsl.rl.compute.capture import WARM_UP, Captured
from a2ls_dsl.rl.replay.observations import Observations
from a2ls_dsl.rl.settings import Computation
from a2ls_dsl.rl.slots.learner import Learner

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


def assert_same(first: Learner, other: Learner, tolerance: float) -> None:
    mine, its = first.stacks[0].state_dict(), other.stacks[0].state_dict()
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
    """From the same start: that of a GPU is drawn there, and differs in its last digits."""
    cpu, other = (filled(observations, device, EAGER) for device in ("cpu", "cuda"))
    for learner in (cpu, other):
        learner.stacks[0].double()
        learner.replays[0].double()
    other.restore(cpu.state())
    for learner in (cpu, other):
        for _ in range(20):
            learner.update()
    assert_same(cpu, other, 1e-6)


@pytest.mark.parametrize("observations", [VECTORS, FRAMES], ids=["vectors", "frames"])
@pytest.mark.parametrize("compile", [False, True], ids=["captured", "compiled"])
def test_captured_and_compiled_updates_are_the_eager_ones(observations: Observations, compile: bool) -> None:
    fast = Computation(Precision.FLOAT32, compile=compile)
    assert_same(trained("cuda", EAGER, observations), trained("cuda", fast, observations), 1e-6)


@pytest.mark.parametrize("observations", [VECTORS, FRAMES], ids=["vectors", "frames"])
def test_captured_steps_store_and_act_like_eager_ones(observations: Observations) -> None:
    """Every call captured: the ring after 50 steps, sampled and mean actions of several observations."""
    eager, other = (
        filled(observations, "cuda", Computation(Precision.FLOAT32, capture=capture))
        for capture in (False, True)
    )
    for name, value in eager.replays[0].state_dict().items():
        assert torch.equal(value, other.replays[0].state_dict()[name]), name
    rng = np.random.default_rng(1)
    for counter in range(8):
        seen = rng.integers(0, 256, (5, *observations.seen)).astype(
            np.float32 if observations.crop is None else np.uint8
        )
        np.testing.assert_allclose(
            *(learner.act(seen, np.full(5, counter), np.arange(5) == counter) for learner in (eager, other)),
            atol=1e-5,
        )
        np.testing.assert_allclose(eager.act_frozen(seen), other.act_frozen(seen), atol=1e-5)


def test_a_restored_learner_goes_on_from_what_it_restored() -> None:
    computation = Computation(Precision.FLOAT32)
    first, other = trained("cuda", computation), trained("cuda", computation)
    first.update()
    other.restore(first.state())
    for learner in (first, other):
        for _ in range(6):
            learner.update()
    assert_same(first, other, 1e-6)


def test_a_gpu_state_is_restored_from_a_cpu_state() -> None:
    cpu, other = trained("cpu", EAGER), trained("cuda", EAGER)
    other.restore(cpu.state())
    mine, its = cpu.state(), other.state()
    assert mine.keys() == its.keys()
    assert all(np.array_equal(mine[name], its[name]) for name in mine)


def lived(case: str, computation: Computation, device: str = "cuda") -> Run:
    """A stack whose graphs are in use when a slot is given on, and again when a member diverges.

    In float64, as `trained`. What its members saw depends on their places alone.
    """
    run = Run(case, device=device, computation=computation, floats=np.float64)
    for _ in range(12):
        run.learner.update()
    run.refill()
    for name in [name for name, tensor in run.tensors().items() if tensor.is_floating_point()]:
        if name.startswith("stack."):
            run.poison(name, float("nan"))
    for _ in range(12):
        run.learner.update()
    return run


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("compile", [False, True], ids=["captured", "compiled"])
def test_refills_and_poison_in_a_graph_are_those_of_an_eager_stack(case: str, compile: bool) -> None:
    eager, fast = lived(case, EAGER), lived(case, Computation(Precision.FLOAT32, compile=compile))
    others = [member for member in range(len(CASES[case][1])) if member != SICK]
    expected, computed = eager.of(others), fast.of(others)
    for name, value in expected.items():
        assert not value.is_floating_point() or value.isfinite().all(), name
        torch.testing.assert_close(
            computed[name], value, rtol=1e-6, atol=1e-6, msg=lambda text, n=name: f"{n}: {text}"
        )
    assert not fast.learner.finite()[SICK]
    learner = fast.learner
    assert learner._append.graphs == 1
    assert learner._update.graphs > 1


@pytest.mark.parametrize("case", CASES)
def test_another_gpu_computes_the_same(case: str) -> None:
    """While the current device is the first one; without streams of its own it reads what isn't there yet."""
    if torch.cuda.device_count() < 2:
        pytest.skip("needs two CUDA devices")
    fast = Computation(Precision.FLOAT32)
    first, second = (lived(case, fast, device).of([0, 2]) for device in ("cuda:0", "cuda:1"))
    for name, value in first.items():
        assert second[name].device.index == 1, name
        torch.testing.assert_close(second[name].cpu(), value.cpu(), rtol=1e-6, atol=1e-6)


def test_a_loss_that_looks_at_values_leaves_the_others_in_the_graph(looking: Loss) -> None:
    runs = []
    for capture in (False, True):
        computation, names = (
            Computation(Precision.FLOAT32, capture=capture),
            ("a2_winner", looking, "vcr", None),
        )
        learner = filled(VECTORS, "cuda", computation, names)
        learner.stacks[0].double()
        learner.replays[0].double()
        for _ in range(20):
            learner.update()
        runs.append(learner)
    assert runs[1]._update.graphs > 1
    assert_same(*runs, 1e-6)


def test_variants_share_their_memory() -> None:
    """Four variants that need half a gigabyte each: what they take together is that of one."""

    def large(variant: int, x: torch.Tensor) -> torch.Tensor:
        return (torch.ones(2**27, device="cuda") * x).sum() + variant

    captured, x = Captured[torch.Tensor]("cuda"), torch.ones(1)
    taken = []
    for variant in range(4):
        for _ in range(WARM_UP + 1):
            assert captured(large, variant, x) == 2**27 + variant
        torch.cuda.empty_cache()
        taken.append(torch.cuda.memory_reserved())
    assert captured.graphs == 4
    assert taken[-1] < taken[0] + 2**28


def test_a_failed_capture_leaves_the_device_usable() -> None:
    """What looks at a value can't be captured."""

    def looks(variant: None, x: torch.Tensor) -> torch.Tensor:
        return x + x.sum().item()

    captured = Captured[torch.Tensor]("cuda")
    before = torch.cuda.current_stream()
    for _ in range(WARM_UP):
        assert captured(looks, None, torch.ones(2)).sum() == 6
    with pytest.warns(RuntimeWarning, match="no CUDA graph could be captured"):
        assert captured(looks, None, torch.ones(2)).sum() == 6
    assert captured(looks, None, torch.ones(2)).sum() == 6
    assert torch.cuda.current_stream() == before
    other = Captured[torch.Tensor]("cuda")
    for _ in range(WARM_UP + 2):
        assert other(lambda _, x: 2 * x, None, torch.ones(2)).sum() == 4
    assert other.graphs == 1

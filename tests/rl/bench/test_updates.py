"""Cases of `a2l bench` one after the other: each finds the machine as the first one did."""

from __future__ import annotations

import functools
import gc
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from a2ls_dsl.lang.load import load_one
from a2ls_dsl.rl.bench.floor import Ceilings
from a2ls_dsl.rl.bench.updates import ACTION, ROWS, VECTORS, Case, measure_updates
from a2ls_dsl.rl.compute import footprint
from a2ls_dsl.rl.compute.arithmetic import Precision
from a2ls_dsl.rl.replay.observations import Observations
from a2ls_dsl.rl.settings import Computation, SacSettings
from a2ls_dsl.rl.slots.learner import Learner

COMPILED = Computation(Precision.FLOAT32, compile=True)


@pytest.fixture
def one_shape(monkeypatch: pytest.MonkeyPatch) -> object:
    """torch compiles a function for one shape, not for 8; no C++ is made of what it traced."""
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="eager"))
    torch.compiler.reset()
    from torch._dynamo import config  # takes seconds, which only the process of this test is to spend

    with config.patch(recompile_limit=1):
        yield


@pytest.mark.usefixtures("one_shape")
def test_more_shapes_are_measured_than_torch_compiles_a_function_for() -> None:
    cases = [Case("vectors", batch, members) for batch, members in ((2, 1), (3, 1), (2, 2))]
    for row in measure_updates(cases, None, Ceilings(1e9, 1e9), "cpu", COMPILED, 5.0):
        assert (row.failed, row.left_out) == ("", "")
        assert row.milliseconds > 0
        assert not [item for item in gc.get_objects() if type(item) is Learner]


@pytest.mark.usefixtures("one_shape")
def test_stacks_of_one_learner_may_have_different_shapes() -> None:
    """In exact mode every member is a stack of its own, with the sizes of its own loss."""
    losses = [None, *(load_one(name)[1] for name in ("a2_winner", "curl_a2ls"))]
    settings = SacSettings(hidden=4, batch_size=2)
    learner = Learner(losses, range(3), Observations((3,)), 1, 50, settings, exact=True, computation=COMPILED)
    learner.update()
    assert learner.finite().all()


def test_a_case_that_fails_says_why_and_the_others_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(graph: torch.fx.GraphModule, inputs: list[Tensor]) -> Callable[..., Any]:
        if any(7 in tensor.shape for tensor in inputs):
            raise NotImplementedError("no kernels for seven")
        return graph.forward

    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend=broken))
    cases = [Case("vectors", batch, 1) for batch in (7, 3)]
    measured = measure_updates(cases, None, Ceilings(1e9, 1e9), "cpu", COMPILED, 5.0)
    failed, row = measured
    assert "no kernels for seven" in failed.failed
    assert row.milliseconds > 0


def test_a_case_that_does_not_fit_is_left_out_with_the_number_that_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Networks, optimizers and updates count, not the replay alone."""
    loss = load_one("a2_winner")[1]
    settings = SacSettings(batch_size=4)
    needed = footprint.footprint_of(settings, [loss], VECTORS, ACTION, ROWS)
    free = 20 * needed.of_learner(1)
    assert needed.replay * 64 < free  # which alone would fit
    for name in ("free_bytes", "free_of_machine"):
        monkeypatch.setattr(footprint, name, lambda *device: free)
    (row,) = measure_updates([Case("vectors", 4, 64)], loss, Ceilings(1e9, 1e9), "cpu", Computation(), 0.1)
    assert row.left_out == f"would take {64 * free / 20e9:.1f} GB of memory: 20 members fit"

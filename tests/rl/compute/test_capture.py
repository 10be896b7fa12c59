"""What is captured as a CUDA graph may depend on tensors alone: no look at a value, nothing from the host.

Tensors on the device `meta` have shapes and no values. An update that runs there can't have looked at a
value, and one that took a tensor from the host would mix devices, which torch refuses.
"""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rl.mixed_stack import FRAMES, NAMES, VECTORS, Calls, filled, made
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import a2ls_dsl
from a2ls_dsl.backend.counter_rng import CounterRng, Purpose
from a2ls_dsl.ir.lower import is_paper_shaped
from a2ls_dsl.lang.load import load_one
from a2ls_dsl.rl.compute.arithmetic import Precision, arithmetic
from a2ls_dsl.rl.rainbow.networks import ActionValues
from a2ls_dsl.rl.rainbow.settings import RainbowSettings
from a2ls_dsl.rl.replay.observations import Observations
from a2ls_dsl.rl.sac.networks import Actor, TwinCritic
from a2ls_dsl.rl.sac.simba import Trunk
from a2ls_dsl.rl.settings import Computation


@pytest.mark.parametrize("observations", [VECTORS, FRAMES], ids=["vectors", "frames"])
def test_an_update_and_all_around_it_depend_on_tensors_alone(observations: Observations) -> None:
    learner = made(observations, "meta")
    (stack,), (replay,) = learner.stacks, learner.replays
    members = len(NAMES)
    seen = torch.empty(members, *observations.shape, dtype=observations.dtype, device="meta")
    numbers = torch.empty(members, device="meta")
    where = torch.empty(members, dtype=torch.bool, device="meta")
    for parts in ((True, True, True), (False, False, True), (False, False, False)):
        learner._run_update((parts,))
    replay.begin(seen, where)
    learner._run_append(None, torch.empty(members, 2, device="meta"), numbers, where, seen, where)
    policy = torch.empty(members, *observations.seen, dtype=observations.dtype, device="meta")
    counters = torch.empty(members, dtype=torch.int64, device="meta")
    assert learner._run_act((True, False), policy, counters, where).is_meta
    assert learner._run_act_frozen(None, policy, counters).is_meta
    stack.freeze()


GENERAL = sorted(
    path.stem
    for path in (Path(__file__).parents[3] / "losses").glob("*.a2l")
    if not is_paper_shaped(load_one(path.stem)[1])
)


@pytest.mark.parametrize("observations", [VECTORS, FRAMES], ids=["vectors", "frames"])
def test_so_do_losses_beyond_the_papers(observations: Observations) -> None:
    """Every published one, beside members without and with one of the paper's."""
    names = [*GENERAL, *GENERAL[:2], "a2_winner", None]
    learner = made(observations, "meta", names=names)
    kinds = (True, True, True), (False, False, True)
    for parts in kinds:  # before a graph is captured; tables are made
        learner._run_update((parts,))
    with AllOn("meta"):
        for parts in kinds:
            learner._run_update((parts,))


@pytest.mark.parametrize("observations", [VECTORS, FRAMES], ids=["vectors", "frames"])
def test_the_random_numbers_of_an_update_are_drawn_at_once(
    observations: Observations, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And are, bit for bit, those that are drawn one purpose after the other, by more kernels."""
    drawn, bits = list[Purpose](), CounterRng.bits

    def watched(rng: CounterRng, purpose: Purpose, counter: Tensor, n: int) -> Tensor:
        drawn.append(purpose)
        return bits(rng, purpose, counter, n)

    monkeypatch.setattr(CounterRng, "bits", watched)
    learners = [filled(observations, "cpu", names=(None, "a2_winner", "curl_a2ls")) for _ in range(2)]
    monkeypatch.setattr(learners[1].stacks[0], "_draw_together", lambda wanted: None)
    asked, calls = list[list[Purpose]](), list[int]()
    for learner in learners:
        drawn.clear()
        with Calls() as count:
            learner.update()
        asked.append(list(drawn))
        calls.append(count.count)
    assert asked[0] == []
    assert len(asked[1]) == (4 if observations is VECTORS else 8)
    assert calls[0] < calls[1]
    mine, its = (learner.state() for learner in learners)
    assert all(np.array_equal(mine[name], its[name]) for name in mine)


class AllOn(TorchDispatchMode):
    """Nothing is computed on another device, and nothing comes from there."""

    def __init__(self, device: str) -> None:
        super().__init__()
        self.device = device

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        for leaf in tree_leaves((args, kwargs, result)):
            assert not isinstance(leaf, Tensor) or leaf.device.type == self.device, function
        return result


def test_a_slot_with_another_structure_is_captured_anew_and_other_weights_are_not() -> None:
    """Groups of losses beyond the paper's are what a graph reads; their weights lie in one of its tensors."""
    learner, renewed = made(VECTORS, "cpu", names=("vcr", "spr", "vcr")), list[int]()
    learner._update.renew = lambda: renewed.append(1)  # type: ignore[method-assign]
    learner.update()
    vcr, mico = (load_one(name)[1] for name in ("vcr", "mico"))
    first, *others = vcr.terms
    heavier = replace(vcr, terms=(replace(first, weight=7.0), *others))
    general = learner.stacks[0].auxiliary.general
    tables = [(id(group.members), group.weights.data_ptr()) for group in general._groups]
    learner.reset(0, heavier, 9)
    learner.update()
    assert not renewed
    assert [(id(group.members), group.weights.data_ptr()) for group in general._groups] == tables
    assert [group.weights[0, :, 0].tolist() for group in general._groups if len(group.members) == 2] == [
        [7.0, first.weight]
    ]
    for loss in (mico, None, vcr, load_one("a2_winner")[1]):
        learner.reset(0, loss, 9)
        learner.update()
    assert len(renewed) == 4


def test_an_update_writes_in_place() -> None:
    """A graph goes on reading and writing the memory that it was captured with."""
    learner = filled(VECTORS, "cpu")

    def places() -> dict[str, int]:
        tensors: dict[str, Tensor] = dict(learner.stacks[0].state_dict()) | learner.replays[0].state_dict()
        return {name: tensor.data_ptr() for name, tensor in tensors.items()}

    before = places()
    for _ in range(3):
        learner.update()
    learner.append(
        *(np.zeros((5, 2), np.float32), np.zeros(5, np.float32), np.zeros(5, np.bool_)),
        np.zeros((5, 5), np.float32),
        np.zeros(5, np.bool_),
    )
    assert places() == before


def test_compiled_losses_are_the_losses_and_are_compiled_once() -> None:
    """20 updates of a mixed stack in float64; in float32 Adam turns the last digit of a gradient into a step.

    A second stack of the same sizes, with its losses in other places, finds what the first one compiled.
    """
    plain, compiled, other = (
        filled(VECTORS, "cpu", Computation(Precision.FLOAT32, compile=compile), names)
        for compile, names in ((False, NAMES), (True, NAMES), (True, NAMES[::-1]))
    )
    for learner in (plain, compiled, other):
        learner.stacks[0].double()
        learner.replays[0].double()
    for _ in range(20):
        plain.update()
        compiled.update()
    torch.testing.assert_close(
        compiled.stacks[0].state_dict(), plain.stacks[0].state_dict(), rtol=1e-6, atol=1e-6
    )
    with torch.compiler.set_stance("fail_on_recompile"):
        other.update()
        other.update()


def test_no_graphs_of_the_compiler_nest_with_our_own() -> None:
    """torch's modes and options may make it launch CUDA graphs; nothing here asks for them."""
    calls = [
        node
        for path in Path(a2ls_dsl.__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.compile"
    ]
    assert calls
    assert {keyword.arg for call in calls for keyword in call.keywords} == {"fullgraph", "dynamic"}


@pytest.mark.parametrize("observations", [VECTORS, FRAMES], ids=["vectors", "frames"])
def test_bf16_rounds_products_and_nothing_else(observations: Observations) -> None:
    """After a few updates it is near float32, but not equal; parameters stay float32."""
    twins = [
        filled(observations, "cpu", Computation(precision))
        for precision in (Precision.FLOAT32, Precision.BF16)
    ]
    for learner in twins:
        for _ in range(4):
            learner.update()
    exact, rounded = (learner.stacks[0].state_dict() for learner in twins)
    assert all(rounded[name].dtype == value.dtype for name, value in exact.items())
    same = [torch.equal(rounded[name], value) for name, value in exact.items() if value.is_floating_point()]
    assert not all(same)
    for name in ("encoder.norm.weight", "critic.trunk.layers.0.weight"):
        if name in exact:
            difference = (rounded[name] - exact[name]).norm() / exact[name].norm()
            assert 0 < difference < 2e-2


def test_bf16_does_not_round_values() -> None:
    """Near 80 bfloat16 holds halves: what the heads of any agent give has more digits."""
    drawn = CounterRng(torch.tensor([0])).member(0)
    critic, actor = TwinCritic(1, 6, 2, 16), Actor(1, 6, 2, 16, (-10.0, 2.0))
    values = ActionValues(1, 6, 3, RainbowSettings(hidden=16, distributional=False, duelling=False))
    simba = Trunk(1, 8, 16, 1, Purpose.INIT_CRITIC, outputs=1)
    for network in (critic, actor, values, simba):
        network.reset(0, drawn)
    features = torch.randn(1, 64, 6, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        critic.trunk.layers[-1].bias += 80
        values.advantage.out.bias += 80
        assert simba.last is not None
        simba.last.bias += 80
        results = []
        for precision in (Precision.FLOAT32, Precision.BF16):
            with arithmetic(precision, "cpu"):
                pairs = torch.cat([features, features[..., :2]], dim=-1)
                results.append(
                    [
                        critic(features, features[..., :2]),
                        values(features),
                        actor.mean(features),
                        simba(pairs),
                    ]
                )
    for exact, rounded in zip(*results, strict=True):
        assert rounded.dtype == torch.float32
        assert not torch.equal(rounded, exact)
        assert len(rounded.unique()) > 0.9 * rounded.numel()
        torch.testing.assert_close(rounded, exact, rtol=0, atol=0.02)

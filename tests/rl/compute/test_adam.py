"""Adam of a stack against torch's own, a member at a time."""

from __future__ import annotations

import os

import pytest
import torch
from rl.mixed_stack import Calls
from torch import Tensor, nn

from a2ls_dsl.rl.compute.adam import StackedAdam, plain_step

SHAPES = [(4, 3), (7,), (), (4, 16)]


def losses(parameters: list[nn.Parameter], member: int | None = None) -> Tensor:
    """A loss a member, uneven in all numbers; of one member alone a scalar."""
    total = torch.zeros(3 if member is None else 1)
    for parameter in parameters:
        values = parameter if member is None else parameter[None]
        total = total + (values.sin() * (1 + values)).reshape(len(values), -1).sum(dim=1)
    return total


def stack() -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(0)
    return [nn.Parameter(torch.randn(3, *shape, generator=generator)) for shape in SHAPES]


@pytest.mark.parametrize("worth_threads", [2**20, 50, 0])
def test_members_are_updated_as_alone(worth_threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("a2ls_dsl.rl.compute.adam._WORTH_THREADS", worth_threads)
    parameters = stack()
    alone = [
        [nn.Parameter(parameter[member].detach().clone()) for parameter in parameters] for member in range(3)
    ]
    singles = [torch.optim.Adam(copies, lr=0.1, betas=(0.5, 0.999)) for copies in alone]
    adam = StackedAdam(parameters, 0.1, (0.5, 0.999))
    for _ in range(7):
        adam.step(losses(parameters))
        for member, single in enumerate(singles):
            single.zero_grad()
            losses(alone[member], member).sum().backward()
            single.step()
    for member in range(3):
        for mine, its in zip(parameters, alone[member], strict=True):
            torch.testing.assert_close(mine[member], its)


def test_a_member_that_begins_later_is_updated_as_from_the_start() -> None:
    """Reset after five steps, with other numbers: as a fresh optimizer; neighbours notice nothing."""
    parameters, undisturbed = stack(), stack()
    adam, other = (StackedAdam(trained, 0.1) for trained in (parameters, undisturbed))
    for _ in range(5):
        adam.step(losses(parameters))
        other.step(losses(undisturbed))
    with torch.no_grad():
        for parameter in parameters:
            parameter[1] = 0.3
    adam.reset(1)
    fresh = [nn.Parameter(torch.full(shape, 0.3)) for shape in SHAPES]
    single = torch.optim.Adam(fresh, lr=0.1)
    for _ in range(4):
        adam.step(losses(parameters))
        other.step(losses(undisturbed))
        single.zero_grad()
        losses(fresh, 1).sum().backward()
        single.step()
    for mine, its, untouched in zip(parameters, fresh, undisturbed, strict=True):
        torch.testing.assert_close(mine[1], its)
        assert torch.equal(mine[[0, 2]], untouched[[0, 2]])


def test_gradients_may_lie_in_memory_in_any_order() -> None:
    """A convolution of frames with channels last gives its kernel's gradient with channels last."""
    generator = torch.Generator().manual_seed(0)
    kernel, plain = (nn.Parameter(torch.zeros(3, 4, 5, 3, 3)) for _ in range(2))
    gradient = torch.randn(3, 4, 3, 3, 5, generator=generator).permute(0, 1, 4, 2, 3)
    adam, single = StackedAdam([kernel], 0.1), torch.optim.Adam([plain], lr=0.1)
    for _ in range(2):
        adam.descend([gradient])
        plain.grad = gradient.contiguous()
        single.step()
    torch.testing.assert_close(kernel, plain)


def test_rows_that_a_member_has_several_of() -> None:
    """Six rows of three members, in no order, as the terms of their losses lie."""
    generator = torch.Generator().manual_seed(0)
    rows, whole = (nn.Parameter(torch.zeros(shape)) for shape in ((6, 2), (3, 2, 2)))
    order = torch.tensor([3, 0, 5, 1, 2, 4])
    adam = StackedAdam([rows], 0.1, members=3, owners=[order // 2])
    other = StackedAdam([whole], 0.1)
    for number in range(6):
        gradient = torch.randn(6, 2, generator=generator)
        if number == 3:
            adam.reset(1)
            other.reset(1)
        adam.descend([gradient[order]])
        other.descend([gradient.view(3, 2, 2)])
    assert torch.equal(rows, whole.view(6, 2)[order])


def members_of_their_own(members: int, kind: torch.dtype) -> tuple[list[nn.Parameter], list[Tensor | None]]:
    """Parameters with a row a member and with two, in no order, and whose their rows are."""
    generator = torch.Generator().manual_seed(0)
    shapes = [(members, 4, 3), (members,), (2 * members, 7)]
    owner = torch.randperm(2 * members, generator=generator) // 2
    made = [nn.Parameter(torch.randn(shape, generator=generator).to(kind)) for shape in shapes]
    return made, [None, None, owner]


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_on_a_gpu_members_with_counts_of_their_own_are_updated_as_alone(decay: float) -> None:
    """By torch's optimizer, to the digits of float64; who rests is left alone, also by gradients of NaN."""
    generator = torch.Generator().manual_seed(1)
    members = 3
    parameters, owners = members_of_their_own(members, torch.float64)
    adam = StackedAdam(parameters, 0.1, (0.5, 0.999), owners=owners, decay=decay).double()
    rows = [[slice(m, m + 1), slice(m, m + 1), owners[2] == m] for m in range(members)]
    alone = [
        [nn.Parameter(parameter[at].detach().clone()) for parameter, at in zip(parameters, own, strict=True)]
        for own in rows
    ]
    kind = torch.optim.AdamW if decay else torch.optim.Adam
    singles = [kind(copies, lr=0.1, betas=(0.5, 0.999), weight_decay=decay) for copies in alone]
    for number in range(6):
        gradients = [torch.randn(parameter.shape, generator=generator).double() for parameter in parameters]
        active = torch.tensor([True, number % 2 == 0, number > 2])
        for member in range(members):
            own = [whole[at] for whole, at in zip(gradients, rows[member], strict=True)]
            if active[member]:
                for parameter, gradient in zip(alone[member], own, strict=True):
                    parameter.grad = gradient.clone()
                singles[member].step()
            else:
                for whole, at in zip(gradients, rows[member], strict=True):
                    whole[at] = torch.nan
        with torch.no_grad():
            adam.steps += active
            adam._descend_at_once(gradients, active)
        for own, single in zip(rows, alone, strict=True):
            for mine, its, at in zip(parameters, single, own, strict=True):
                torch.testing.assert_close(mine[at], its, rtol=1e-13, atol=1e-13)
    assert adam.steps.tolist() == [6, 3, 3]


def test_on_a_gpu_many_members_take_no_more_kernels_than_few() -> None:
    counts = list[int]()
    for members in (2, 64):
        parameters, owners = members_of_their_own(members, torch.float32)
        adam = StackedAdam(parameters, 0.1, owners=owners).to("meta")
        adam.trained = [nn.Parameter(parameter.to("meta")) for parameter in parameters]
        adam.owners = [owner if owner is None else owner.to("meta") for owner in owners]
        gradients = [torch.empty_like(tensor) for tensor in adam.trained]
        with Calls() as calls:
            adam.descend(gradients, torch.ones(members, dtype=torch.bool, device="meta"))
        counts.append(calls.count)
    assert counts[0] == counts[1]


@pytest.mark.parametrize(
    "device",
    [
        pytest.param(
            "cpu",
            marks=pytest.mark.skipif(
                "TRITON_INTERPRET" not in os.environ, reason="needs Triton's interpreter"
            ),
        ),
        pytest.param(
            "cuda",
            marks=[
                pytest.mark.gpu,
                pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
            ],
        ),
    ],
)
def test_as_one_kernel_a_step_is_the_plain_one(device: str) -> None:
    from a2ls_dsl.rl.compute.adam_kernel import fused_step

    generator = torch.Generator().manual_seed(0)
    for kind, numbers in ((torch.float32, 5), (torch.float32, 3000), (torch.float64, 1)):
        states = [torch.rand(4, numbers, generator=generator, dtype=kind).to(device) for _ in range(4)]
        others = [state.clone() for state in states]
        rows = torch.tensor(
            [[1, 0.3, 0.2], [0, torch.inf, 0], [1, 0.1, 0.9], [1, 0.2, 1]], dtype=torch.float64
        )
        for step, given in ((fused_step, states), (plain_step, others)):
            given[1][1] = torch.nan
            step(*given, rows.to(device), 0.01, (0.9, 0.999), 1e-8)
        for mine, its in zip(states, others, strict=True):
            torch.testing.assert_close(
                mine, its, equal_nan=True, rtol=2e-6 if kind == torch.float32 else 1e-13, atol=0
            )


def test_parameters_may_be_moved_between_two_steps() -> None:
    """Nothing that a step has kept for the next points to where they lay."""
    parameters, plain = stack(), stack()
    adam, other = (StackedAdam(trained, 0.1) for trained in (parameters, plain))
    network = nn.ParameterList(parameters)
    for optimizer in (adam, other):
        optimizer.step(losses(optimizer.trained))
    for kind in (torch.float64, torch.float32):
        network.to(kind)
        adam.to(kind)
    for optimizer in (adam, other):
        optimizer.step(losses(optimizer.trained))
    for mine, its in zip(parameters, plain, strict=True):
        assert torch.equal(mine, its)

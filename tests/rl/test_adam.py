"""Adam of a stack against torch's own, a member at a time."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from a2ls_dsl.rl.adam import StackedAdam

SHAPES = [(4, 3), (7,), (), (4, 16)]


def losses(parameters: list[nn.Parameter], member: int | None = None) -> Tensor:
    """A loss a member, uneven in all numbers; of one member alone a scalar."""
    total = torch.zeros(3 if member is None else 1)
    for each in parameters:
        values = each if member is None else each[None]
        total = total + (values.sin() * (1 + values)).reshape(len(values), -1).sum(dim=1)
    return total


def stack() -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(0)
    return [nn.Parameter(torch.randn(3, *shape, generator=generator)) for shape in SHAPES]


@pytest.mark.parametrize("worth_threads", [2**20, 50, 0])
def test_members_are_updated_as_alone(worth_threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("a2ls_dsl.rl.adam._WORTH_THREADS", worth_threads)
    parameters = stack()
    alone = [[nn.Parameter(each[member].detach().clone()) for each in parameters] for member in range(3)]
    singles = [torch.optim.Adam(each, lr=0.1, betas=(0.5, 0.999)) for each in alone]
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
    adam, other = (StackedAdam(each, 0.1) for each in (parameters, undisturbed))
    for _ in range(5):
        adam.step(losses(parameters))
        other.step(losses(undisturbed))
    with torch.no_grad():
        for each in parameters:
            each[1] = 0.3
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


def test_on_a_gpu_a_member_at_a_time_is_the_same() -> None:
    """The kernel is called for each member there, and told what to leave out by a number it reads itself."""
    generator = torch.Generator().manual_seed(0)
    parameters, others = stack(), stack()
    adam, other = (StackedAdam(each, 0.1) for each in (parameters, others))
    for number in range(4):
        gradients = [torch.randn(each.shape, generator=generator) for each in parameters]
        active = torch.tensor([True, number % 2 == 0, number < 3])
        gradients[0][~active] = torch.nan
        adam.descend(gradients, active)
        with torch.no_grad():
            other.steps += active
            other._descend_on_gpu(gradients, active)
    for mine, its in zip([*parameters, *adam.buffers()], [*others, *other.buffers()], strict=True):
        assert torch.equal(mine, its)
    assert adam.steps.tolist() == [4, 2, 3]


def test_parameters_may_be_moved_between_two_steps() -> None:
    """Nothing that a step has kept for the next points to where they lay."""
    parameters, plain = stack(), stack()
    adam, other = (StackedAdam(each, 0.1) for each in (parameters, plain))
    network = nn.ParameterList(parameters)
    for each in (adam, other):
        each.step(losses(each.trained))
    for kind in (torch.float64, torch.float32):
        network.to(kind)
        adam.to(kind)
    for each in (adam, other):
        each.step(losses(each.trained))
    for mine, its in zip(parameters, plain, strict=True):
        assert torch.equal(mine, its)

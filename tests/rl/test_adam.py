"""Adam of a stack against torch's own, a member at a time."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from a2ls_dsl.rl.adam import StackedAdam

SHAPES = [(4, 3), (7,), ()]


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


@pytest.mark.parametrize("together", [True, False])
def test_members_are_updated_as_alone(together: bool) -> None:
    parameters = stack()
    alone = [[nn.Parameter(each[member].detach().clone()) for each in parameters] for member in range(3)]
    singles = [torch.optim.Adam(each, lr=0.1, betas=(0.5, 0.999)) for each in alone]
    adam = StackedAdam(parameters, 0.1, (0.5, 0.999), together=together)
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
    adam, other = (StackedAdam(each, 0.1, together=False) for each in (parameters, undisturbed))
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

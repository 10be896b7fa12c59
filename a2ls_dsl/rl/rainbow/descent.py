"""One step of Adam down a gradient that several losses share, each member's cut to a length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from a2ls_dsl.rl.compute.adam import StackedAdam


class Descent(NamedTuple):
    """An optimizer, the losses (members,) that its parameters and all before them learn, and in whom."""

    adam: StackedAdam
    losses: Tensor
    able: Tensor


def descend(steps: Sequence[Descent], longest: float) -> Tensor:
    """Add up the gradients of all losses, cut each member's to `longest`, and step. Gives lengths (members,).

    The losses of a step also reach the parameters of the steps before it.
    """
    gradients: list[Tensor] = []
    owners: list[Tensor | None] = []
    for number, step in enumerate(steps, start=1):
        added, owners = _gradients(step.losses, [before.adam for before in steps[:number]], step.able)
        shared = zip(gradients, added, strict=False)
        gradients = [gradient + more for gradient, more in shared] + added[len(gradients) :]
    length = steps[0].losses.new_zeros(len(steps[0].losses))
    for gradient, owner in zip(gradients, owners, strict=True):
        rows = gradient.flatten(1).square().sum(dim=1)
        length = length + rows if owner is None else length.index_add(0, owner, rows)
    length = length.sqrt()
    scale = (longest / (length + 1e-6)).clamp(max=1)
    pairs = zip(gradients, owners, strict=True)
    cut = [gradient * _spread(scale, owner, gradient) for gradient, owner in pairs]
    for step in steps:
        step.adam.descend(cut[: len(step.adam.trained)], step.able)
        cut = cut[len(step.adam.trained) :]
    return length


def _gradients(
    losses: Tensor, adams: Sequence[StackedAdam], able: Tensor
) -> tuple[list[Tensor], list[Tensor | None]]:
    """Gradients of members' losses (members,), 0 for those not able, whatever theirs are; whose rows are."""
    parameters = [parameter for adam in adams for parameter in adam.trained]
    owners = [owner for adam in adams for owner in adam.owners]
    # Parameters that a loss doesn't read have the gradient 0.
    gradients = torch.autograd.grad(
        torch.where(able, losses, 0.0).sum(), parameters, allow_unused=True, materialize_grads=True
    )
    pairs = zip(gradients, owners, strict=True)
    return [torch.where(_spread(able, owner, gradient), gradient, 0.0) for gradient, owner in pairs], owners


def _spread(values: Tensor, owner: Tensor | None, gradient: Tensor) -> Tensor:
    """Values (members,) for the rows of a gradient, in a shape that it is multiplied with."""
    return (values if owner is None else values[owner]).view(-1, *[1] * (gradient.dim() - 1))

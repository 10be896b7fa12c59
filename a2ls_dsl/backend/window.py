"""What a loss is evaluated on: the sizes of an environment's spaces, and windows of trajectories."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from a2ls_dsl.ir.lower import supported_terms
from a2ls_dsl.ir.nodes import Row
from a2ls_dsl.lang.ast import Loss, elements_of


@dataclass(frozen=True)
class Spaces:
    """Sizes of the vectors that a loss meets.

    observation: numbers in one observation; action: numbers in one action; features: width of what the
    encoder returns for one observation.
    """

    observation: int
    action: int
    features: int

    def width(self, row: Row) -> int:
        """How many numbers one sample of a row has."""
        return row.states * self.features + row.actions * self.action + row.rewards


@dataclass(frozen=True)
class Window:
    """A batch of windows of `steps` consecutive steps t, t+1, ... out of one episode each.

    observation: (..., B, steps, observation size); action: (..., B, steps, action size), in [-1, 1];
    reward: (..., B, steps). The leading dimensions are empty for one loss and (members,) for a stack.
    """

    observation: Tensor
    action: Tensor
    reward: Tensor

    @property
    def steps(self) -> int:
        return self.reward.shape[-1]

    def states(self, step: Tensor, draw: Tensor) -> Tensor:
        """Of a stack's windows: the observations of some steps, (members, T, B, ...).

        step: (members, T) offsets; draw: (members, T), 0 for the draw of the augmentation that a step's
        observation has wherever it stands, any other number for a draw of its own. Vectors have no
        augmentation.
        """
        member = torch.arange(step.shape[0], device=step.device)[:, None]
        return self.observation.transpose(1, 2)[member, step]


class StackWindow(Protocol):
    """What a stack of losses reads: windows of all members, whose states are fetched when they are needed."""

    @property
    def action(self) -> Tensor:
        """(members, B, steps, action size)"""

    @property
    def reward(self) -> Tensor:
        """(members, B, steps)"""

    def states(self, step: Tensor, draw: Tensor) -> Tensor:
        """See `Window.states`."""


def views_without_effect(losses: Iterable[Loss | None]) -> list[str]:
    """Warnings for losses with views, which are augmentations of images, on vector observations."""
    views = sorted(
        {
            call.name
            for loss in losses
            if loss is not None
            for _, term in supported_terms(loss)
            for element in elements_of(term.items)
            for call in element.calls
        }
    )
    return [
        f"`{view}` changes nothing on vector observations: every draw is the same state" for view in views
    ]

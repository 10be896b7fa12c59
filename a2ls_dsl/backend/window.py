"""What a loss is evaluated on: the sizes of an environment's spaces, and windows of trajectories."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from a2ls_dsl.ir.nodes import Row


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

"""Random numbers for views and operators."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from torch import Tensor


class Draws(Protocol):
    """Random numbers for views and operators. Leading dimensions for members are added to the shapes."""

    def uniform(self, x: Tensor, *shape: int) -> Tensor:
        """Numbers in [0, 1), on the device of x."""

    def normal(self, x: Tensor, *shape: int) -> Tensor:
        """Standard normal numbers, on the device of x."""


@runtime_checkable
class MemberDraws(Draws, Protocol):
    """The draws of several members at once."""

    def member(self, index: int) -> Draws:
        """The draws of one member."""

"""Figures of a stack's learning, gathered on the device."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Metrics(nn.Module):
    """Means of named figures, one a member, since they were last asked for."""

    sums: Tensor

    def __init__(self, names: Sequence[str], members: int) -> None:
        super().__init__()
        self.names = tuple(names)
        self.register_buffer("sums", torch.zeros(2, len(names), members))  # of values, and their counts

    def record(self, name: str, values: Tensor, active: Tensor) -> None:
        """Add a figure, (members,), of those members that are active."""
        index = self.names.index(name)
        self.sums[0, index] += torch.where(active, values.detach(), 0.0)
        self.sums[1, index] += active

    def pop(self, member: int) -> dict[str, float]:
        """A member's means since the last call, by name; NaN for what wasn't computed."""
        values, counts = self.sums[..., member]
        means = (values / counts).tolist()
        self.reset(member)
        return dict(zip(self.names, means, strict=True))

    def reset(self, member: int) -> None:
        """Forget a member's figures."""
        self.sums[..., member] = 0

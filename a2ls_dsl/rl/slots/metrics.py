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
        self._recorded: dict[str, tuple[Tensor, Tensor]] = {}

    def record(self, name: str, values: Tensor, active: Tensor) -> None:
        """A figure of this update, (members,), of those members that are active; see `add`."""
        self._recorded[name] = values.detach().to(self.sums), active

    @torch.no_grad()
    def add(self) -> None:
        """Add up what was recorded in this update: all figures at once, as each is a few numbers."""
        if not self._recorded:
            return
        nothing = self.sums.new_zeros(self.sums.shape[2])
        pairs = [self._recorded.get(name, (nothing, nothing.bool())) for name in self.names]
        values, active = (torch.stack(column) for column in zip(*pairs, strict=True))
        self.sums += torch.stack([torch.where(active, values, 0.0), active.to(values)])
        self._recorded = {}

    def pop(self, member: int) -> dict[str, float]:
        """A member's means since the last call, by name; NaN for what wasn't computed."""
        values, counts = self.sums[..., member]
        means = (values / counts).tolist()
        self.reset(member)
        return dict(zip(self.names, means, strict=True))

    def reset(self, member: int) -> None:
        """Forget a member's figures."""
        self.sums[..., member] = 0

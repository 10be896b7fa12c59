"""Priorities of a ring's rows on the learner's device, drawn exactly in proportion.

Schaul et al. 2015 (arXiv 1511.05952) draw from a binary sum tree. Here a node has as many children as the
cube root of the ring's size, so that three levels hold it: a draw is three small cumulative sums.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def children(capacity: int) -> int:
    """Children of a node: the least number whose cube is the capacity or more."""
    count = 1
    while count**3 < capacity:
        count += 1
    return count


class Priorities(nn.Module):
    """One number 0 or more for every row of every member's ring, first 0: rows of 0 are never drawn.

    Sums are float64 and are always those of the children as they are, so errors don't gather.
    """

    rows: Tensor
    blocks: Tensor
    groups: Tensor

    def __init__(self, members: int, capacity: int) -> None:
        super().__init__()
        self.width = children(capacity)
        for power, name in ((3, "rows"), (2, "blocks"), (1, "groups")):
            self.register_buffer(name, torch.zeros(members, self.width**power, dtype=torch.float64))
        self.register_buffer("members", torch.arange(members)[:, None], persistent=False)
        self.members: Tensor

    @staticmethod
    def bytes_needed(capacity: int) -> int:
        """Bytes of a member's numbers."""
        width = children(capacity)
        return 8 * (width + width**2 + width**3)

    def reset(self, member: int) -> None:
        """Forget all priorities of a member."""
        for level in (self.rows, self.blocks, self.groups):
            level[member] = 0

    def at(self, row: Tensor) -> Tensor:
        """(members, K) priorities of rows (members, K)."""
        return self.rows.gather(1, row)

    def write(self, row: Tensor, priority: Tensor) -> None:
        """Set the priorities of rows; both (members, K). Of a row that stands twice one of both counts."""
        self.rows[self.members, row] = priority.to(self.rows)
        for level, above in ((self.rows, self.blocks), (self.blocks, self.groups)):
            row = row // self.width
            above[self.members, row] = self._below(level, row).sum(dim=2)

    def draw(self, uniform: Tensor) -> Tensor:
        """(members, K) rows for numbers (members, K) in [0, 1), each with its share of the sum.

        Without any priority above 0 the rows are arbitrary.
        """
        value = uniform.to(self.groups) * self.groups.sum(dim=1, keepdim=True)
        row = torch.zeros_like(value, dtype=torch.int64)
        for level in (self.groups, self.blocks, self.rows):
            sums = self._below(level, row).cumsum(dim=2)
            whole = sums[..., -1]
            # A sum's last digit depends on its order; what is drawn must lie inside this node.
            value = torch.minimum(value, torch.nextafter(whole, torch.zeros_like(whole)))
            child = (sums <= value[..., None]).sum(dim=2).clamp(max=self.width - 1)
            before = sums.gather(2, (child - 1).clamp(min=0)[..., None])[..., 0]
            value = value - torch.where(child > 0, before, 0.0)
            row = row * self.width + child
        return row

    def _below(self, level: Tensor, node: Tensor) -> Tensor:
        """The children's numbers (members, K, width) of nodes (members, K)."""
        return level.view(len(level), -1, self.width)[self.members, node]

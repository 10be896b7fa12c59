"""Layers whose parameters carry a leading slot axis: one call computes them for all members of a stack."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from a2ls_dsl.backend.counter_rng import CounterRng, Purpose

Rows = int | slice
"""Members of a stack whose parameters are drawn: one, or neighbours, with the streams of as many."""


class Linear(nn.Module):
    """`copies` linear maps a member (twin critics have two).

    (members * copies, M, inputs) -> (members * copies, M, outputs).
    """

    def __init__(self, members: int, inputs: int, outputs: int, copies: int = 1) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(members, copies, inputs, outputs))
        self.bias = nn.Parameter(torch.zeros(members, copies, 1, outputs))

    def forward(self, x: Tensor) -> Tensor:
        return torch.baddbmm(self.bias.flatten(0, 1), x, self.weight.flatten(0, 1))

    @torch.no_grad()
    def reset_orthogonal(self, members: Rows, rng: CounterRng, purpose: Purpose, layer: int) -> None:
        """Orthogonal weights of gain 1 and zero biases; rng: the streams of these members.

        `layer` tells apart the layers that are drawn for one purpose.
        """
        copies, inputs, outputs = self.weight.shape[1:]
        for copy in range(copies):
            drawn = orthogonal(inputs, outputs, rng, purpose, layer * copies + copy)
            self.weight[members, copy] = drawn
        self.bias[members] = 0


def orthogonal(rows: int, columns: int, rng: CounterRng, purpose: Purpose, draw: int) -> Tensor:
    """A matrix for each stream, (N, rows, columns), uniform among those with orthonormal rows or columns.

    Whichever are fewer.
    """
    tall, narrow = max(rows, columns), min(rows, columns)
    normal = rng.normal(purpose, draw, tall * narrow).view(-1, tall, narrow)
    # Of a batch a CPU decomposes one after the other, with digits that depend on where in memory each begins.
    batches = [matrix.clone()[None] for matrix in normal] if normal.device.type == "cpu" else [normal]
    q, r = (torch.cat(parts) for parts in zip(*map(torch.linalg.qr, batches), strict=True))
    q = q * r.diagonal(dim1=-2, dim2=-1).sign()[:, None]  # a bare QR is not uniform
    matrix: Tensor = q if rows >= columns else q.mT
    return matrix


class LayerNorm(nn.Module):
    """Layer norm over features, each member with its own gain and shift."""

    def __init__(self, members: int, features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(members, 1, features))
        self.bias = nn.Parameter(torch.zeros(members, 1, features))

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, x.shape[-1:]) * self.weight + self.bias

    @torch.no_grad()
    def reset(self, members: Rows) -> None:
        self.weight[members] = 1
        self.bias[members] = 0

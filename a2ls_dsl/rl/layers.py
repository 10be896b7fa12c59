"""Layers whose parameters carry a leading slot axis: one call computes them for all members of a stack."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from a2ls_dsl.backend.counter_rng import CounterRng, Purpose


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
    def reset_orthogonal(self, member: int, rng: CounterRng, purpose: Purpose, layer: int) -> None:
        """Orthogonal weights of gain 1 and zero biases; rng: the streams of this member.

        `layer` tells apart the layers that are drawn for one purpose.
        """
        copies, inputs, outputs = self.weight.shape[1:]
        tall, narrow = max(inputs, outputs), min(inputs, outputs)
        for copy in range(copies):
            normal = rng.normal(purpose, layer * copies + copy, tall * narrow).view(tall, narrow)
            q, r = torch.linalg.qr(normal)
            q = q * r.diagonal().sign()  # makes the distribution uniform over orthogonal matrices
            self.weight[member, copy] = q if inputs >= outputs else q.T
        self.bias[member] = 0


class LayerNorm(nn.Module):
    """Layer norm over features, each member with its own gain and shift."""

    def __init__(self, members: int, features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(members, 1, features))
        self.bias = nn.Parameter(torch.zeros(members, 1, features))

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, x.shape[-1:]) * self.weight + self.bias

    @torch.no_grad()
    def reset(self, member: int) -> None:
        self.weight[member] = 1
        self.bias[member] = 0

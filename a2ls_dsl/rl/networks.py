"""The networks of SAC on vector observations, for a whole stack: encoder, actor, twin critics.

Sizes and initialisation as in the release of He et al. 2022 (the settings of CURL): see `settings.py`.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from a2ls_dsl.backend.counter_rng import CounterRng, Purpose
from a2ls_dsl.rl.layers import LayerNorm, Linear

HIDDEN_ENCODER = 40


class DenseEncoder(nn.Module):
    """The paper's dense encoder of vectors: LayerNorm(Linear(x ++ ReLU(Linear(x)))), x and 40 hidden units.

    (members, M, observation) -> (members, M, observation + 40).
    """

    def __init__(self, members: int, observation: int) -> None:
        super().__init__()
        self.features = observation + HIDDEN_ENCODER
        self.hidden = Linear(members, observation, HIDDEN_ENCODER)
        self.out = Linear(members, self.features, self.features)
        self.norm = LayerNorm(members, self.features)

    def forward(self, observation: Tensor) -> Tensor:
        hidden = F.relu(self.hidden(observation))
        features: Tensor = self.norm(self.out(torch.cat([observation, hidden], dim=-1)))
        return features

    def reset(self, member: int, rng: CounterRng) -> None:
        """Fresh parameters for a member."""
        self.hidden.reset_orthogonal(member, rng, Purpose.INIT_ENCODER, 0)
        self.out.reset_orthogonal(member, rng, Purpose.INIT_ENCODER, 1)
        self.norm.reset(member)


class MLP(nn.Module):
    """Linear, ReLU, Linear, ReLU, Linear, with `copies` independent copies a member."""

    def __init__(
        self, members: int, inputs: int, hidden: int, outputs: int, purpose: Purpose, copies: int = 1
    ) -> None:
        super().__init__()
        sizes = (inputs, hidden, hidden, outputs)
        self.purpose, self.copies = purpose, copies
        self.layers = nn.ModuleList(Linear(members, i, o, copies) for i, o in pairwise(sizes))

    def forward(self, x: Tensor) -> Tensor:
        """(members, M, inputs) -> (members, copies, M, outputs)."""
        members = x.shape[0]
        x = x[:, None].expand(-1, self.copies, -1, -1).flatten(0, 1)
        for layer in self.layers[:-1]:
            x = F.relu(layer(x))
        out: Tensor = self.layers[-1](x)
        return out.view(members, self.copies, *out.shape[1:])

    def reset(self, member: int, rng: CounterRng) -> None:
        """Fresh parameters for a member."""
        for number, layer in enumerate(self.layers):
            if isinstance(layer, Linear):
                layer.reset_orthogonal(member, rng, self.purpose, number)


class Actor(nn.Module):
    """A Gaussian policy squashed by tanh; log standard deviations are squashed into a range."""

    def __init__(
        self, members: int, features: int, action: int, hidden: int, log_std_range: tuple[float, float]
    ) -> None:
        super().__init__()
        self.trunk = MLP(members, features, hidden, 2 * action, Purpose.INIT_ACTOR)
        self.low, self.high = log_std_range

    def mean(self, features: Tensor) -> Tensor:
        """The deterministic action: (members, M, features) -> (members, M, action) in (-1, 1)."""
        return torch.tanh(self.trunk(features)[:, 0].chunk(2, dim=-1)[0])

    def forward(self, features: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Actions for standard normal noise, both (members, M, action), and log-densities (members, M)."""
        mean, log_std = self.trunk(features)[:, 0].chunk(2, dim=-1)
        log_std = self.low + 0.5 * (self.high - self.low) * (torch.tanh(log_std) + 1)
        action = torch.tanh(mean + noise * log_std.exp())
        normal = -0.5 * noise.square() - log_std - _HALF_LOG_2PI
        squashed = torch.log(F.relu(1 - action.square()) + 1e-6)
        return action, (normal - squashed).sum(dim=-1)

    def reset(self, member: int, rng: CounterRng) -> None:
        """Fresh parameters for a member."""
        self.trunk.reset(member, rng)


class TwinCritic(nn.Module):
    """Two independent action values a member."""

    def __init__(self, members: int, features: int, action: int, hidden: int) -> None:
        super().__init__()
        self.trunk = MLP(members, features + action, hidden, 1, Purpose.INIT_CRITIC, copies=2)

    def forward(self, features: Tensor, action: Tensor) -> Tensor:
        """(members, M, features), (members, M, action) -> (members, 2, M)."""
        values: Tensor = self.trunk(torch.cat([features, action], dim=-1))
        return values.squeeze(-1)

    def reset(self, member: int, rng: CounterRng) -> None:
        """Fresh parameters for a member."""
        self.trunk.reset(member, rng)


_HALF_LOG_2PI = 0.9189385332046727

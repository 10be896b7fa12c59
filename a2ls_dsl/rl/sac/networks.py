"""The networks of SAC behind its encoders, for a whole stack: actor and twin critics.

Sizes and initialisation as in the release of He et al. 2022 (the settings of CURL): see `settings.py`.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from a2ls_dsl.backend.counter_rng import CounterRng, Purpose
from a2ls_dsl.backend.precision import unrounded
from a2ls_dsl.rl.networks.encoders import ActorHead
from a2ls_dsl.rl.networks.layers import Linear, Rows


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
        last = self.layers[-1]
        # Values and means are not rounded to the few digits of operands, nor is what is made of them.
        with unrounded(x.device):
            out: Tensor = last(x.to(next(last.parameters()).dtype))
        return out.view(members, self.copies, *out.shape[1:])

    def reset(self, members: Rows, rng: CounterRng) -> None:
        """Fresh parameters for members."""
        for number, layer in enumerate(self.layers):
            if isinstance(layer, Linear):
                layer.reset_orthogonal(members, rng, self.purpose, number)


class Actor(nn.Module):
    """A Gaussian policy squashed by tanh; log standard deviations are squashed into a range.

    It reads what `Encoder.base` gives: (members, M, base), through a head of its own where it has one.
    """

    def __init__(
        self,
        members: int,
        features: int,
        action: int,
        hidden: int,
        log_std_range: tuple[float, float],
        head: ActorHead | None = None,
        trunk: nn.Module | None = None,
    ) -> None:
        """trunk: of features to (members, 1, M, 2 * action); by default an `MLP`."""
        super().__init__()
        self.head = head
        made = MLP(members, features, hidden, 2 * action, Purpose.INIT_ACTOR) if trunk is None else trunk
        self.trunk: Any = made
        self.low, self.high = log_std_range

    def mean(self, base: Tensor) -> Tensor:
        """The deterministic action: (members, M, base) -> (members, M, action) in (-1, 1)."""
        return torch.tanh(self._gaussian(base)[0])

    def forward(self, base: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Actions for standard normal noise, both (members, M, action), and log-densities (members, M)."""
        mean, log_std = self._gaussian(base)
        log_std = self.low + 0.5 * (self.high - self.low) * (torch.tanh(log_std) + 1)
        action = torch.tanh(mean + noise * log_std.exp())
        normal = -0.5 * noise.square() - log_std - _HALF_LOG_2PI
        squashed = torch.log(F.relu(1 - action.square()) + 1e-6)
        return action, (normal - squashed).sum(dim=-1)

    def reset(self, members: Rows, rng: CounterRng) -> None:
        """Fresh parameters for members."""
        self.trunk.reset(members, rng)
        if self.head is not None:
            self.head.reset(members, rng, Purpose.INIT_ACTOR, len(self.trunk.layers))

    def _gaussian(self, base: Tensor) -> tuple[Tensor, Tensor]:
        features = base if self.head is None else self.head(base)
        mean, log_std = self.trunk(features)[:, 0].chunk(2, dim=-1)
        return mean, log_std


class TwinCritic(nn.Module):
    """Two independent action values a member."""

    def __init__(
        self, members: int, features: int, action: int, hidden: int, trunk: nn.Module | None = None
    ) -> None:
        """trunk: of features and actions to (members, 2, M, 1); by default an `MLP`."""
        super().__init__()
        made = MLP(members, features + action, hidden, 1, Purpose.INIT_CRITIC, copies=2)
        self.trunk: Any = made if trunk is None else trunk

    def forward(self, features: Tensor, action: Tensor) -> Tensor:
        """(members, M, features), (members, M, action) -> (members, 2, M)."""
        values: Tensor = self.trunk(torch.cat([features, action], dim=-1))
        return values.squeeze(-1)

    def reset(self, members: Rows, rng: CounterRng) -> None:
        """Fresh parameters for members."""
        self.trunk.reset(members, rng)


_HALF_LOG_2PI = 0.9189385332046727

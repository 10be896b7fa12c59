"""The networks of SAC, for a whole stack: encoders of vectors and of frames, actor, twin critics.

Sizes and initialisation as in the release of He et al. 2022 (the settings of CURL): see `settings.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from a2ls_dsl.backend.counter_rng import CounterRng, Purpose
from a2ls_dsl.backend.precision import unrounded
from a2ls_dsl.rl.arithmetic import product_dtype
from a2ls_dsl.rl.convolutions import Conv
from a2ls_dsl.rl.layers import LayerNorm, Linear, Rows
from a2ls_dsl.rl.observations import Observations

HIDDEN_ENCODER = 40
PIXEL_FEATURES = 50
FILTERS = 32
STRIDES = (2, 1, 1, 1)


class Encoder(nn.Module, ABC):
    """What encodes observations (members, M, ...): to (members, M, features)."""

    features: int

    @abstractmethod
    def forward(self, observation: Tensor) -> Tensor:
        """The features."""

    @abstractmethod
    def base(self, observation: Tensor) -> Tensor:
        """What actor and critics share."""

    @abstractmethod
    def head(self, base: Tensor) -> Tensor:
        """The features, from what `base` gave."""

    @abstractmethod
    def head_for_actor(self) -> ActorHead | None:
        """What the actor has of its own behind `base`, if anything."""

    @abstractmethod
    def reset(self, members: Rows, rng: CounterRng) -> None:
        """Fresh parameters for members."""


class DenseEncoder(Encoder):
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
        return self.base(observation)

    def base(self, observation: Tensor) -> Tensor:
        """What actor and critics share: all of it."""
        hidden = F.relu(self.hidden(observation))
        features: Tensor = self.norm(self.out(torch.cat([observation, hidden], dim=-1)))
        return features

    def head(self, base: Tensor) -> Tensor:
        """The features, from what `base` gave."""
        return base

    def head_for_actor(self) -> ActorHead | None:
        """The actor needs none of its own."""
        return None

    def reset(self, members: Rows, rng: CounterRng) -> None:
        """Fresh parameters for members."""
        self.hidden.reset_orthogonal(members, rng, Purpose.INIT_ENCODER, 0)
        self.out.reset_orthogonal(members, rng, Purpose.INIT_ENCODER, 1)
        self.norm.reset(members)


class UnsharedEncoder(DenseEncoder):
    """The dense encoder where the actor has another of its own, as in the release of He et al. 2022."""

    def forward(self, observation: Tensor) -> Tensor:
        return self.head(observation)

    def base(self, observation: Tensor) -> Tensor:
        """What actor and critics share: the observation."""
        return observation

    def head(self, base: Tensor) -> Tensor:
        """The features of the critics, from what `base` gave."""
        return super().base(base)

    def head_for_actor(self) -> ActorHead | None:
        """The actor's own encoder."""
        members, _, observation, _ = self.hidden.weight.shape
        return DenseHead(members, observation)


class DenseHead(nn.Module):
    """A dense encoder whose hidden layer keeps its first, random parameters.

    In the release the actor's gradient stops behind the hidden layers, which nothing else trains.
    """

    def __init__(self, members: int, observation: int) -> None:
        super().__init__()
        self.encoder = DenseEncoder(members, observation)

    def forward(self, observation: Tensor) -> Tensor:
        with torch.no_grad():
            hidden = F.relu(self.encoder.hidden(observation))
        features: Tensor = self.encoder.norm(self.encoder.out(torch.cat([observation, hidden], dim=-1)))
        return features

    def reset(self, members: Rows, rng: CounterRng, purpose: Purpose, layer: int) -> None:
        """Fresh parameters for members."""
        self.encoder.hidden.reset_orthogonal(members, rng, purpose, layer)
        self.encoder.out.reset_orthogonal(members, rng, purpose, layer + 1)
        self.encoder.norm.reset(members)


class Head(nn.Module):
    """Linear and LayerNorm, (members, M, inputs) -> (members, M, 50)."""

    def __init__(self, members: int, inputs: int) -> None:
        super().__init__()
        self.linear = Linear(members, inputs, PIXEL_FEATURES)
        self.norm = LayerNorm(members, PIXEL_FEATURES)

    def forward(self, base: Tensor) -> Tensor:
        features: Tensor = self.norm(self.linear(base))
        return features

    def reset(self, members: Rows, rng: CounterRng, purpose: Purpose, layer: int) -> None:
        """Fresh parameters for members."""
        self.linear.reset_orthogonal(members, rng, purpose, layer)
        self.norm.reset(members)


class PixelEncoder(Encoder):
    """The paper's encoder of frames: four 3x3 convolutions of 32 filters, then Linear and LayerNorm.

    (members, M, channels, size, size) uint8 -> (members, M, 50).
    """

    def __init__(self, members: int, channels: int, size: int) -> None:
        super().__init__()
        self.features = PIXEL_FEATURES
        self.members = members
        self.convs = nn.ModuleList()
        for stride in STRIDES:
            self.convs.append(Conv(members, channels, FILTERS, stride))
            channels, size = FILTERS, (size - 3) // stride + 1
        self.width = size * size * FILTERS
        self._head = Head(members, self.width)

    def forward(self, observation: Tensor) -> Tensor:
        return self.head(self.base(observation))

    def base(self, observation: Tensor) -> Tensor:
        """What actor and critics share, the convolutions: (members, M, 39,200) for frames of 84 pixels."""
        x = observation.transpose(0, 1).flatten(1, 2)
        # The numbers 0..255 are exact in every type; that they are 255ths is left to the first kernels.
        kind = product_dtype(x.device, self._head.linear.weight.dtype)
        x = x.to(kind, memory_format=torch.channels_last)
        for number, conv in enumerate(self.convs):
            x = F.relu(conv(x, scale=1 / 255 if number == 0 else 1.0))
        # Channels last in the features too: a stack of one then moves nothing.
        x = x.permute(0, 2, 3, 1)
        return x.view(*x.shape[:3], -1, FILTERS).permute(3, 0, 1, 2, 4).flatten(2)

    def head(self, base: Tensor) -> Tensor:
        """The features, from what `base` gave."""
        features: Tensor = self._head(base)
        return features

    def head_for_actor(self) -> ActorHead | None:
        """The actor has a head of its own behind the shared convolutions."""
        return Head(self.members, self.width)

    def reset(self, members: Rows, rng: CounterRng) -> None:
        """Fresh parameters for members."""
        for number, conv in enumerate(self.convs):
            if isinstance(conv, Conv):
                conv.reset_delta_orthogonal(members, rng, Purpose.INIT_ENCODER, number)
        self._head.reset(members, rng, Purpose.INIT_ENCODER, len(self.convs))


ActorHead = Head | DenseHead


def make_encoder(members: int, observations: Observations, shared: bool = True) -> Encoder:
    """The paper's encoder for vectors or for frames; shared: the actor reads the encoder of vectors, too."""
    if observations.crop is None:
        return (DenseEncoder if shared else UnsharedEncoder)(members, observations.shape[0])
    return PixelEncoder(members, *observations.seen[:2])


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

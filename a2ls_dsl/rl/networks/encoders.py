"""Encoders of vectors and of frames for a whole stack, as in He et al. 2022, and heads of SAC's actor."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from a2ls_dsl.backend.counter_rng import CounterRng, Purpose
from a2ls_dsl.rl.compute.arithmetic import product_dtype
from a2ls_dsl.rl.networks.convolutions import Conv
from a2ls_dsl.rl.networks.layers import LayerNorm, Linear, Rows
from a2ls_dsl.rl.replay.observations import Observations

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

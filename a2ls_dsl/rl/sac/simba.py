"""SAC with SimBa's networks: observations by running statistics, residual blocks behind layer norms.

Lee et al. 2024 (arXiv 2410.09754) and their code (github.com/SonyResearch/simba, read at 7d0358b). From
there: the order of a block (x + linear(ReLU(linear(norm(x)))), four times as wide inside), a layer norm
behind the last block, He's initialisation inside of blocks and orthogonal weights of gain 1 elsewhere, sizes
(critics: 2 blocks of 512; actor: 1 of 128), AdamW on all parameters but the temperature, rates, targets, the
bounds of the policies' deviations, 5,000 random steps, the discount by the length of episodes, two updates a
step.

What differs, since losses need an encoder that critic and actor share: it has a linear layer, one block and
a norm of its own, and both read its features; there each has all of its layers for itself. Statistics are
those of the batches that critics learn from, not of observations as they come, and there are two critics,
whose lower value counts, as in SAC; there it is one on DeepMind Control. An update trains critics first,
there the actor. He's normal numbers are not cut off at two deviations. Their action repeat is 2 on all tasks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import MappingProxyType

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from a2ls_dsl.backend.counter_rng import CounterRng, Purpose
from a2ls_dsl.backend.precision import unrounded
from a2ls_dsl.rl.networks.encoders import Encoder
from a2ls_dsl.rl.networks.layers import Linear, Rows
from a2ls_dsl.rl.replay.buffer import Transitions
from a2ls_dsl.rl.sac.networks import Actor, TwinCritic
from a2ls_dsl.rl.sac.stack import SacStack
from a2ls_dsl.rl.settings import COUNT, SacSettings

WIDER = 4
"""How many times as wide a block is inside."""


@dataclass(frozen=True)
class SimbaSettings(SacSettings):
    """How one member learns. hidden, blocks: of critics; features: of the encoder, which has one block."""

    replay_capacity: int = 1_000_000
    random_steps: int = 5_000
    batch_size: int = 256
    learning_rate: float = 1e-4
    temperature_beta1: float = 0.9
    initial_temperature: float = 0.01
    critic_tau: float = 0.005
    encoder_tau: float = 0.005
    target_update_every: int = 1
    actor_update_every: int = 1
    hidden: int = 512
    target_entropy: float = 0.5
    weight_decay: float = 0.01
    blocks: int = 2
    actor_hidden: int = 128
    actor_blocks: int = 1
    features: int = 128
    replay_ratio: int = 2  # updates an agent step

    ranges = MappingProxyType(
        {
            **SacSettings.ranges,
            **dict.fromkeys(("blocks", "actor_hidden", "actor_blocks", "features", "replay_ratio"), COUNT),
        }
    )

    @classmethod
    def published(cls, episode_steps: int) -> SimbaSettings:
        """Theirs, for episodes of so many agent steps, by which they choose the discount, as TD-MPC2 does."""
        return cls(discount=min(max(1 - 5 / episode_steps, 0.95), 0.995))

    @property
    def updates_per_step(self) -> int:
        """Updates an agent step."""
        return self.replay_ratio


class Norm(nn.Module):
    """Layer norm with a gain and a shift for each copy of each member: (members * copies, M, features)."""

    def __init__(self, members: int, features: int, copies: int = 1) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(members, copies, 1, features))
        self.bias = nn.Parameter(torch.zeros(members, copies, 1, features))

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], eps=1e-6) * self.weight.flatten(0, 1) + self.bias.flatten(0, 1)

    @torch.no_grad()
    def reset(self, members: Rows) -> None:
        """As it begins."""
        self.weight[members], self.bias[members] = 1, 0


class Residual(nn.Module):
    """A block: x + linear(ReLU(linear(norm(x)))), (members * copies, M, width)."""

    def __init__(self, members: int, width: int, copies: int = 1) -> None:
        super().__init__()
        self.norm = Norm(members, width, copies)
        self.wide = Linear(members, width, WIDER * width, copies)
        self.narrow = Linear(members, WIDER * width, width, copies)

    def forward(self, x: Tensor) -> Tensor:
        inside: Tensor = self.narrow(F.relu(self.wide(self.norm(x))))
        return x + inside

    @torch.no_grad()
    def reset(self, members: Rows, rng: CounterRng, purpose: Purpose, layer: int) -> None:
        """Fresh parameters for members; layer: the first of two numbers that nothing else has."""
        self.norm.reset(members)
        for number, linear in enumerate((self.wide, self.narrow)):
            copies, inputs, outputs = linear.weight.shape[1:]
            drawn = rng.normal(purpose, layer + number, copies * inputs * outputs)
            linear.weight[members] = math.sqrt(2 / inputs) * drawn.view(-1, copies, inputs, outputs)
            linear.bias[members] = 0


class Trunk(nn.Module):
    """Linear, blocks, norm, and with `outputs` a linear layer; `copies` independent copies a member.

    (members, M, inputs) -> (members, copies, M, outputs or width).
    """

    def __init__(
        self,
        members: int,
        inputs: int,
        width: int,
        blocks: int,
        purpose: Purpose,
        outputs: int | None = None,
        copies: int = 1,
    ) -> None:
        super().__init__()
        self.purpose, self.copies = purpose, copies
        self.first = Linear(members, inputs, width, copies)
        self.blocks = nn.ModuleList(Residual(members, width, copies) for _ in range(blocks))
        self.norm = Norm(members, width, copies)
        self.last = None if outputs is None else Linear(members, width, outputs, copies)

    def forward(self, x: Tensor) -> Tensor:
        members = x.shape[0]
        x = self.first(x[:, None].expand(-1, self.copies, -1, -1).flatten(0, 1))
        for block in self.blocks:
            x = block(x)
        x = self.norm(x)
        if self.last is not None:
            # Values and means are not rounded to the few digits of operands, nor is what is made of them.
            with unrounded(x.device):
                x = self.last(x.to(self.last.weight.dtype))
        return x.view(members, self.copies, *x.shape[1:])

    def reset(self, members: Rows, rng: CounterRng) -> None:
        """Fresh parameters for members."""
        self.first.reset_orthogonal(members, rng, self.purpose, 0)
        for number, block in enumerate(self.blocks):
            if isinstance(block, Residual):
                block.reset(members, rng, self.purpose, 1000 + 2 * number)
        self.norm.reset(members)
        if self.last is not None:
            self.last.reset_orthogonal(members, rng, self.purpose, 1)


class RunningNorm(nn.Module):
    """Observations less their running mean, over their running deviation: (members, M, numbers).

    As long as nothing was seen they stay as they are.
    """

    mean: Tensor
    square: Tensor
    count: Tensor

    def __init__(self, members: int, numbers: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(members, 1, numbers))
        self.register_buffer("square", torch.ones(members, 1, numbers))  # the variance
        self.register_buffer("count", torch.zeros(members, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / (self.square + 1e-8).sqrt()

    @torch.no_grad()
    def see(self, x: Tensor, active: Tensor) -> None:
        """Add a batch of the active members (members,) to the statistics (Chan et al. 1979)."""
        size = x.shape[1]
        total = self.count + size
        difference = x.mean(dim=1, keepdim=True) - self.mean
        spread = x.var(dim=1, keepdim=True, correction=0) * size + self.square * self.count
        spread = spread + difference.square() * self.count * size / total
        mask = active[:, None, None]
        self.square.copy_(torch.where(mask, spread / total, self.square))
        self.mean.copy_(torch.where(mask, self.mean + difference * size / total, self.mean))
        self.count.copy_(torch.where(mask, total, self.count))

    @torch.no_grad()
    def reset(self, members: Rows) -> None:
        """As it begins."""
        self.mean[members], self.square[members], self.count[members] = 0, 1, 0


class SimbaEncoder(Encoder):
    """Normalised observations (members, M, numbers) through a linear layer, a block and a norm."""

    def __init__(self, members: int, observation: int, features: int) -> None:
        super().__init__()
        self.features = features
        self.seen = RunningNorm(members, observation)
        self.trunk = Trunk(members, observation, features, 1, Purpose.INIT_ENCODER)

    def forward(self, observation: Tensor) -> Tensor:
        return self.base(observation)

    def base(self, observation: Tensor) -> Tensor:
        """What actor and critics share: all of it."""
        features: Tensor = self.trunk(self.seen(observation))[:, 0]
        return features

    def head(self, base: Tensor) -> Tensor:
        """The features, from what `base` gave."""
        return base

    def head_for_actor(self) -> None:
        """The actor needs none of its own."""

    def reset(self, members: Rows, rng: CounterRng) -> None:
        """Fresh parameters for members."""
        self.seen.reset(members)
        self.trunk.reset(members, rng)


class SimbaStack(SacStack):
    """SAC as an `Agent`, with these networks."""

    settings: SimbaSettings
    encoder: SimbaEncoder
    target_encoder: SimbaEncoder

    def _new_encoder(self) -> Encoder:
        return SimbaEncoder(self.members, self.observations.shape[0], self.settings.features)

    def _new_actor(self, encoder: Encoder) -> Actor:
        settings = self.settings
        sizes = encoder.features, settings.actor_hidden, settings.actor_blocks, Purpose.INIT_ACTOR
        trunk = Trunk(self.members, *sizes, 2 * self.action_size)
        sizes_of = self.members, encoder.features, self.action_size, settings.actor_hidden
        return Actor(*sizes_of, settings.log_std_range, trunk=trunk)

    def _new_critic(self) -> TwinCritic:
        settings = self.settings
        sizes = settings.hidden, settings.blocks, Purpose.INIT_CRITIC
        features, action = self.encoder.features, self.action_size
        trunk = Trunk(self.members, features + action, *sizes, outputs=1, copies=2)
        return TwinCritic(self.members, features, action, settings.hidden, trunk)

    def _update_critic(self, batch: Transitions) -> None:
        """Statistics first: all that follows in an update sees observations by the same ones."""
        self.encoder.seen.see(batch.observation, self.active)
        for mine, its in zip(self.target_encoder.buffers(), self.encoder.buffers(), strict=True):
            mine.copy_(its)
        super()._update_critic(batch)

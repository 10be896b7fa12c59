"""A plain SAC agent out of ordinary modules, one member alone: what the stacked learner is compared with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.distributions import Normal, TanhTransform, TransformedDistribution

from a2ls_dsl.backend.module import CompiledLoss, compile_loss
from a2ls_dsl.backend.window import Spaces, Window
from a2ls_dsl.rl.networks.layers import Linear
from a2ls_dsl.rl.replay.buffer import Transitions
from a2ls_dsl.rl.replay.observations import Observations
from a2ls_dsl.rl.sac.stack import SacStack

OBSERVATION, ACTION, HIDDEN = 5, 2, 16
VECTORS = Observations((OBSERVATION,))


def mlp(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, outputs)
    )


class PlainEncoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(OBSERVATION, 40)
        self.out = nn.Linear(OBSERVATION + 40, OBSERVATION + 40)
        self.norm = nn.LayerNorm(OBSERVATION + 40)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.out(torch.cat([x, torch.relu(self.hidden(x))], dim=1)))


class PlainSac:
    """One agent, as Haarnoja et al. 2018 and the release of He et al. 2022 describe it.

    release: what else that code does on vectors. The actor has an encoder of its own, behind whose hidden
    layer its gradient stops; and two Adams step the encoder on the gradient of the auxiliary loss.
    """

    def __init__(self, stack: SacStack, release: bool = False) -> None:
        features = OBSERVATION + 40
        self.actor_encoder = PlainEncoder().double() if release else None
        self.encoder, self.target_encoder = PlainEncoder(), PlainEncoder()
        self.actor = mlp(features, 2 * ACTION)
        self.critics, self.target_critics = (
            nn.ModuleList(mlp(features + ACTION, 1) for _ in range(2)) for _ in range(2)
        )
        self.log_alpha = nn.Parameter(torch.zeros(1))
        self.loss: CompiledLoss | None = None
        if stack.losses[0] is not None:
            self.loss = compile_loss(stack.losses[0], Spaces(OBSERVATION, ACTION, features)).double()
            self.loss.load_state_dict(stack.auxiliary.member_state(0))
        for module in (self.encoder, self.target_encoder, self.actor, self.critics, self.target_critics):
            module.double()
        self.log_alpha.data = stack.log_temperature.detach().clone()
        for ours, theirs in self.pairs(stack):
            ours.data.copy_(theirs)
        trained = [*self.encoder.parameters(), *self.critics.parameters()]
        self.critic_adam = torch.optim.Adam(trained, lr=1e-3)
        own = [] if self.actor_encoder is None else list(self.actor_encoder.parameters())
        self.actor_adam = torch.optim.Adam([*own, *self.actor.parameters()], lr=1e-3)
        self.alpha_adam = torch.optim.Adam([self.log_alpha], lr=1e-4, betas=(0.5, 0.999))
        if self.loss is not None:
            adams = [torch.optim.Adam([*self.encoder.parameters(), *self.loss.parameters()], lr=1e-3)]
            if release:
                adams.insert(0, torch.optim.Adam(self.encoder.parameters(), lr=1e-3))
            self.loss_adams = adams

    def pairs(self, stack: SacStack) -> Iterator[tuple[Tensor, Tensor]]:
        """Our parameters with those of the stack's first member."""
        encoders = [(self.encoder, stack.encoder), (self.target_encoder, stack.target_encoder)]
        if self.actor_encoder is not None:
            encoders.append((self.actor_encoder, stack.actor.head.encoder))
        for ours, theirs in encoders:
            yield from linear_pairs([ours.hidden, ours.out], [theirs.hidden, theirs.out], 0)
            yield ours.norm.weight, theirs.norm.weight.detach()[0, 0]
            yield ours.norm.bias, theirs.norm.bias.detach()[0, 0]
        yield from linear_pairs(self.actor[::2], stack.actor.trunk.layers, 0)
        for copy in range(2):
            yield from linear_pairs(self.critics[copy][::2], stack.critic.trunk.layers, copy)
            yield from linear_pairs(self.target_critics[copy][::2], stack.target_critic.trunk.layers, copy)
        yield self.log_alpha, stack.log_temperature.detach()

    def seen_by_actor(self, observation: Tensor) -> Tensor:
        if self.actor_encoder is None:
            return self.encoder(observation).detach()
        hidden = torch.relu(self.actor_encoder.hidden(observation)).detach()
        return self.actor_encoder.norm(self.actor_encoder.out(torch.cat([observation, hidden], dim=1)))

    def policy(self, features: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        mean, raw = self.actor(features).chunk(2, dim=1)
        std = torch.exp(-10 + 6 * (torch.tanh(raw) + 1))
        squash = TanhTransform(cache_size=1)
        action = squash(mean + std * noise)
        density = TransformedDistribution(Normal(mean, std), [squash]).log_prob(action).sum(dim=1)
        # The release's guard under the logarithm.
        return action, density - torch.log1p(1e-6 / (1 - action**2)).sum(dim=1)

    def update(
        self, number: int, batch: Transitions, next_noise: Tensor, noise: Tensor, window: Window
    ) -> None:
        reward, terminated = batch.reward[0], batch.terminated[0]
        alpha = self.log_alpha.exp().detach()
        with torch.no_grad():
            action, density = self.policy(self.seen_by_actor(batch.next_observation[0]), next_noise)
            x = torch.cat([self.target_encoder(batch.next_observation[0]), action], dim=1)
            q = torch.minimum(*(critic(x)[:, 0] for critic in self.target_critics))
            goal = reward + 0.99 * (1 - terminated) * (q - alpha * density)
        x = torch.cat([self.encoder(batch.observation[0]), batch.action[0]], dim=1)
        step(self.critic_adam, loss=sum(((critic(x)[:, 0] - goal) ** 2).mean() for critic in self.critics))
        if number % 2 == 0:
            action, density = self.policy(self.seen_by_actor(batch.observation[0]), noise)
            x = torch.cat([self.encoder(batch.observation[0]).detach(), action], dim=1)
            q = torch.minimum(*(critic(x)[:, 0] for critic in self.critics))
            step(self.actor_adam, loss=(alpha * density - q).mean())
            step(self.alpha_adam, loss=(self.log_alpha.exp() * (-density.detach() + ACTION)).mean())
            for online, target, tau in (
                (self.critics, self.target_critics, 0.01),
                (self.encoder, self.target_encoder, 0.05),
            ):
                for new, old in zip(online.parameters(), target.parameters(), strict=True):
                    old.data = tau * new.data + (1 - tau) * old.data
        if self.loss is not None:
            step(*self.loss_adams, loss=self.loss(self.encoder, self.target_encoder, window))


def linear_pairs(
    ours: Sequence[nn.Module], theirs: Sequence[Linear], copy: int
) -> Iterator[tuple[Tensor, Tensor]]:
    for plain, stacked in zip(ours, theirs, strict=True):
        yield plain.weight, stacked.weight.detach()[0, copy].T
        yield plain.bias, stacked.bias.detach()[0, copy, 0]


def step(*adams: torch.optim.Adam, loss: Tensor) -> None:
    for adam in adams:
        adam.zero_grad()
    loss.backward()
    for adam in adams:
        adam.step()

"""Soft actor-critic with an auxiliary loss, for a whole stack of members at once.

One member is a stack of one; there is no other learner. SAC as in Haarnoja et al. 2018 with a learned
temperature, encoder shared between actor and critics, trained by the critic and by the auxiliary loss, never
by the actor. Members never touch each other: parameters have a leading slot axis, the losses of all members
are summed before one backward pass, and random numbers come from each member's own streams.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from a2ls_dsl.backend.counter_rng import CounterRng, Purpose
from a2ls_dsl.backend.stacked import Capacity, StackedLoss
from a2ls_dsl.backend.window import Spaces
from a2ls_dsl.lang.ast import Loss
from a2ls_dsl.rl.networks import Actor, TwinCritic, make_encoder
from a2ls_dsl.rl.observations import Observations
from a2ls_dsl.rl.replay import Replay, Transitions
from a2ls_dsl.rl.settings import SacSettings

METRICS = ("critic_loss", "actor_loss", "temperature", "entropy", "auxiliary_loss", "mean_value")


class SacStack(nn.Module):
    """N members, each with a loss (None: plain SAC) and a seed of its own.

    action: size of an action. A member's numbers depend on its loss, its seed and the settings, not on its
    neighbours. On frames actor and critics share the convolutions, and each has a head of its own.
    """

    updates: Tensor
    metrics: Tensor

    def __init__(
        self,
        losses: Sequence[Loss | None],
        seeds: Sequence[int],
        observations: Observations,
        action: int,
        settings: SacSettings,
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__()
        members = len(losses)
        self.settings, self.action_size, self.losses = settings, action, tuple(losses)
        self.encoder = make_encoder(members, observations)
        features = self.encoder.features
        head = self.encoder.head_for_actor()
        self.actor = Actor(members, features, action, settings.hidden, settings.log_std_range, head)
        self.critic = TwinCritic(members, features, action, settings.hidden)
        self.target_encoder = make_encoder(members, observations)
        self.target_critic = TwinCritic(members, features, action, settings.hidden)
        self.log_temperature = nn.Parameter(torch.zeros(members))
        spaces = Spaces(math.prod(observations.seen), action, features)
        self.auxiliary = StackedLoss(members, spaces, Capacity.of(losses))
        self.ticks = 0  # the updates of the stack, on the host: which of every two updates this is
        self.register_buffer("updates", torch.zeros(members, dtype=torch.int64))
        self.register_buffer("metrics", torch.zeros(2, len(METRICS), members))  # sums and their counts
        self.rng = CounterRng(torch.tensor(list(seeds), dtype=torch.int64))
        for member, loss in enumerate(losses):
            self._reset(member, loss)
        self.to(device)
        self.rng.seeds = self.rng.seeds.to(device)
        self.optimizers = self._make_optimizers()

    @property
    def members(self) -> int:
        return len(self.losses)

    @property
    def horizon(self) -> Tensor:
        """(members,) horizons of the losses, as `Replay` wants them."""
        return self.auxiliary.tables.horizon

    @torch.no_grad()
    def act(self, observation: Tensor, counter: int | Tensor | None = None) -> Tensor:
        """Actions (members, action) for (members, ...): sampled for step `counter`, the mean for None."""
        base = self.encoder.base(observation[:, None])
        if counter is None:
            return self.actor.mean(base)[:, 0]
        noise = self.rng.normal(Purpose.ACTION, counter, self.action_size)[:, None]
        action: Tensor = self.actor(base, noise)[0]
        return action[:, 0]

    def random_action(self, counter: int | Tensor) -> Tensor:
        """Uniform actions (members, action) for step `counter`."""
        return 2 * self.rng.uniform(Purpose.ACTION, counter, self.action_size) - 1

    def update(self, replay: Replay) -> None:
        """One gradient update of every member, in the order of the release (He et al. 2022)."""
        number = self.ticks
        batch = replay.sample_steps(self.rng, self.updates, self.settings.batch_size)
        self._update_critic(batch)
        if number % self.settings.actor_update_every == 0:
            self._update_actor(batch.observation)
        if number % self.settings.target_update_every == 0:
            self._update_targets()
        if self.auxiliary.capacity.kinds and number % self.settings.auxiliary_update_every == 0:
            self._update_auxiliary(replay)
        self.updates += 1
        self.ticks += 1

    def finite(self) -> Tensor:
        """(members,) booleans: whether all that a member's policy consists of is finite."""
        networks = (self.encoder, self.actor)
        parameters = [each for network in networks for each in network.parameters()]
        return torch.stack([each.flatten(1).isfinite().all(dim=1) for each in parameters]).all(dim=0)

    def pop_metrics(self) -> dict[str, list[float]]:
        """Means since the last call, by name, one number a member; NaN for what wasn't computed."""
        sums, counts = self.metrics
        means = (sums / counts).tolist()
        self.metrics.zero_()
        return dict(zip(METRICS, means, strict=True))

    def _update_critic(self, batch: Transitions) -> None:
        """Clipped double Q-learning with entropy; trains critics and encoder."""
        with torch.no_grad():
            next_base = self.encoder.base(batch.next_observation)
            action, log_density = self.actor(next_base, self._noise(Purpose.NEXT_ACTION))
            targets = self.target_critic(self.target_encoder(batch.next_observation), action)
            value = targets.min(dim=1).values - self._temperature()[:, None] * log_density
            goal = batch.reward + self.settings.discount * (1 - batch.terminated) * value
        values = self.critic(self.encoder(batch.observation), batch.action)
        losses = (values - goal[:, None]).square().mean(dim=2).sum(dim=1)
        self._step("critic", losses)
        self._record("critic_loss", losses)
        self._record("mean_value", values.mean(dim=(1, 2)))

    def _update_actor(self, observation: Tensor) -> None:
        """Policy and temperature; the gradient stops behind the encoder, which stays."""
        with torch.no_grad():
            base = self.encoder.base(observation)
            features = self.encoder.head(base)
        action, log_density = self.actor(base, self._noise(Purpose.POLICY))
        values = self.critic(features, action).min(dim=1).values
        temperature = self._temperature()
        losses = (temperature[:, None] * log_density - values).mean(dim=1)
        self._step("actor", losses)
        entropy = -log_density.detach().mean(dim=1)
        self._step("temperature", self.log_temperature.exp() * (entropy + self.action_size))
        self._record("actor_loss", losses)
        self._record("entropy", entropy)
        self._record("temperature", temperature)

    @torch.no_grad()
    def _update_targets(self) -> None:
        """The exponential moving averages: target critic and target encoder follow their originals."""
        for online, target, tau in (
            (self.critic, self.target_critic, self.settings.critic_tau),
            (self.encoder, self.target_encoder, self.settings.encoder_tau),
        ):
            torch._foreach_lerp_(list(target.parameters()), list(online.parameters()), tau)

    def _update_auxiliary(self, replay: Replay) -> None:
        """The auxiliary loss on windows of its own; trains the encoder and the loss' predictors."""
        capacity, batch = self.auxiliary.capacity, self.settings.batch_size
        window = replay.sample_windows(self.rng, self.updates, batch, capacity.horizon + 1, capacity.views)
        losses = self.auxiliary(self.encoder, self.target_encoder, window)
        self._step("auxiliary", self.settings.auxiliary_weight * losses)
        self._record("auxiliary_loss", losses)

    def _step(self, name: str, losses: Tensor) -> None:
        """One optimizer step on the members' summed losses, for that optimizer's parameters alone."""
        optimizer = self.optimizers[name]
        parameters = [each for group in optimizer.param_groups for each in group["params"]]
        gradients = torch.autograd.grad(losses.sum(), parameters)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        optimizer.step()

    def _make_optimizers(self) -> dict[str, torch.optim.Adam]:
        rate = self.settings.learning_rate

        def adam(parameters: Sequence[nn.Parameter], **kwargs: object) -> torch.optim.Adam:
            return torch.optim.Adam(parameters, fused=True, **{"lr": rate, **kwargs})  # type: ignore[arg-type]

        encoder = list(self.encoder.parameters())
        betas = (self.settings.temperature_beta1, 0.999)
        return {
            "critic": adam([*encoder, *self.critic.parameters()]),
            "actor": adam(list(self.actor.parameters())),
            "temperature": adam(
                [self.log_temperature], lr=self.settings.temperature_learning_rate, betas=betas
            ),
            "auxiliary": adam([*encoder, *self.auxiliary.parameters()]),
        }

    @torch.no_grad()
    def _reset(self, member: int, loss: Loss | None) -> None:
        """Fresh parameters for a member, drawn from its own streams."""
        rng = self.rng.member(member)
        for network in (self.encoder, self.actor, self.critic):
            network.reset(member, rng)
        for online, target in ((self.encoder, self.target_encoder), (self.critic, self.target_critic)):
            for source, copy in zip(online.parameters(), target.parameters(), strict=True):
                copy[member] = source[member]
        self.log_temperature[member] = float(torch.tensor(self.settings.initial_temperature).log())
        self.auxiliary.reset(member, loss, rng)

    def _temperature(self) -> Tensor:
        return self.log_temperature.detach().exp()

    def _noise(self, purpose: Purpose) -> Tensor:
        """Standard normal numbers (members, batch, action) for this update."""
        shape = (self.settings.batch_size, self.action_size)
        noise = self.rng.normal(purpose, self.updates, shape[0] * shape[1]).view(-1, *shape)
        return noise.to(self.log_temperature.dtype)

    def _record(self, name: str, values: Tensor) -> None:
        index = METRICS.index(name)
        self.metrics[0, index] += values.detach()
        self.metrics[1, index] += 1

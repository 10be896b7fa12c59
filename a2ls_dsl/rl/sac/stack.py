"""Soft actor-critic with an auxiliary loss, for a whole stack of members at once.

SAC as in Haarnoja et al. 2018 with a learned temperature, encoder shared between actor and critics, trained
by the critic and by the auxiliary loss, never by the actor.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from a2ls_dsl.backend.counter_rng import Purpose
from a2ls_dsl.backend.window import StackWindow
from a2ls_dsl.rl.agent import Parts, SplitAgent
from a2ls_dsl.rl.compute.adam import StackedAdam
from a2ls_dsl.rl.networks.encoders import Encoder, make_encoder
from a2ls_dsl.rl.networks.members import called, copy_members, follow, of_members
from a2ls_dsl.rl.replay.buffer import Replay, Transitions
from a2ls_dsl.rl.sac.networks import Actor, TwinCritic
from a2ls_dsl.rl.settings import ENCODER_GRADIENTS, SacSettings


class SacStack(SplitAgent):
    """SAC as an `Agent`; action: size of an action.

    On frames actor and critics share the convolutions, and each has a head of its own.
    """

    ACTING = ("encoder", "actor")
    METRICS = (
        "critic_loss",
        "actor_loss",
        "temperature",
        "entropy",
        "auxiliary_loss",
        "mean_value",
        "auxiliary_skipped",
    )

    FUSED = ("critic", "actor", "auxiliary")
    settings: SacSettings

    def _make_networks(self) -> int:
        self.encoder, self.target_encoder = self._new_encoder(), self._new_encoder()
        self.actor = self._new_actor(self.encoder)
        self.critic, self.target_critic = self._new_critic(), self._new_critic()
        # The policies as they were when `freeze` was called, for an evaluation beside the training.
        self.frozen_encoder = self._new_encoder()
        self.frozen_actor = self._new_actor(self.frozen_encoder)
        self.log_temperature = nn.Parameter(torch.zeros(self.members))
        return self.encoder.features

    def _new_encoder(self) -> Encoder:
        shared = self.settings.actor_encoder == "shared"
        return make_encoder(self.members, self.observations, shared=shared)

    def _new_actor(self, encoder: Encoder) -> Actor:
        sizes = self.members, encoder.features, self.action_size, self.settings.hidden
        return Actor(*sizes, self.settings.log_std_range, encoder.head_for_actor())

    def _new_critic(self) -> TwinCritic:
        return TwinCritic(self.members, self.encoder.features, self.action_size, self.settings.hidden)

    def make_replay(self, rows: int) -> Replay:
        """See `Agent.make_replay`."""
        return Replay(self.horizon, rows, self.observations, self.action_size).to(self.device)

    @torch.no_grad()
    def act(self, observation: Tensor, counter: int | Tensor) -> Tensor:
        """Actions (members, action) for observations (members, ...), sampled for step `counter`."""
        with self.arithmetic():
            base = self.encoder.base(observation[:, None])
            noise = self.rng.normal(Purpose.ACTION, counter, self.action_size)[:, None]
            action: Tensor = self.actor(base, noise)[0]
            return action[:, 0]

    @torch.no_grad()
    def act_frozen(self, observation: Tensor, counter: int | Tensor = 0) -> Tensor:
        """The mean actions (members, action) of the frozen policies for (members, ...)."""
        with self.arithmetic():
            return self.greedy(observation[:, None])[:, 0]

    def greedy(self, observation: Tensor) -> Tensor:
        """See `Agent.greedy`: the means of the policies."""
        return self.frozen_actor.mean(self.frozen_encoder.base(observation))

    def random_action(self, counter: int | Tensor) -> Tensor:
        """Uniform actions (members, action) for step `counter`."""
        return 2 * self.rng.uniform(Purpose.ACTION, counter, self.action_size) - 1

    @property
    def steps(self) -> Tensor:
        """See `Agent.steps`."""
        return self.settings.random_steps + self.updates // self.settings.updates_per_step

    def estimates(self, latents: Tensor, observations: Tensor, members: Tensor | None = None) -> Tensor:
        """The least of the target critics for the latents, at the policy's mean action."""
        networks = _Estimates(self.encoder, self.actor, self.target_critic)
        return called(networks, (latents, observations), members)

    @property
    def parts_due(self) -> Parts:
        """Whether actor, target networks and auxiliary loss take part in the next update."""
        settings = self.settings
        return (
            self.ticks % settings.actor_update_every == 0,
            self.ticks % settings.target_update_every == 0,
            self.has_losses and self.ticks % settings.auxiliary_update_every == 0,
        )

    def run_update(self, parts: Parts, replay: Replay) -> None:
        """The computation of an update, in the order of the release (He et al. 2022).

        See `Agent.run_update`.
        """
        actor, targets, auxiliary = parts
        with self.arithmetic():
            self._draw_together(self._wanted(replay, actor, auxiliary))
            batch = replay.sample_steps(self._numbers, self.updates, self.settings.batch_size)
            self._update_critic(batch)
            if actor:
                self._update_actor(batch.observation)
            if targets:
                self._update_targets()
            if auxiliary:
                self._update_auxiliary(replay)
            self._updated()

    def _wanted(self, replay: Replay, actor: bool, auxiliary: bool) -> list[tuple[Purpose, int]]:
        """The random numbers that all updates take, by purpose."""
        batch = self.settings.batch_size
        wanted = [(Purpose.NEXT_ACTION, batch * self.action_size)]
        if actor:
            wanted.append((Purpose.POLICY, batch * self.action_size))
        return wanted + replay.wanted(batch, *self.auxiliary.capacity.windows if auxiliary else ())

    def _update_critic(self, batch: Transitions) -> None:
        """Clipped double Q-learning with entropy; trains critics and encoder."""
        noise = self._noise(Purpose.NEXT_ACTION)
        losses, values = self._fusible["critic"](self, *vars(batch).values(), noise)
        self._step("critic", losses)
        self._record("critic_loss", losses)
        self._record("mean_value", values)

    def _critic_losses(
        self,
        observation: Tensor,
        action: Tensor,
        reward: Tensor,
        terminated: Tensor,
        next_observation: Tensor,
        noise: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """The critics' losses and mean values, both (members,)."""
        with torch.no_grad():
            next_base = self.encoder.base(next_observation)
            next_action, log_density = self.actor(next_base, noise)
            targets = self.target_critic(self.target_encoder(next_observation), next_action)
            value = targets.min(dim=1).values - self._temperature()[:, None] * log_density
            goal = reward + self.settings.discount * (1 - terminated) * value
        with torch.set_grad_enabled(self.settings.encoder_gradient == ENCODER_GRADIENTS[0]):
            features = self.encoder(observation)
        values = self.critic(features, action)
        losses = (values - goal[:, None]).square().mean(dim=2).sum(dim=1)
        return losses, values.mean(dim=(1, 2))

    def _update_actor(self, observation: Tensor) -> None:
        """Policy and temperature; the gradient stops behind the encoder, which stays."""
        losses, entropy = self._fusible["actor"](self, observation, self._noise(Purpose.POLICY))
        entropy, temperature = entropy.detach(), self._temperature()
        self._step("actor", losses)
        self._step("temperature", self.log_temperature.exp() * (entropy + self._target))
        self._record("actor_loss", losses)
        self._record("entropy", entropy)
        self._record("temperature", temperature)

    def _actor_losses(self, observation: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """The policies' losses and entropies, both (members,)."""
        with torch.no_grad():
            base = self.encoder.base(observation)
            features = self.encoder.head(base)
        action, log_density = self.actor(base, noise)
        values = self.critic(features, action).min(dim=1).values
        losses = (self._temperature()[:, None] * log_density - values).mean(dim=1)
        return losses, -log_density.mean(dim=1)

    def _update_targets(self) -> None:
        """Target critic and target encoder follow their originals."""
        follow(self.critic, self.target_critic, self.settings.critic_tau, self.active)
        follow(self.encoder, self.target_encoder, self.settings.encoder_tau, self.active)

    def run_apart(self, replay: Replay) -> None:
        """See `Agent.run_apart`."""
        with self.arithmetic():
            self.updates -= self.active.to(self.updates)  # the numbers of the update before
            self._update_auxiliary(replay, apart=True)
            self._updated()

    def _update_auxiliary(self, replay: Replay, apart: bool = False) -> None:
        """The auxiliary loss on windows of its own; trains the encoder and the loss' predictors.

        Members that have no window yet take no step. apart: see `Agent.split`.
        """
        losses, able = self._losses_of_windows(
            replay, self.settings.batch_size, self.encoder, self.target_encoder, apart
        )
        gradients = self._step("auxiliary", self.settings.auxiliary_weight * losses, able)
        if again := self.optimizers.get("auxiliary_encoder"):
            again.descend(gradients[: len(again.trained)], able)

    def _auxiliary_losses(self, window: StackWindow) -> Tensor:
        """The auxiliary losses of He et al. 2022, (members,)."""
        encode, encode_target = of_members(self.encoder), of_members(self.target_encoder)
        return self.auxiliary.of_paper(encode, encode_target, window)

    def _step(self, name: str, losses: Tensor, among: Tensor | None = None) -> Sequence[Tensor]:
        """A step of an optimizer for the active members, or those of a mask, down their losses' gradient.

        Gives the gradients of these.
        """
        able = self.active if among is None else among
        return self.optimizers[name].step(torch.where(able, losses, 0.0), able)

    def _make_optimizers(self) -> dict[str, StackedAdam]:
        encoder = list(self.encoder.parameters())
        rate, slow = self.settings.learning_rate, self.settings.temperature_learning_rate
        betas, decay = (self.settings.temperature_beta1, 0.999), self.settings.weight_decay
        shared = encoder if self.settings.encoder_gradient == ENCODER_GRADIENTS[0] else []
        optimizers = {
            "critic": StackedAdam([*shared, *self.critic.parameters()], rate, decay=decay),
            "actor": StackedAdam(self.actor.parameters(), rate, decay=decay),
            "temperature": StackedAdam([self.log_temperature], slow, betas),
            "auxiliary": StackedAdam(
                [*encoder, *self.auxiliary.parameters()],
                rate,
                owners=[*(None for _ in encoder), *self.auxiliary.owners()],
            ),
        }
        if self.settings.auxiliary_encoder_steps == 2:
            optimizers["auxiliary_encoder"] = StackedAdam(encoder, rate)
        return optimizers

    @torch.no_grad()
    def _initialise(self, members: slice) -> None:
        """See `Agent._initialise`."""
        rng = self.rng.of(members)
        for network in (self.encoder, self.actor, self.critic):
            network.reset(members, rng)
        for online, target in ((self.encoder, self.target_encoder), (self.critic, self.target_critic)):
            copy_members(online, target, members)
        self.log_temperature[members] = float(torch.tensor(self.settings.initial_temperature).log())

    @property
    def _target(self) -> float:
        """Minus the entropy that policies are held at."""
        return self.settings.target_entropy * self.action_size

    def _temperature(self) -> Tensor:
        return self.log_temperature.detach().exp()

    def _noise(self, purpose: Purpose) -> Tensor:
        """Standard normal numbers (members, batch, action) for this update."""
        shape = (self.settings.batch_size, self.action_size)
        noise = self._numbers.normal(purpose, self.updates, shape[0] * shape[1]).view(-1, *shape)
        return noise.to(self.log_temperature.dtype)


class _Estimates(nn.Module):
    """What `SacStack.estimates` computes."""

    def __init__(self, encoder: Encoder, actor: Actor, critic: TwinCritic) -> None:
        super().__init__()
        self.encoder, self.actor, self.critic = encoder, actor, critic

    def forward(self, latents: Tensor, observations: Tensor) -> Tensor:
        action = self.actor.mean(self.encoder.base(observations))
        values: Tensor = self.critic(latents.to(action.dtype), action)
        return values.min(dim=1).values

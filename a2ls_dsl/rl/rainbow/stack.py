"""Rainbow with an auxiliary loss, for a whole stack of members at once.

Double Q-learning on distributions of values with returns over several steps, duelling heads, noisy layers and
prioritised replay (Hessel et al. 2018, arXiv 1710.02298), as small as in van Hasselt et al. 2019. The
auxiliary loss is added to the loss of the values, as in CURL and SPR: one gradient, cut to a length, one step
of Adam. Its target encoder is a moving average, the target network of the values a copy made now and then.
Priorities are those of the values' loss alone, a cross-entropy; SPR's code has the KL divergence.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from a2ls_dsl.backend.counter_rng import Purpose
from a2ls_dsl.backend.window import StackWindow
from a2ls_dsl.rl.agent import Agent, Parts
from a2ls_dsl.rl.compute.adam import StackedAdam
from a2ls_dsl.rl.networks.members import called, copy_members, follow, of_members
from a2ls_dsl.rl.rainbow.descent import Descent, descend
from a2ls_dsl.rl.rainbow.distribution import project, support
from a2ls_dsl.rl.rainbow.networks import (
    ActionValues,
    FrameEncoder,
    Logits,
    VectorEncoder,
    make_encoder,
    of_action,
    shaped,
)
from a2ls_dsl.rl.rainbow.replay import Experience, PrioritisedReplay
from a2ls_dsl.rl.rainbow.settings import RainbowSettings
from a2ls_dsl.rl.replay.buffer import Replay


class RainbowStack(Agent):
    """Rainbow as an `Agent`; action: how many actions there are. Actions are one-hot vectors throughout."""

    ACTING = ("encoder", "values")
    METRICS = ("critic_loss", "auxiliary_loss", "mean_value", "gradient_norm", "auxiliary_skipped")

    FUSED = ("critic", "auxiliary")
    settings: RainbowSettings

    def _make_networks(self) -> int:
        def encoder() -> FrameEncoder | VectorEncoder:
            return make_encoder(self.members, self.observations, self.settings)

        def values() -> ActionValues:
            return ActionValues(self.members, self.encoder.width, self.action_size, self.settings)

        self.encoder, self.target_encoder, self.frozen_encoder = encoder(), encoder(), encoder()
        self.values, self.target_values, self.frozen_values = values(), values(), values()
        self.slow_encoder = encoder()  # the target encoder of the auxiliary losses
        self._started = [0] * self.members  # each member's first update, by the stack's count
        return self.encoder.features

    def make_replay(self, rows: int) -> PrioritisedReplay:
        """See `Agent.make_replay`."""
        replay = PrioritisedReplay(self.horizon, rows, self.observations, self.action_size, self.settings)
        return replay.to(self.device)

    @torch.no_grad()
    def act(self, observation: Tensor, counter: int | Tensor) -> Tensor:
        """The best action under fresh noise, or with the probability epsilon any."""
        with self.arithmetic():
            noise = self._noise(Purpose.ACTION_NOISE, counter)
            best = self._best(self.values(self.encoder.base(observation[:, None]), noise))
            return self._explored(best[:, 0], Purpose.ACTION, counter, self.settings.epsilon)

    @torch.no_grad()
    def act_frozen(self, observation: Tensor, counter: int | Tensor = 0) -> Tensor:
        """The best action of the frozen policies without noise, or with the evaluation's epsilon any."""
        with self.arithmetic():
            best = self._frozen_best(observation[:, None])
            epsilon = self.settings.evaluation_epsilon
            return self._explored(best[:, 0], Purpose.EVALUATION_ACTION, counter, epsilon)

    def greedy(self, observation: Tensor) -> Tensor:
        """See `Agent.greedy`: without noise."""
        return self._one_hot(self._frozen_best(observation))

    def random_action(self, counter: int | Tensor) -> Tensor:
        """See `Agent.random_action`."""
        return self._one_hot(self._any(Purpose.ACTION, counter)[:, 1])

    @property
    def steps(self) -> Tensor:
        """See `Agent.steps`."""
        return self.settings.steps(self.updates)

    def estimates(self, latents: Tensor, observations: Tensor, members: Tensor | None = None) -> Tensor:
        """The target network's value of the best action, of the observations themselves."""
        networks = Logits(self.target_encoder, self.target_values)
        logits = called(networks, (observations,), members)
        return self._expected(logits).max(dim=-1).values

    @property
    def parts_due(self) -> Parts:
        """Whether some member's target copy and the auxiliary loss take part in the next update."""
        done, settings = self.ticks + 1, self.settings
        return (
            any(settings.steps(done - started) % settings.target_period == 0 for started in self._started),
            self.has_losses and self.ticks % self.settings.auxiliary_update_every == 0,
        )

    def run_update(self, parts: Parts, replay: Replay) -> None:
        """See `Agent.run_update`."""
        copy, auxiliary = parts
        if not isinstance(replay, PrioritisedReplay):
            raise TypeError("Rainbow learns from a prioritised replay")
        with self.arithmetic():
            self._draw_together(self._wanted(replay, auxiliary))
            batch = replay.sample(self._numbers, self.updates, self.settings.batch_size)
            errors, values = self._errors(batch)
            losses = (self._importance(batch.priority) * errors).mean(dim=1)
            self._record("critic_loss", errors.mean(dim=1))
            self._record("mean_value", values)
            self._descend(losses, *self._auxiliary(replay) if auxiliary else ())
            replay.reprioritise(batch.row, errors, self.active)
            self._updated()
            if auxiliary:
                follow(self.encoder, self.slow_encoder, self.settings.encoder_tau, self.active)
            if copy:
                self._copy_targets()

    def _wanted(self, replay: Replay, auxiliary: bool) -> list[tuple[Purpose, int]]:
        """The random numbers that all updates take, by purpose."""
        wanted = replay.wanted(
            self.settings.batch_size, *self.auxiliary.capacity.windows if auxiliary else ()
        )
        if self.settings.noisy:
            wanted += [(Purpose.NOISE, self.values.noise), (Purpose.TARGET_NOISE, self.values.noise)]
        return wanted

    @torch.no_grad()
    def activate(self, member: int) -> None:
        """See `Agent.activate`."""
        super().activate(member)
        self._started[member] = self.ticks

    def resume(self, ticks: int) -> None:
        """See `Agent.resume`."""
        super().resume(ticks)
        self._started = [ticks - count for count in self.updates.tolist()]

    def _errors(self, batch: Experience) -> tuple[Tensor, Tensor]:
        """The values' losses (members, B) and mean values (members,)."""
        noise = self._noise(Purpose.NOISE, self.updates)
        target_noise = self._noise(Purpose.TARGET_NOISE, self.updates)
        given = batch.observation, batch.action, batch.reward, batch.discount, batch.next_observation
        errors, values = self._fusible["critic"](self, *given, noise, target_noise)
        return errors, values

    def _critic_losses(
        self,
        observation: Tensor,
        action: Tensor,
        reward: Tensor,
        discount: Tensor,
        next_observation: Tensor,
        noise: Tensor | None,
        target_noise: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        """See `_errors`. As in CURL's code one draw of the noise serves both calls of the online network."""
        settings = self.settings
        with torch.no_grad():
            later = self.target_values(self.target_encoder.base(next_observation), target_noise)
            chooser = self.values(self.encoder.base(next_observation), noise) if settings.double else later
            later = of_action(later, self._one_hot(self._best(chooser)))
            if settings.distributional:
                goal = project(later.softmax(dim=-1), reward, discount, settings.value_range)
            else:
                goal = reward + discount * later[..., 0]
        logits = of_action(self.values(self.encoder.base(observation), noise), action)
        if not settings.distributional:
            value = logits[..., 0]
            return F.smooth_l1_loss(value, goal, reduction="none"), value.mean(dim=1)
        errors = -(goal * logits.log_softmax(dim=-1)).sum(dim=-1)
        return errors, self._expected(logits).mean(dim=1)

    def _auxiliary(self, replay: Replay) -> tuple[Tensor, Tensor]:
        """The weighted auxiliary losses (members,) on windows of their own, and which members have some."""
        losses, able = self._losses_of_windows(
            replay, self.settings.batch_size, self.encoder, self.slow_encoder
        )
        return self.settings.auxiliary_weight * losses, able

    def _auxiliary_losses(self, window: StackWindow) -> Tensor:
        """The auxiliary losses of He et al. 2022, (members,)."""
        encode, encode_target = of_members(self.encoder), of_members(self.slow_encoder)
        return self.auxiliary.of_paper(encode, encode_target, window)

    def _importance(self, priority: Tensor) -> Tensor:
        """(members, B) weights that undo the bias of the draw, the more the later; the largest is 1."""
        settings = self.settings
        done = (self.updates.to(torch.float64) / settings.priority_updates).clamp(max=1)
        exponent = settings.priority_weight + (1 - settings.priority_weight) * done
        priority = priority.clamp(min=1e-300)  # of members that have nothing to learn from yet
        rarest = priority.min(dim=1, keepdim=True).values
        weights = (rarest / priority).pow(exponent[:, None])
        return weights.to(self.values.advantage.out.bias.dtype)

    def _descend(self, losses: Tensor, auxiliary: Tensor | None = None, able: Tensor | None = None) -> None:
        """One step of Adam down the gradient of all losses (members,); see `descend`."""
        steps = [Descent(self.optimizers["critic"], losses, self.active)]
        if auxiliary is not None and able is not None:
            steps.append(Descent(self.optimizers["auxiliary"], auxiliary, able))
        self._record("gradient_norm", descend(steps, self.settings.gradient_norm))

    @torch.no_grad()
    def _copy_targets(self) -> None:
        """Copy the values' network to the target network, in the members whose turn it is."""
        due = self.active & (self.steps % self.settings.target_period == 0)
        for online, target in ((self.encoder, self.target_encoder), (self.values, self.target_values)):
            for source, copy in zip(online.parameters(), target.parameters(), strict=True):
                copy.copy_(torch.where(due.view(-1, *[1] * (copy.dim() - 1)), source, copy))

    def _make_optimizers(self) -> dict[str, StackedAdam]:
        settings = self.settings
        online = [*self.encoder.parameters(), *self.values.parameters()]
        networks: dict[str, tuple[list[nn.Parameter], Sequence[Tensor | None]]] = {
            "critic": (online, [None] * len(online)),
            "auxiliary": (list(self.auxiliary.parameters()), self.auxiliary.owners()),
        }
        return {
            name: StackedAdam(
                parameters,
                settings.learning_rate,
                eps=settings.adam_eps,
                members=self.members,
                owners=owners,
            )
            for name, (parameters, owners) in networks.items()
        }

    @torch.no_grad()
    def _initialise(self, members: slice) -> None:
        """See `Agent._initialise`."""
        rng = self.rng.of(members)
        self.encoder.reset(members, rng)
        self.values.reset(members, rng)
        copy_members(self.encoder, self.target_encoder, members)
        copy_members(self.encoder, self.slow_encoder, members)
        copy_members(self.values, self.target_values, members)

    def _best(self, logits: Tensor) -> Tensor:
        """The actions (...) of the largest expected value; logits: (..., actions, atoms)."""
        return self._expected(logits).argmax(dim=-1)

    def _frozen_best(self, observation: Tensor) -> Tensor:
        """The best actions (members, M) of the frozen policies without noise."""
        return self._best(self.frozen_values(self.frozen_encoder.base(observation)))

    def _expected(self, logits: Tensor) -> Tensor:
        """The expected values (...) of logits (..., atoms)."""
        settings = self.settings
        if not settings.distributional:
            return logits[..., 0]
        return (logits.softmax(dim=-1) * support(settings.atoms, settings.value_range, logits)).sum(dim=-1)

    def _explored(self, best: Tensor, purpose: Purpose, counter: int | Tensor, epsilon: float) -> Tensor:
        """One-hot actions (members, action): the best, or with probability epsilon any."""
        if not epsilon:
            return self._one_hot(best)
        chance = self.rng.uniform(purpose, counter, 1)[:, 0]
        return self._one_hot(torch.where(chance < epsilon, self._any(purpose, counter)[:, 1], best))

    def _any(self, purpose: Purpose, counter: int | Tensor) -> Tensor:
        """(members, 2) uniform actions; the second is independent of `uniform`'s first number."""
        count = torch.full_like(self.rng.seeds, self.action_size)
        return self.rng.integers(purpose, counter, 2, count)

    def _one_hot(self, action: Tensor) -> Tensor:
        choices = torch.arange(self.action_size, device=action.device)
        return (action[..., None] == choices).to(self.values.advantage.out.bias.dtype)

    def _noise(self, purpose: Purpose, counter: int | Tensor) -> Tensor | None:
        """(members, numbers) for all noisy layers, or None without them."""
        if not self.settings.noisy:
            return None
        drawn = self._numbers.normal(purpose, counter, self.values.noise)
        return shaped(drawn).to(self.values.advantage.out.bias.dtype)

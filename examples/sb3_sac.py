"""Stable-Baselines3's SAC with an auxiliary loss that `a2l` wrote. Needs `pip install -e '.[examples]'`.

    a2l compile a2_winner_v -o examples/a2_winner_v.py
    python examples/sb3_sac.py

What the loss asks of an agent is marked below: (1) its parameters in an optimizer, beside the encoder's;
(2) windows of horizon + 1 steps, each inside one episode; (3) an encoder that the agent itself uses;
(4) a target encoder that follows it slowly. SB3's table shows the loss as `auxiliary_loss`.
"""

from __future__ import annotations

import argparse

import gymnasium
import numpy as np
import torch
from a2_winner_v import A2WinnerV
from gymnasium.spaces import Space
from stable_baselines3 import SAC
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.preprocessing import get_action_dim
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.type_aliases import Schedule
from stable_baselines3.sac.policies import SACPolicy
from torch import Tensor, nn

FEATURES, HIDDEN = 50, 128


class Encoder(BaseFeaturesExtractor):
    def __init__(self, observation_space: Space) -> None:
        super().__init__(observation_space, FEATURES)
        self.layers = nn.Sequential(
            nn.Linear(observation_space.shape[0], HIDDEN),
            nn.ReLU(),
            nn.Linear(HIDDEN, FEATURES),
            nn.LayerNorm(FEATURES),
        )

    def forward(self, observation: Tensor) -> Tensor:
        return self.layers(observation)


class ReadOnly(nn.Module):
    """An encoder that whoever calls it does not train."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    @torch.no_grad()
    def forward(self, observation: Tensor) -> Tensor:
        return self.encoder(observation)


class SharedEncoderPolicy(SACPolicy):
    """(3) The actor reads the critic's encoder.

    `share_features_extractor=True` shares it too, but lets the actor's loss train it and not the critic's.
    """

    def _build(self, lr_schedule: Schedule) -> None:
        super()._build(lr_schedule)
        self.actor.features_extractor = ReadOnly(self.critic.features_extractor)
        own = [p for name, p in self.actor.named_parameters() if not name.startswith("features_extractor")]
        self.actor.optimizer = self.optimizer_class(own, lr=lr_schedule(1), **self.optimizer_kwargs)


class WindowReplayBuffer(ReplayBuffer):
    """SB3's buffer, which also gives windows."""

    def windows(self, batch: int, steps: int) -> tuple[Tensor, Tensor, Tensor]:
        """(2) Observations, actions and rewards of consecutive steps of one episode, (batch, steps, ...).

        A step is `done` where its episode ended, by the task's rules or the time limit: none but a window's
        last step may be. Counting from the oldest row, no window reaches from the newest row into it.
        """
        oldest = self.pos if self.full else 0
        windows = self.size() - steps + 1
        chosen, missing = list[tuple[np.ndarray, np.ndarray]](), batch
        for _ in range(1000 if windows > 0 else 0):
            row = (oldest + np.random.randint(windows, size=(batch, 1)) + np.arange(steps)) % self.buffer_size
            env = np.random.randint(self.n_envs, size=(batch, 1))
            inside = np.flatnonzero(~self.dones[row[:, :-1], env].any(axis=1))[:missing]
            chosen.append((row[inside], env[inside]))
            missing -= len(inside)
            if missing == 0:
                row, env = (np.concatenate(parts) for parts in zip(*chosen, strict=True))
                window = self.observations[row, env], self.actions[row, env], self.rewards[row, env]
                return tuple(self.to_torch(part).float() for part in window)
        raise RuntimeError(f"the replay buffer holds no {steps} consecutive steps of one episode yet")


class AuxiliarySAC(SAC):
    """SAC that also takes a step on the auxiliary loss for every one of its own."""

    def _setup_model(self) -> None:
        super()._setup_model()
        action = get_action_dim(self.action_space)
        self.auxiliary = A2WinnerV(action=action, features=FEATURES).to(self.device)
        # (1) The loss has parameters of its own, its predictor's. It trains them and the encoder.
        parameters = [*self.critic.features_extractor.parameters(), *self.auxiliary.parameters()]
        self.auxiliary_adam = torch.optim.Adam(parameters, lr=1e-3)

    def train(self, gradient_steps: int, batch_size: int = 64) -> None:
        super().train(gradient_steps, batch_size)
        # (4) SB3's target critic has an encoder of its own, which follows the critic's.
        encoder, target = self.critic.features_extractor, self.critic_target.features_extractor
        for _ in range(gradient_steps):
            windows = self.replay_buffer.windows(batch_size, self.auxiliary.horizon + 1)
            loss = self.auxiliary(encoder, target, *windows)
            self.auxiliary_adam.zero_grad()
            loss.backward()
            self.auxiliary_adam.step()
            self.logger.record_mean("train/auxiliary_loss", loss.item())

    def _get_torch_save_params(self) -> tuple[list[str], list[str]]:
        """`save` and `load` keep the loss' parameters and its optimizer, too."""
        state_dicts, tensors = super()._get_torch_save_params()
        return [*state_dicts, "auxiliary", "auxiliary_adam"], tensors


def build(env: gymnasium.Env, seed: int) -> AuxiliarySAC:
    return AuxiliarySAC(
        SharedEncoderPolicy,
        env,
        replay_buffer_class=WindowReplayBuffer,
        policy_kwargs={"features_extractor_class": Encoder, "net_arch": [HIDDEN, HIDDEN]},
        learning_rate=1e-3,
        buffer_size=100_000,
        learning_starts=300,
        batch_size=128,
        tau=0.01,
        seed=seed,
        verbose=1,
        device="cpu",
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="SB3's SAC with an exported auxiliary loss.")
    parser.add_argument("--env", default="Pendulum-v1", help="a Gymnasium environment with vectors")
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    build(gymnasium.make(options.env), options.seed).learn(options.steps, log_interval=1)

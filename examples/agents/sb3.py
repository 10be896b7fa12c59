"""An auxiliary loss in SAC, TD3, DQN and PPO of Stable-Baselines3. Needs `pip install -e '.[examples]'`.

    python examples/agents/sb3.py --agent sac
    python examples/agents/sb3.py --agent ppo --loss forward_dynamics

What is added to an agent is `Auxiliary`: its encoder is SB3's features extractor, windows come from its own
buffer through `a2ls_dsl.windows`.
"""

from __future__ import annotations

import argparse
import copy
from typing import Any

import gymnasium
import torch
from stable_baselines3 import DQN, PPO, SAC, TD3
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.utils import polyak_update
from torch import nn

import a2ls_dsl as a2l
from a2ls_dsl.windows import of_sb3

FEATURES = 32


class Encoder(BaseFeaturesExtractor):
    def __init__(self, observation_space: gymnasium.Space) -> None:
        super().__init__(observation_space, FEATURES)
        size = observation_space.shape[0]
        self.layers = nn.Sequential(
            nn.Linear(size, 64), nn.ReLU(), nn.Linear(64, FEATURES), nn.LayerNorm(FEATURES)
        )

    def forward(self, observation: torch.Tensor) -> torch.Tensor:
        return self.layers(observation)


# What is added to an agent, from here on.
class Auxiliary(BaseCallback):
    def __init__(self, loss: str, encoder: Any) -> None:
        super().__init__()
        self.loss, self.encoder_of = a2l.load(loss), encoder

    def _init_callback(self) -> None:
        space, self.encoder = self.model.action_space, self.encoder_of(self.model)
        self.actions = int(space.n) if isinstance(space, gymnasium.spaces.Discrete) else None
        self.module = a2l.compile(self.loss, self.model.observation_space, space, FEATURES)
        self.target = copy.deepcopy(self.encoder)
        self.adam = torch.optim.Adam([*self.encoder.parameters(), *self.module.parameters()], lr=1e-3)

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        buffer = getattr(self.model, "replay_buffer", None) or self.model.rollout_buffer
        if self.num_timesteps < 200:
            return
        window = of_sb3(buffer, self.actions).sample(self.module.horizon + 1, 64)
        loss = self.module(self.encoder, self.target, window)
        self.adam.zero_grad()
        loss.backward()
        self.adam.step()
        polyak_update(self.encoder.parameters(), self.target.parameters(), 0.05)
        self.value = loss.item()
        self.logger.record("train/auxiliary_loss", self.value)


# To here. Whose encoder is trained is the agent's choice: the critic's, the Q network's, the policy's.
AGENTS = {
    "sac": (SAC, "Pendulum-v1", lambda model: model.critic.features_extractor),
    "td3": (TD3, "Pendulum-v1", lambda model: model.critic.features_extractor),
    "dqn": (DQN, "CartPole-v1", lambda model: model.q_net.features_extractor),
    "ppo": (PPO, "CartPole-v1", lambda model: model.policy.features_extractor),
}


def main(agent: str, loss: str, steps: int, seed: int) -> float:
    """Train; gives the last auxiliary loss."""
    kind, env, encoder = AGENTS[agent]
    policy = {"features_extractor_class": Encoder}
    more = {"n_steps": 32} if agent == "ppo" else {"learning_starts": 100, "train_freq": 4}
    model = kind("MlpPolicy", env, policy_kwargs=policy, seed=seed, device="cpu", **more)
    auxiliary = Auxiliary(loss, encoder)
    model.learn(steps, callback=auxiliary)
    return auxiliary.value


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="SB3's agents with an auxiliary loss.")
    parser.add_argument("--agent", choices=AGENTS, default="sac")
    parser.add_argument("--loss", default="a2_winner", help="a shipped loss, or a .a2l file")
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(f"auxiliary loss {main(options.agent, options.loss, options.steps, options.seed):.4f}")

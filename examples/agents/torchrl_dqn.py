"""An auxiliary loss in DQN of TorchRL. Needs `pip install -e '.[examples]'`.

    python examples/agents/torchrl_dqn.py
    python examples/agents/torchrl_dqn.py --loss forward_dynamics

What is added to the agent is `Auxiliary`: its encoder is the first part of the network of values, windows
come from the agent's own replay buffer through `a2ls_dsl.windows`.
"""

from __future__ import annotations

import argparse
import copy

import torch
from tensordict.nn import TensorDictSequential
from torch import nn
from torchrl.data import LazyTensorStorage, TensorDictReplayBuffer
from torchrl.envs import GymEnv
from torchrl.modules import EGreedyModule, QValueActor
from torchrl.objectives import DQNLoss, SoftUpdate

import a2ls_dsl as a2l
from a2ls_dsl.windows import of_torchrl

FEATURES, BATCH, RANDOM_STEPS = 32, 64, 200
STORED = ("observation", "reward", "done", "terminated", "truncated")


# What is added to an agent, from here on.
class Auxiliary:
    def __init__(self, loss: str, encoder: nn.Module, observation: int, actions: int) -> None:
        self.encoder, self.target = encoder, copy.deepcopy(encoder)
        self.module = a2l.compile(a2l.load(loss), observation, actions, FEATURES)
        self.adam = torch.optim.Adam([*encoder.parameters(), *self.module.parameters()], lr=1e-3)

    def update(self, buffer: TensorDictReplayBuffer) -> float:
        window = of_torchrl(buffer).sample(self.module.horizon + 1, BATCH)
        loss = self.module(self.encoder, self.target, window)
        self.adam.zero_grad()
        loss.backward()
        self.adam.step()
        with torch.no_grad():
            for old, new in zip(self.target.parameters(), self.encoder.parameters(), strict=True):
                old.lerp_(new, 0.05)
        return loss.item()


# To here.
def main(loss: str, steps: int, seed: int) -> float:
    """Train; gives the mean of the last hundred auxiliary losses."""
    torch.manual_seed(seed)
    env = GymEnv("CartPole-v1", device="cpu")
    env.set_seed(seed)
    observation, actions = env.observation_spec["observation"].shape[-1], env.action_spec.shape[-1]
    encoder = nn.Sequential(
        nn.Linear(observation, 64), nn.ReLU(), nn.Linear(64, FEATURES), nn.LayerNorm(FEATURES)
    )
    network = nn.Sequential(encoder, nn.Linear(FEATURES, 64), nn.ReLU(), nn.Linear(64, actions))
    values = QValueActor(network, in_keys=["observation"], spec=env.action_spec)
    explore = EGreedyModule(env.action_spec, eps_init=0.5, eps_end=0.05, annealing_num_steps=1000)
    policy = TensorDictSequential(values, explore)
    dqn = DQNLoss(values, action_space=env.action_spec, delay_value=True)
    dqn.make_value_estimator(gamma=0.99)
    follow, adam = SoftUpdate(dqn, tau=0.01), torch.optim.Adam(network.parameters(), lr=1e-3)
    buffer = TensorDictReplayBuffer(storage=LazyTensorStorage(10_000), batch_size=BATCH)
    auxiliary, losses = Auxiliary(loss, encoder, observation, actions), list[float]()
    now = env.reset()
    for step in range(1, steps + 1):
        with torch.no_grad():
            now = policy(now)
        done, now = env.step_and_maybe_reset(now)
        explore.step()
        buffer.add(done.select("observation", "action", *(("next", key) for key in STORED)))
        if step < RANDOM_STEPS:
            continue
        adam.zero_grad()
        dqn(buffer.sample())["loss"].backward()
        adam.step()
        follow.step()
        losses.append(auxiliary.update(buffer))
    return sum(losses[-100:]) / len(losses[-100:])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="TorchRL's DQN with an auxiliary loss.")
    parser.add_argument("--loss", default="a2_winner", help="a shipped loss, or a .a2l file")
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(f"auxiliary loss {main(options.loss, options.steps, options.seed):.4f}")

"""Soft actor-critic in one file, with an auxiliary loss that `a2l` wrote. Needs torch and dm-control.

    a2l compile a2_winner_v -o examples/a2_winner_v.py
    python examples/plain_sac.py

What the loss asks of an agent is marked below: (1) its parameters in an optimizer, beside the encoder's;
(2) windows of horizon + 1 steps, each inside one episode; (3) an encoder that the agent itself uses;
(4) a target encoder that follows it slowly.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable

import numpy as np
import torch
import torch.nn.functional as F
from a2_winner_v import A2WinnerV
from dm_control import suite
from torch import Tensor, nn

FEATURES, HIDDEN, BATCH = 50, 128, 128
RANDOM_STEPS, CAPACITY = 500, 100_000
DISCOUNT, CRITIC_TAU, ENCODER_TAU = 0.99, 0.01, 0.05
LEARNING_RATE = 1e-3


class Control:
    """A task of the DeepMind Control suite: vectors in and out, every action repeated."""

    def __init__(self, name: str, repeat: int, seed: int) -> None:
        domain, task = name.split("-")
        self.env = suite.load(domain, task, task_kwargs={"random": seed})
        self.repeat = repeat
        self.action = self.env.action_spec().shape[0]
        self.observation = len(self.reset())

    def reset(self) -> Tensor:
        return self._vector(self.env.reset().observation)

    def step(self, action: Tensor) -> tuple[Tensor, float, bool, bool]:
        """Observation, reward, whether the task ended by its own rules, whether the episode is over."""
        reward = 0.0
        for _ in range(self.repeat):
            now = self.env.step(action.numpy())
            reward += now.reward
            if now.last():
                break
        return self._vector(now.observation), reward, now.last() and now.discount == 0, now.last()

    @staticmethod
    def _vector(parts: dict[str, np.ndarray]) -> Tensor:
        return torch.from_numpy(np.concatenate([np.ravel(part) for part in parts.values()])).float()


class Replay:
    """The last `capacity` steps. Step number n of all ever added lies in row n modulo the capacity."""

    def __init__(self, capacity: int, observation: int, action: int) -> None:
        self.capacity, self.added, self.episode_steps = capacity, 0, 0
        self.observation = torch.zeros(capacity, observation)
        self.action = torch.zeros(capacity, action)
        self.reward = torch.zeros(capacity)
        self.next_observation = torch.zeros(capacity, observation)
        self.terminated = torch.zeros(capacity)
        self.position = torch.zeros(capacity, dtype=torch.int64)  # steps since the episode began

    def add(
        self, observation: Tensor, action: Tensor, reward: float, after: Tensor, terminated: bool, over: bool
    ) -> None:
        row = self.added % self.capacity
        self.observation[row], self.action[row], self.reward[row] = observation, action, reward
        self.next_observation[row], self.terminated[row] = after, terminated
        self.position[row] = self.episode_steps
        self.episode_steps = 0 if over else self.episode_steps + 1
        self.added += 1

    def transitions(self, batch: int) -> tuple[Tensor, ...]:
        row = torch.randint(min(self.added, self.capacity), (batch,))
        parts = (self.observation, self.action, self.reward, self.next_observation, self.terminated)
        return tuple(part[row] for part in parts)

    def windows(self, batch: int, steps: int) -> tuple[Tensor, Tensor, Tensor]:
        """(2) Observations, actions and rewards of consecutive steps of one episode, (batch, steps, ...).

        A window lies inside an episode where its last step is at least `steps` - 1 behind the episode's
        first one, and it is whole where its first step has not been overwritten yet.
        """
        oldest = max(0, self.added - self.capacity)
        last = torch.arange(oldest + steps - 1, self.added)
        last = last[self.position[last % self.capacity] >= steps - 1]
        chosen = last[torch.randint(len(last), (batch,))]
        row = (chosen[:, None] + torch.arange(1 - steps, 1)) % self.capacity
        return self.observation[row], self.action[row], self.reward[row]


def mlp(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, outputs)
    )


def encoder_network(observation: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(observation, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, FEATURES), nn.LayerNorm(FEATURES)
    )


class Agent:
    """SAC (Haarnoja et al. 2018). The critic and the auxiliary loss train the encoder, the actor reads it."""

    def __init__(self, observation: int, action: int) -> None:
        self.encoder, self.target_encoder = (encoder_network(observation) for _ in range(2))
        self.actor = mlp(FEATURES, 2 * action)
        self.critics, self.target_critics = (
            nn.ModuleList(mlp(FEATURES + action, 1) for _ in range(2)) for _ in range(2)
        )
        self.target_encoder.load_state_dict(self.encoder.state_dict())
        self.target_critics.load_state_dict(self.critics.state_dict())
        self.log_temperature = nn.Parameter(torch.tensor(0.1).log())
        self.auxiliary = A2WinnerV(action=action, features=FEATURES)

        self.critic_adam = adam([*self.encoder.parameters(), *self.critics.parameters()])
        self.actor_adam = adam(self.actor.parameters())
        self.temperature_adam = adam([self.log_temperature])
        # (1) The loss has parameters of its own, its predictor's. It trains them and the encoder.
        self.auxiliary_adam = adam([*self.encoder.parameters(), *self.auxiliary.parameters()])

    def policy(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """An action in [-1, 1] and the logarithm of its density."""
        mean, spread = self.actor(features).chunk(2, dim=-1)
        normal = torch.distributions.Normal(mean, (-4 + 6 * spread.sigmoid()).exp())
        x = normal.rsample()
        # log(1 - tanh(x)^2), written so that it does not underflow.
        squashing = 2 * (np.log(2) - x - F.softplus(-2 * x))
        return x.tanh(), (normal.log_prob(x) - squashing).sum(-1)

    def values(self, critics: nn.ModuleList, features: Tensor, action: Tensor) -> Tensor:
        return torch.cat([critic(torch.cat([features, action], -1)) for critic in critics], -1)

    def update(self, replay: Replay) -> float:
        """One step of every optimizer; returns the auxiliary loss."""
        observation, action, reward, after, terminated = replay.transitions(BATCH)
        temperature = self.log_temperature.exp().detach()
        with torch.no_grad():
            next_action, density = self.policy(self.encoder(after))
            value = self.values(self.target_critics, self.target_encoder(after), next_action).amin(-1)
            goal = reward + DISCOUNT * (1 - terminated) * (value - temperature * density)
        features = self.encoder(observation)  # (3) the same encoder as below
        error = self.values(self.critics, features, action) - goal[:, None]
        minimise(self.critic_adam, error.square().mean())

        features = features.detach()
        new_action, density = self.policy(features)
        value = self.values(self.critics, features, new_action).amin(-1)
        minimise(self.actor_adam, (temperature * density - value).mean())
        surplus = -density.detach().mean() + action.shape[-1]
        minimise(self.temperature_adam, self.log_temperature.exp() * surplus)

        windows = replay.windows(BATCH, self.auxiliary.horizon + 1)
        auxiliary = self.auxiliary(self.encoder, self.target_encoder, *windows)
        minimise(self.auxiliary_adam, auxiliary)

        follow(self.target_critics, self.critics, CRITIC_TAU)
        follow(self.target_encoder, self.encoder, ENCODER_TAU)  # (4)
        return auxiliary.item()


def adam(parameters: Iterable[nn.Parameter]) -> torch.optim.Adam:
    return torch.optim.Adam(parameters, lr=LEARNING_RATE)


def minimise(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


@torch.no_grad()
def follow(target: nn.Module, online: nn.Module, tau: float) -> None:
    for old, new in zip(target.parameters(), online.parameters(), strict=True):
        old.lerp_(new, tau)


def train(task: str, repeat: int, steps: int, seed: int) -> None:
    torch.manual_seed(seed)
    env = Control(task, repeat, seed)
    agent = Agent(env.observation, env.action)
    replay = Replay(CAPACITY, env.observation, env.action)
    observation, total, losses = env.reset(), 0.0, list[float]()
    for step in range(1, steps + 1):
        if step <= RANDOM_STEPS:
            action = torch.rand(env.action) * 2 - 1
        else:
            with torch.no_grad():
                action, _ = agent.policy(agent.encoder(observation))
        after, reward, terminated, over = env.step(action)
        replay.add(observation, action, reward, after, terminated, over)
        observation, total = after, total + reward
        if step >= RANDOM_STEPS:
            losses.append(agent.update(replay))
        if over:
            shown = f"{np.mean(losses):.4f}" if losses else "-"
            print(f"step {step:6}   return {total:6.1f}   auxiliary loss {shown}", flush=True)
            observation, total, losses = env.reset(), 0.0, []


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="SAC with an exported auxiliary loss.")
    parser.add_argument("--task", default="cartpole-swingup", help="domain-task of the Control suite")
    parser.add_argument("--repeat", type=int, default=8, help="frames that an action lasts")
    parser.add_argument("--steps", type=int, default=3000, help="agent steps, of `repeat` frames each")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    train(options.task, options.repeat, options.steps, options.seed)

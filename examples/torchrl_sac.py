"""TorchRL's SAC loss and replay buffer with an auxiliary loss that `a2l` wrote.

    a2l compile a2_winner_v -o examples/a2_winner_v.py
    python examples/torchrl_sac.py

Needs `pip install -e '.[examples]'`. What the loss asks of an agent is marked below: (1) its parameters in
an optimizer, beside the encoder's; (2) windows of horizon + 1 steps, each inside one episode; (3) an encoder
that the agent itself uses; (4) a target encoder that follows it slowly.
"""

from __future__ import annotations

import argparse
from copy import deepcopy

import torch
from a2_winner_v import A2WinnerV
from tensordict import TensorDictBase
from tensordict.nn import TensorDictModule, TensorDictSequential
from torch import Tensor, nn
from torchrl.data import LazyTensorStorage, SliceSampler, TensorDictReplayBuffer
from torchrl.envs import CatTensors, Compose, DMControlEnv, DoubleToFloat, EnvBase, RewardSum, TransformedEnv
from torchrl.envs.utils import ExplorationType, set_exploration_type
from torchrl.modules import MLP, NormalParamExtractor, ProbabilisticActor, TanhNormal, ValueOperator
from torchrl.objectives import SACLoss, SoftUpdate

FEATURES, HIDDEN, BATCH = 50, 128, 128
RANDOM_STEPS, CAPACITY = 500, 100_000
CRITIC_TAU, ENCODER_TAU = 0.01, 0.05
LEARNING_RATE = 1e-3
STORED = ("observation", "reward", "done", "terminated")


def make_env(task: str, repeat: int, seed: int) -> EnvBase:
    """A task of the DeepMind Control suite, whose observation is one vector."""
    domain, name = task.split("-")
    env = DMControlEnv(domain, name, frame_skip=repeat)
    parts = list(env.observation_spec.keys())
    joined = Compose(CatTensors(parts, "observation"), DoubleToFloat(), RewardSum())
    env = TransformedEnv(env, joined)
    env.set_seed(seed)
    return env


def make_buffers(steps: int) -> tuple[TensorDictReplayBuffer, TensorDictReplayBuffer]:
    """Two buffers over one storage: the first takes and gives single steps, the second gives windows.

    (2) A slice reaches over no step that is `done`, and not from the newest step into the oldest.
    """
    storage = LazyTensorStorage(CAPACITY)
    sampler = SliceSampler(slice_len=steps, end_key=("next", "done"))
    return (
        TensorDictReplayBuffer(storage=storage, batch_size=BATCH),
        TensorDictReplayBuffer(storage=storage, sampler=sampler, batch_size=BATCH * steps),
    )


def sample_windows(buffer: TensorDictReplayBuffer, steps: int) -> tuple[Tensor, Tensor, Tensor]:
    """Observations, actions and rewards of consecutive steps of one episode, (batch, steps, ...)."""
    slices = buffer.sample().reshape(-1, steps)
    return slices["observation"], slices["action"], slices["next", "reward"].squeeze(-1)


class Agent:
    """The critic and the auxiliary loss train the encoder, the actor reads it.

    SACLoss makes two copies of the network that it takes for Q, so the one encoder stands outside: actor and
    critic read features. They have a key each, because of the next observation the critic wants the target
    encoder's.
    """

    def __init__(self, env: EnvBase) -> None:
        observation, action = env.observation_spec["observation"].shape[-1], env.action_spec.shape[-1]
        self.encoder = nn.Sequential(
            nn.Linear(observation, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, FEATURES), nn.LayerNorm(FEATURES)
        )
        self.target_encoder = deepcopy(self.encoder)
        shape = {"num_cells": [HIDDEN, HIDDEN], "activation_class": nn.ReLU}
        network = nn.Sequential(MLP(FEATURES, 2 * action, **shape), NormalParamExtractor())
        actor = ProbabilisticActor(
            TensorDictModule(network, in_keys=["features"], out_keys=["loc", "scale"]),
            in_keys=["loc", "scale"],
            spec=env.action_spec,
            distribution_class=TanhNormal,
            return_log_prob=True,
        )
        critic = ValueOperator(MLP(FEATURES + action, 1, **shape), in_keys=["critic_features", "action"])
        encode = TensorDictModule(self.encoder, in_keys=["observation"], out_keys=["features"])
        self.policy = TensorDictSequential(encode, actor)
        self.sac = SACLoss(actor, critic, loss_function="l2", alpha_init=0.1)
        self.sac.make_value_estimator(gamma=0.99)
        self.follow_critic = SoftUpdate(self.sac, tau=CRITIC_TAU)
        self.auxiliary = A2WinnerV(action=action, features=FEATURES)

        self.sac_adam = torch.optim.Adam([*self.encoder.parameters(), *self.sac.parameters()], LEARNING_RATE)
        # (1) The loss has parameters of its own, its predictor's. It trains them and the encoder.
        parameters = [*self.encoder.parameters(), *self.auxiliary.parameters()]
        self.auxiliary_adam = torch.optim.Adam(parameters, LEARNING_RATE)

    def update(self, batch: TensorDictBase, windows: tuple[Tensor, Tensor, Tensor]) -> float:
        """One step of both optimizers; returns the auxiliary loss."""
        batch["critic_features"] = self.encoder(batch["observation"])  # (3) the same encoder as below
        batch["features"] = batch["critic_features"].detach()
        with torch.no_grad():
            batch["next", "features"] = self.encoder(batch["next", "observation"])
            batch["next", "critic_features"] = self.target_encoder(batch["next", "observation"])
        value, _ = self.sac.qvalue_v2_loss(batch)
        # Detached, or the actor's loss would reach the encoder through the critic.
        policy, info = self.sac.actor_loss(batch.detach())
        minimise(self.sac_adam, value + policy + self.sac.alpha_loss(info["log_prob"]).mean())

        auxiliary = self.auxiliary(self.encoder, self.target_encoder, *windows)
        minimise(self.auxiliary_adam, auxiliary)

        self.follow_critic.step()
        with torch.no_grad():  # (4)
            for old, new in zip(self.target_encoder.parameters(), self.encoder.parameters(), strict=True):
                old.lerp_(new, ENCODER_TAU)
        return auxiliary.item()


def minimise(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def train(task: str, repeat: int, steps: int, seed: int) -> None:
    torch.manual_seed(seed)
    env = make_env(task, repeat, seed)
    agent = Agent(env)
    length = agent.auxiliary.horizon + 1
    buffer, window_buffer = make_buffers(length)
    now, losses = env.reset(), list[float]()
    for step in range(1, steps + 1):
        if step <= RANDOM_STEPS:
            now = env.rand_action(now)
        else:
            with torch.no_grad(), set_exploration_type(ExplorationType.RANDOM):
                now = agent.policy(now)
        done, now = env.step_and_maybe_reset(now)
        buffer.add(done.select("observation", "action", *(("next", key) for key in STORED)))
        if step >= RANDOM_STEPS:
            losses.append(agent.update(buffer.sample(), sample_windows(window_buffer, length)))
        if done["next", "done"].item():
            shown = f"{sum(losses) / len(losses):.4f}" if losses else "-"
            total = done["next", "episode_reward"].item()
            print(f"step {step:6}   return {total:6.1f}   auxiliary loss {shown}", flush=True)
            losses = []


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="TorchRL's SAC with an exported auxiliary loss.")
    parser.add_argument(
        "--task", default="cartpole-swingup", help="domain-task of the DeepMind Control suite"
    )
    parser.add_argument("--repeat", type=int, default=8, help="frames that an action lasts")
    parser.add_argument("--steps", type=int, default=3000, help="agent steps, of `repeat` frames each")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    train(options.task, options.repeat, options.steps, options.seed)

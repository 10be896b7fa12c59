"""The auxiliary loss trains the very encoder that critic and actor read, and never the target encoder."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

pytestmark = pytest.mark.usefixtures("importable")


@dataclass(frozen=True)
class Parts:
    """What an example's agent consists of.

    features: what critic and what actor make of the observation; update: one step of all optimizers.
    """

    encoder: nn.Module
    target_encoder: nn.Module
    auxiliary: nn.Module
    auxiliary_adam: torch.optim.Optimizer
    actor_parameters: list[Tensor]
    critic_features: Callable[[Tensor], Tensor]
    actor_features: Callable[[Tensor], Tensor]
    update: Callable[[], object]
    observation: int
    action: int = 1


def plain() -> Parts:
    module = importlib.import_module("plain_sac")
    agent, replay = module.Agent(5, 1), module.Replay(100, 5, 1)
    for number in range(60):
        replay.add(torch.randn(5), torch.rand(1), 1.0, torch.randn(5), False, number % 30 == 29)
    return Parts(
        agent.encoder,
        agent.target_encoder,
        agent.auxiliary,
        agent.auxiliary_adam,
        [p for group in agent.actor_adam.param_groups for p in group["params"]],
        agent.encoder,
        agent.encoder,
        lambda: agent.update(replay),
        observation=5,
    )


def sb3() -> Parts:
    gymnasium = pytest.importorskip("gymnasium")
    pytest.importorskip("stable_baselines3")
    model = importlib.import_module("sb3_sac").build(gymnasium.make("Pendulum-v1"), seed=0)
    model.verbose = 0
    model.learn(60)
    return Parts(
        model.critic.features_extractor,
        model.critic_target.features_extractor,
        model.auxiliary,
        model.auxiliary_adam,
        [p for group in model.actor.optimizer.param_groups for p in group["params"]],
        lambda x: model.critic.extract_features(x, model.critic.features_extractor),
        lambda x: model.actor.extract_features(x, model.actor.features_extractor),
        lambda: model.train(1, 128),
        observation=3,
    )


def torchrl() -> Parts:
    pytest.importorskip("torchrl")
    tensordict = pytest.importorskip("tensordict")
    module = importlib.import_module("torchrl_sac")
    env = module.make_env("cartpole-swingup", 8, 0)
    agent = module.Agent(env)
    length = agent.auxiliary.horizon + 1
    buffer, windows = module.make_buffers(length)
    buffer.extend(env.rollout(60).select("observation", "action", *(("next", key) for key in module.STORED)))

    def actor_features(x: Tensor) -> Tensor:
        return agent.policy[0](tensordict.TensorDict({"observation": x}, [len(x)]))["features"]

    return Parts(
        agent.encoder,
        agent.target_encoder,
        agent.auxiliary,
        agent.auxiliary_adam,
        list(agent.sac.actor_network_params.values(True, True)),
        agent.encoder,
        actor_features,
        lambda: agent.update(buffer.sample(), module.sample_windows(windows, length)),
        observation=5,
    )


each_example = pytest.mark.parametrize("build", [plain, sb3, torchrl], ids=lambda build: build.__name__)


@each_example
def test_the_loss_reaches_the_shared_encoder_and_no_target(build: Callable[[], Parts]) -> None:
    torch.manual_seed(0)
    parts = build()
    steps = parts.auxiliary.horizon + 1
    windows = (
        torch.randn(16, steps, parts.observation),
        torch.rand(16, steps, parts.action),
        torch.rand(16, steps),
    )
    for module in (parts.encoder, parts.target_encoder, parts.auxiliary):
        module.zero_grad(set_to_none=True)
    parts.auxiliary(parts.encoder, parts.target_encoder, *windows).backward()
    trained = [*parts.encoder.parameters(), *parts.auxiliary.parameters()]
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in trained if p.ndim == 2)
    assert all(p.grad is None for p in parts.target_encoder.parameters())
    stepped = {id(p) for group in parts.auxiliary_adam.param_groups for p in group["params"]}
    assert stepped == {id(p) for p in trained}


@each_example
def test_critic_and_actor_read_that_encoder(build: Callable[[], Parts]) -> None:
    torch.manual_seed(0)
    parts = build()
    x = torch.randn(8, parts.observation)
    with torch.no_grad():
        for parameter in parts.encoder.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
        expected = parts.encoder(x)
        torch.testing.assert_close(parts.critic_features(x), expected)
        torch.testing.assert_close(parts.actor_features(x), expected)
    assert not {id(p) for p in parts.encoder.parameters()} & {id(p) for p in parts.actor_parameters}


@each_example
def test_an_update_trains_the_encoder_and_the_target_follows(build: Callable[[], Parts]) -> None:
    torch.manual_seed(0)
    parts = build()
    with torch.no_grad():
        for old, new in zip(parts.target_encoder.parameters(), parts.encoder.parameters(), strict=True):
            old.copy_(new)
    before = [p.detach().clone() for p in parts.encoder.parameters()]
    parts.update()
    moved = [(new - old).norm() for new, old in zip(parts.encoder.parameters(), before, strict=True)]
    assert all(distance > 0 for distance in moved)
    if build is sb3:  # SB3's critic target follows inside of its own step, before the auxiliary one.
        parts.update()
    for target, old, new in zip(
        parts.target_encoder.parameters(), before, parts.encoder.parameters(), strict=True
    ):
        assert 0 < (target - old).norm() < 0.2 * (new - old).norm()


def test_a_saved_agent_of_stable_baselines_keeps_the_loss(tmp_path: Path) -> None:
    gymnasium = pytest.importorskip("gymnasium")
    pytest.importorskip("stable_baselines3")
    module = importlib.import_module("sb3_sac")
    model = module.build(gymnasium.make("Pendulum-v1"), seed=0)
    model.verbose = 0
    model.learn(60)
    model.train(1, 32)
    model.save(tmp_path / "agent")
    loaded = module.AuxiliarySAC.load(tmp_path / "agent")
    torch.testing.assert_close(loaded.auxiliary.state_dict(), model.auxiliary.state_dict())
    assert len(loaded.auxiliary_adam.state_dict()["state"]) == len(model.auxiliary_adam.state_dict()["state"])

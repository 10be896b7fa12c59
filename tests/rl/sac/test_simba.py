"""SAC with SimBa's networks against a plain agent; an encoder that the auxiliary loss alone trains."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from forked import a2l
from reference_sac import ACTION, OBSERVATION, VECTORS, linear_pairs, step
from rl.sac.small_sac import BATCH, CAPACITY, fill, loss_of, state
from torch import Tensor, nn
from torch.distributions import Normal, TanhTransform, TransformedDistribution

from a2ls_dsl.backend.counter_rng import Purpose
from a2ls_dsl.backend.module import compile_loss
from a2ls_dsl.backend.window import Spaces, Window
from a2ls_dsl.rl.compute.adam import StackedAdam
from a2ls_dsl.rl.policies.policy import load_policy
from a2ls_dsl.rl.replay.buffer import Replay
from a2ls_dsl.rl.sac.simba import SimbaSettings, SimbaStack
from a2ls_dsl.rl.sac.stack import SacStack
from a2ls_dsl.rl.settings import SacSettings

FEATURES, HIDDEN, ACTOR = 12, 16, 8
SETTINGS = SimbaSettings(
    replay_capacity=CAPACITY, batch_size=BATCH, hidden=HIDDEN, actor_hidden=ACTOR, features=FEATURES
)


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm, self.wide = nn.LayerNorm(width, eps=1e-6), nn.Linear(width, 4 * width)
        self.narrow = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.narrow(torch.relu(self.wide(self.norm(x))))


class Network(nn.Module):
    """A linear layer, blocks, a norm, and maybe a last layer."""

    def __init__(self, inputs: int, width: int, blocks: int, outputs: int | None = None) -> None:
        super().__init__()
        self.first, self.norm = nn.Linear(inputs, width), nn.LayerNorm(width, eps=1e-6)
        self.blocks = nn.ModuleList(Block(width) for _ in range(blocks))
        self.last = nn.Identity() if outputs is None else nn.Linear(width, outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        for block in self.blocks:
            x = block(x)
        return self.last(self.norm(x))

    def pairs(self, stacked: nn.Module, copy: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        layers, theirs = [self.first], [stacked.first]
        norms = [(self.norm, stacked.norm)]
        for block, its in zip(self.blocks, stacked.blocks, strict=True):
            layers, theirs = [*layers, block.wide, block.narrow], [*theirs, its.wide, its.narrow]
            norms.append((block.norm, its.norm))
        if isinstance(self.last, nn.Linear):
            layers, theirs = [*layers, self.last], [*theirs, stacked.last]
        yield from linear_pairs(layers, theirs, copy)
        for norm, its in norms:
            yield norm.weight, its.weight.detach()[0, copy, 0]
            yield norm.bias, its.bias.detach()[0, copy, 0]


class PlainSimba:
    """One agent, out of ordinary modules and torch's own optimizers."""

    def __init__(self, stack: SimbaStack) -> None:
        self.seen = torch.zeros(0, OBSERVATION, dtype=torch.float64)  # all that went into the statistics
        self.encoder, self.target_encoder = (Network(OBSERVATION, FEATURES, 1).double() for _ in range(2))
        self.actor = Network(FEATURES, ACTOR, 1, 2 * ACTION).double()
        self.critics, self.targets = (
            nn.ModuleList(Network(FEATURES + ACTION, HIDDEN, 2, 1) for _ in range(2)).double()
            for _ in range(2)
        )
        self.log_alpha = nn.Parameter(stack.log_temperature.detach().clone())
        self.loss = compile_loss(stack.losses[0], Spaces(OBSERVATION, ACTION, FEATURES)).double()
        self.loss.load_state_dict(stack.auxiliary.member_state(0))
        for ours, theirs in self.pairs(stack):
            ours.data.copy_(theirs)
        decayed = [*self.encoder.parameters(), *self.critics.parameters()]
        self.critic_adam = torch.optim.AdamW(decayed, lr=1e-4, weight_decay=0.01)
        self.actor_adam = torch.optim.AdamW(self.actor.parameters(), lr=1e-4, weight_decay=0.01)
        self.alpha_adam = torch.optim.Adam([self.log_alpha], lr=1e-4)
        self.loss_adam = torch.optim.Adam([*self.encoder.parameters(), *self.loss.parameters()], lr=1e-4)

    def pairs(self, stack: SimbaStack) -> Iterator[tuple[Tensor, Tensor]]:
        yield from self.encoder.pairs(stack.encoder.trunk)
        yield from self.target_encoder.pairs(stack.target_encoder.trunk)
        yield from self.actor.pairs(stack.actor.trunk)
        for copy in range(2):
            yield from self.critics[copy].pairs(stack.critic.trunk, copy)
            yield from self.targets[copy].pairs(stack.target_critic.trunk, copy)
        yield self.log_alpha, stack.log_temperature.detach()

    def norm(self, x: Tensor) -> Tensor:
        """By mean and deviation of everything seen, computed anew."""
        return (x - self.seen.mean(dim=0)) / (self.seen.var(dim=0, correction=0) + 1e-8).sqrt()

    def policy(self, features: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        mean, raw = self.actor(features).chunk(2, dim=1)
        std = torch.exp(-10 + 6 * (torch.tanh(raw) + 1))
        squash = TanhTransform(cache_size=1)
        action = squash(mean + std * noise)
        density = TransformedDistribution(Normal(mean, std), [squash]).log_prob(action).sum(dim=1)
        return action, density - torch.log1p(1e-6 / (1 - action**2)).sum(dim=1)

    def update(self, batch: object, next_noise: Tensor, noise: Tensor, window: Window) -> None:
        self.seen = torch.cat([self.seen, batch.observation[0]])
        now, later = self.norm(batch.observation[0]), self.norm(batch.next_observation[0])
        alpha = self.log_alpha.exp().detach()
        with torch.no_grad():
            action, density = self.policy(self.encoder(later), next_noise)
            x = torch.cat([self.target_encoder(later), action], dim=1)
            q = torch.minimum(*(critic(x)[:, 0] for critic in self.targets))
            goal = batch.reward[0] + 0.99 * (1 - batch.terminated[0]) * (q - alpha * density)
        x = torch.cat([self.encoder(now), batch.action[0]], dim=1)
        step(self.critic_adam, loss=sum(((critic(x)[:, 0] - goal) ** 2).mean() for critic in self.critics))
        features = self.encoder(now).detach()
        action, density = self.policy(features, noise)
        q = torch.minimum(*(critic(torch.cat([features, action], dim=1))[:, 0] for critic in self.critics))
        step(self.actor_adam, loss=(alpha * density - q).mean())
        step(self.alpha_adam, loss=(self.log_alpha.exp() * (-density.detach() + ACTION / 2)).mean())
        for online, target in ((self.critics, self.targets), (self.encoder, self.target_encoder)):
            for new, old in zip(online.parameters(), target.parameters(), strict=True):
                old.data = 0.005 * new.data + 0.995 * old.data
        step(
            self.loss_adam,
            loss=self.loss(
                lambda x: self.encoder(self.norm(x)), lambda x: self.target_encoder(self.norm(x)), window
            ),
        )


def learner(names: list[str | None], seeds: list[int], settings: SimbaSettings = SETTINGS) -> tuple:
    stack = SimbaStack([loss_of(name) for name in names], seeds, VECTORS, ACTION, settings)
    replay = Replay(stack.horizon, CAPACITY, VECTORS, ACTION)
    fill(replay, seeds)
    return stack.double(), replay.double()


@pytest.mark.parametrize("name", ["a2_winner", "mrq"])
def test_updates_are_those_of_a_plain_agent(name: str) -> None:
    stack, replay = learner([name], [3])
    plain, start = PlainSimba(stack), state(stack, 0)
    for number in range(4):
        counter = torch.tensor([number])
        batch = replay.sample_steps(stack.rng, counter, BATCH)
        next_noise, noise = (
            stack.rng.normal(purpose, number, BATCH * ACTION).view(BATCH, ACTION).double()
            for purpose in (Purpose.NEXT_ACTION, Purpose.POLICY)
        )
        steps = stack.auxiliary.capacity.horizon + 1
        window = replay.sample_windows(stack.rng, counter, BATCH, steps, done=True)
        plain.update(
            batch, next_noise, noise, Window(*(x[0] for x in vars(window).values() if x is not None))
        )
        stack.update(replay)
        for ours, theirs in plain.pairs(stack):
            torch.testing.assert_close(ours.detach(), theirs, rtol=1e-7, atol=1e-9)
    assert [key for key, value in state(stack, 0).items() if torch.equal(value, start[key])] == []


def test_members_learn_as_alone_and_the_inactive_stay() -> None:
    crowd, replay = learner(["a2_winner", "curl_a2ls", None], [3, 4, 5])
    alone, own = learner(["curl_a2ls"], [4])
    crowd.deactivate(2)
    kept = {name: value[2].clone() for name, value in crowd.encoder.state_dict().items()}
    for _ in range(3):
        crowd.update(replay)
        alone.update(own)
    for name, value in crowd.encoder.state_dict().items():
        torch.testing.assert_close(value[1], alone.encoder.state_dict()[name][0], rtol=1e-9, atol=1e-10)
        assert torch.equal(value[2], kept[name])
    # A frozen policy has its statistics, and a new member none.
    crowd.freeze([1])
    assert torch.equal(crowd.frozen_encoder.seen.mean[1], crowd.encoder.seen.mean[1])
    crowd.reset(1, None, 9)
    assert crowd.encoder.seen.count[1] == crowd.target_encoder.seen.count[1] == 0


def test_weights_decay_as_in_adamw() -> None:
    stacked = nn.Parameter(torch.randn(3, 5, generator=torch.Generator().manual_seed(0)))
    plain = [nn.Parameter(row.detach().clone()) for row in stacked]
    adam = StackedAdam([stacked], 1e-2, decay=0.1)
    adams = [torch.optim.AdamW([parameter], lr=1e-2, weight_decay=0.1) for parameter in plain]
    for _ in range(3):
        adam.step(stacked.square().sum(dim=1).sin())
        for own, its in zip(plain, adams, strict=True):
            step(its, loss=own.square().sum().sin())
    torch.testing.assert_close(stacked.detach(), torch.stack([parameter.detach() for parameter in plain]))


@pytest.mark.parametrize("kind", [SacStack, SimbaStack])
def test_an_encoder_can_be_trained_by_the_loss_alone(kind: type[SacStack]) -> None:
    """Then one without a loss stays, and one with a loss moves by its optimizer alone."""
    settings = SETTINGS if kind is SimbaStack else SacSettings(replay_capacity=CAPACITY, batch_size=BATCH)
    settings = replace(settings, hidden=8, encoder_gradient="auxiliary")
    stack = kind([None, loss_of("a2_winner")], [3, 4], VECTORS, ACTION, settings)
    replay = Replay(stack.horizon, CAPACITY, VECTORS, ACTION)
    fill(replay, [3, 4])
    before = [parameter.detach().clone() for parameter in stack.encoder.parameters()]
    critic = [parameter.detach().clone() for parameter in stack.critic.parameters()]
    for _ in range(2):
        stack.update(replay)
    pairs = list(zip(stack.encoder.parameters(), before, strict=True))
    assert all(torch.equal(now[0], old[0]) for now, old in pairs)
    assert not any(torch.equal(now[1], old[1]) for now, old in pairs)
    pairs = list(zip(stack.critic.parameters(), critic, strict=True))
    assert not any(torch.equal(now[0], old[0]) for now, old in pairs)
    names = {id(parameter) for parameter in stack.optimizers["critic"].trained}
    assert not names & {id(parameter) for parameter in stack.encoder.parameters()}


@pytest.mark.parametrize(("steps", "discount"), [(500, 0.99), (250, 0.98), (60, 0.95), (5_000, 0.995)])
def test_the_discount_follows_the_length_of_episodes(steps: int, discount: float) -> None:
    """As in its authors' code, whose episodes of DeepMind Control have 500 steps."""
    assert SimbaSettings.published(steps).discount == pytest.approx(discount)


def test_the_command_trains_plays_and_refuses(tmp_path: Path) -> None:
    quick = ("--env", "cartpole-swingup", "--hidden", "16", "--batch-size", "8", "--random-steps", "20")
    out = tmp_path / "run"
    train = (
        "train",
        *quick,
        "--agent",
        "simba",
        "--frames",
        "800",
        "--eval-every",
        "800",
        "--eval-episodes",
        "1",
    )
    train += ("--loss", "a2_winner", "--out", out, "--deterministic", "--encoder-gradient", "auxiliary")
    done = a2l(*train)
    assert done.returncode == 0, done.stderr
    plan = json.loads((out / "run.json").read_text())["plan"]
    assert plan["algorithm"] == "simba"
    assert plan["settings"]["encoder_gradient"] == "auxiliary"
    assert "already ended" in a2l(*train).stdout
    (row,) = csv.DictReader((out / "seed-0.csv").read_text().splitlines())
    played = a2l("play", out)
    assert f"episode 1: return {float(row['return']):.1f}" in played.stdout, played.stderr
    program = tmp_path / "policy.pt2"
    assert a2l("play", out, "--export", program).returncode == 0
    seen = torch.randn(3, 5, generator=torch.Generator().manual_seed(0))
    action, _ = torch.export.load(program).module()(seen)
    assert np.array_equal(action.detach().numpy(), load_policy(out).act(seen))
    for words, said in (
        (("--agent", "rainbow"), "can't act in cartpole-swingup"),
        (("--agent", "simbaa"), "did you mean `simba`?"),
        (("--agent", "simba", "--obs", "pixels"), "SimBa sees vectors"),
        (("--agent", "simba", "--preset", "laptop"), "the preset laptop is for SAC"),
        (("--encoder-gradient", "critic"), "encoder_gradient"),
    ):
        refused = a2l("train", *quick, "--loss", "none", *words)
        assert refused.returncode in (1, 2)
        assert said in refused.stderr


def test_a_search_can_have_it(tmp_path: Path) -> None:
    study = tmp_path / "study"
    command = (
        "evolve",
        "--env",
        "cartpole-swingup",
        "--agent",
        "simba",
        "--set",
        "replay_ratio=1",
        "--study",
        study,
    )
    command += ("--population", "1", "--generations", "1", "--frames", "1200", "--race", "0")
    done = a2l(*command)
    assert done.returncode == 0, done.stderr
    assert load_policy(study).trained.training.settings.replay_ratio == 1

"""The networks of SAC against their formulas, member by member."""

from __future__ import annotations

from typing import TypeVar

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Normal, TanhTransform, TransformedDistribution

from a2ls_dsl.backend.counter_rng import CounterRng, Purpose
from a2ls_dsl.rl.compute.arithmetic import Precision, arithmetic
from a2ls_dsl.rl.networks.encoders import HIDDEN_ENCODER, DenseEncoder
from a2ls_dsl.rl.networks.layers import Linear
from a2ls_dsl.rl.sac.networks import Actor, TwinCritic

MEMBERS, BATCH, OBSERVATION, ACTION, HIDDEN = 3, 7, 5, 2, 16
RNG = CounterRng(torch.tensor([10, 11, 12]))


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


Network = TypeVar("Network", DenseEncoder, Actor, TwinCritic)


def fresh(network: Network) -> Network:
    """Freshly drawn, then moved a little, so that biases and gains count."""
    for member in range(MEMBERS):
        network.reset(member, RNG.member(member))
    network.double()
    with torch.no_grad():
        for number, parameter in enumerate(network.parameters()):
            parameter += 0.1 * normal(*parameter.shape, seed=number)
    return network


def mlp(layers: list[Linear], member: int, copy: int, x: Tensor) -> Tensor:
    for layer in layers[:-1]:
        x = torch.relu(x @ layer.weight[member, copy] + layer.bias[member, copy])
    return x @ layers[-1].weight[member, copy] + layers[-1].bias[member, copy]


@pytest.mark.parametrize(("inputs", "outputs"), [(8, 8), (12, 5), (5, 12), (6, 1)])
def test_orthogonal_initialisation(inputs: int, outputs: int) -> None:
    layer = Linear(MEMBERS, inputs, outputs, copies=2)
    for member in range(MEMBERS):
        layer.reset_orthogonal(member, RNG.member(member), Purpose.INIT_CRITIC, 1)
    small = torch.eye(min(inputs, outputs))
    matrices = layer.weight.detach().flatten(0, 1)
    for matrix in matrices:
        product = matrix.T @ matrix if inputs >= outputs else matrix @ matrix.T
        torch.testing.assert_close(product, small, rtol=0, atol=1e-6)
    for i in range(len(matrices)):
        for other in matrices[:i]:
            assert not torch.allclose(matrices[i], other, atol=0.01)
    assert not layer.bias.any()


def test_orthogonal_initialisation_has_no_preferred_sign() -> None:
    """Uniform over orthogonal matrices: entries of many draws have mean 0 (a bare QR has not)."""
    layer = Linear(1, 4, 4)
    draws = []
    for seed in range(400):
        layer.reset_orthogonal(0, CounterRng(torch.tensor([seed])), Purpose.INIT_ACTOR, 0)
        draws.append(layer.weight.detach()[0, 0].clone())
    assert torch.stack(draws).mean(dim=0).abs().max() < 4 * 0.5 / 400**0.5


def test_reset_touches_one_member_and_depends_on_its_seed_alone() -> None:
    crowd, alone = TwinCritic(MEMBERS, 6, ACTION, HIDDEN), TwinCritic(1, 6, ACTION, HIDDEN)
    for member in range(MEMBERS):
        crowd.reset(member, RNG.member(member))
    before = [parameter.detach().clone() for parameter in crowd.parameters()]
    crowd.reset(0, CounterRng(torch.tensor([99])))
    alone.reset(0, RNG.member(1))
    for parameter, old, single in zip(crowd.parameters(), before, alone.parameters(), strict=True):
        assert torch.equal(parameter[1:], old[1:])
        assert torch.equal(parameter[1], single[0])
    assert not torch.equal(before[0][0], crowd.trunk.layers[0].weight[0])


def test_dense_encoder_is_its_formula() -> None:
    encoder = fresh(DenseEncoder(MEMBERS, OBSERVATION))
    x = normal(MEMBERS, BATCH, OBSERVATION)
    features = encoder(x)
    assert (
        features.shape == (MEMBERS, BATCH, OBSERVATION + HIDDEN_ENCODER) == (MEMBERS, BATCH, encoder.features)
    )
    for member in range(MEMBERS):
        hidden = torch.relu(x[member] @ encoder.hidden.weight[member, 0] + encoder.hidden.bias[member, 0])
        both = torch.cat([x[member], hidden], dim=1)
        norm = nn.LayerNorm(encoder.features, dtype=torch.float64)
        norm.weight.data, norm.bias.data = encoder.norm.weight[member, 0], encoder.norm.bias[member, 0]
        expected = norm(both @ encoder.out.weight[member, 0] + encoder.out.bias[member, 0])
        torch.testing.assert_close(features[member], expected)


def test_actor_is_a_squashed_gaussian() -> None:
    actor = fresh(Actor(MEMBERS, 6, ACTION, HIDDEN, (-10.0, 2.0)))
    features, noise = normal(MEMBERS, BATCH, 6), normal(MEMBERS, BATCH, ACTION, seed=1)
    action, log_density = actor(features, noise)
    assert log_density.shape == (MEMBERS, BATCH)
    for member in range(MEMBERS):
        mean, raw = mlp(list(actor.trunk.layers), member, 0, features[member]).split(ACTION, dim=1)
        std = torch.exp(-10 + 0.5 * 12 * (torch.tanh(raw) + 1))
        before = mean + noise[member] * std
        torch.testing.assert_close(action[member], torch.tanh(before))
        torch.testing.assert_close(actor.mean(features)[member], torch.tanh(mean))
        policy = TransformedDistribution(Normal(mean, std), [TanhTransform(cache_size=1)])
        exact = policy.log_prob(policy.transforms[0](before)).sum(dim=1)
        # The release adds 1e-6 under the logarithm: so much less is the density, and no more.
        guard = torch.log1p(1e-6 / (1 - torch.tanh(before) ** 2)).sum(dim=1)
        torch.testing.assert_close(log_density[member], exact - guard, rtol=1e-9, atol=1e-9)


def test_log_density_stays_finite_at_the_edge() -> None:
    actor = Actor(1, 6, ACTION, HIDDEN, (-10.0, 2.0))
    with torch.no_grad():
        actor.trunk.layers[-1].bias += 50.0
    action, log_density = actor(torch.zeros(1, 1, 6), torch.ones(1, 1, ACTION))
    assert (action == 1).all()
    assert log_density.isfinite().all()


def test_log_std_stays_in_its_range() -> None:
    """A huge output gives the largest deviation, a hugely negative one the smallest."""
    actor = Actor(1, 6, 1, HIDDEN, (-3.0, 1.0)).double()
    noise = torch.full((1, 1, 1), 0.01, dtype=torch.float64)
    for raw, log_std in ((1e6, 1.0), (-1e6, -3.0)):
        with torch.no_grad():
            actor.trunk.layers[-1].bias[..., 1] = raw
        action, _ = actor(torch.zeros(1, 1, 6, dtype=torch.float64), noise)
        torch.testing.assert_close(torch.atanh(action), noise * torch.tensor(log_std).double().exp())


def test_twin_critics_are_two_networks() -> None:
    critic = fresh(TwinCritic(MEMBERS, 6, ACTION, HIDDEN))
    features, action = normal(MEMBERS, BATCH, 6), normal(MEMBERS, BATCH, ACTION, seed=1)
    values = critic(features, action)
    assert values.shape == (MEMBERS, 2, BATCH)
    for member in range(MEMBERS):
        x = torch.cat([features[member], action[member]], dim=1)
        for copy in range(2):
            expected = mlp(list(critic.trunk.layers), member, copy, x).squeeze(1)
            torch.testing.assert_close(values[member, copy], expected)
    for member in range(MEMBERS):
        for copy in range(2):
            gradients = torch.autograd.grad(
                values[member, copy].sum(), list(critic.parameters()), retain_graph=True
            )
            for gradient in gradients:
                assert gradient[member, copy].any()
                gradient[member, copy] = 0
                assert not gradient.any()


@pytest.mark.parametrize("precision", list(Precision))
def test_no_update_multiplies_numbers_that_are_not_normal(precision: Precision) -> None:
    """They are 0 inside, and what they were outside: the setting is one of the whole process."""
    tiny = torch.full((4, 4), 1e-39)
    assert (tiny @ torch.eye(4) > 0).all()
    with arithmetic(precision, "cpu"):
        assert not (tiny @ torch.eye(4)).any()
        assert (torch.full((4, 4), 2e-38) @ torch.eye(4) > 0).all()
    assert (tiny @ torch.eye(4) > 0).all()

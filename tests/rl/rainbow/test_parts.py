"""The parts of Rainbow against references of their own: loops, plain torch modules, hand-made cases."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from plain_rainbow import PlainNoisy, looped
from scipy import stats
from torch import Tensor, nn

from a2ls_dsl.backend.counter_rng import CounterRng, Purpose
from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.rl.rainbow.distribution import project, support
from a2ls_dsl.rl.rainbow.networks import ActionValues, FrameEncoder, NoisyLinear, shaped
from a2ls_dsl.rl.rainbow.priorities import Priorities
from a2ls_dsl.rl.rainbow.settings import PRESETS, RainbowSettings
from a2ls_dsl.rl.replay.observations import Observations

RNG = CounterRng(torch.tensor([3, 4]))
MEMBERS, BATCH, ACTIONS = 2, 5, 3


def test_projection_is_the_loop() -> None:
    generator = torch.Generator().manual_seed(0)
    probabilities = torch.rand(40, 51, generator=generator, dtype=torch.float64).softmax(dim=1)
    reward = 6 * torch.randn(40, generator=generator, dtype=torch.float64)
    discount = torch.rand(40, generator=generator, dtype=torch.float64)
    reward[:10], discount[5:15] = 0, 0  # nothing to add, and episodes that ended
    discount[15:18] = 1
    projected = project(probabilities, reward, discount, (-10.0, 10.0))
    for row in range(40):
        expected = looped(probabilities[row].tolist(), float(reward[row]), float(discount[row]), -10.0, 10.0)
        torch.testing.assert_close(
            projected[row], torch.tensor(expected, dtype=torch.float64), rtol=0, atol=1e-12
        )
    torch.testing.assert_close(projected.sum(dim=1), torch.ones(40, dtype=torch.float64))


@pytest.mark.parametrize(
    ("probabilities", "reward", "discount", "expected"),
    [
        ([0.2, 0.3, 0.5], 0.0, 1.0, [0.2, 0.3, 0.5]),  # nothing happens
        ([0.2, 0.3, 0.5], 0.5, 0.0, [0.0, 0.5, 0.5]),  # the end: all on the reward, between two atoms
        ([0.2, 0.3, 0.5], 7.0, 1.0, [0.0, 0.0, 1.0]),  # beyond the range
        ([1.0, 0.0, 0.0], 0.25, 1.0, [0.75, 0.25, 0.0]),
        ([0.0, 0.0, 1.0], 0.0, 0.5, [0.0, 0.5, 0.5]),
    ],
)
def test_projection_by_hand(
    probabilities: list[float], reward: float, discount: float, expected: list[float]
) -> None:
    """On the atoms -1, 0, 1."""
    given = torch.tensor(probabilities), torch.tensor(reward), torch.tensor(discount)
    torch.testing.assert_close(project(*given, (-1.0, 1.0)), torch.tensor(expected))
    assert support(3, (-1.0, 1.0), torch.zeros(1)).tolist() == [-1, 0, 1]


def test_noisy_layers_are_plain_ones_member_by_member() -> None:
    layer = NoisyLinear(MEMBERS, 7, 4, sigma=0.1)
    for member in range(MEMBERS):
        layer.reset(member, RNG.member(member), Purpose.INIT_CRITIC, 0)
    assert torch.allclose(layer.weight_sigma, torch.tensor(0.1 / math.sqrt(7)))
    assert torch.allclose(layer.bias_sigma, torch.tensor(0.1 / math.sqrt(4)))
    assert 0.9 / math.sqrt(7) < layer.weight.abs().max() <= 1 / math.sqrt(7)
    layer.double()
    with torch.no_grad():
        for number, parameter in enumerate(layer.parameters()):
            parameter += torch.randn(
                parameter.shape, generator=torch.Generator().manual_seed(number)
            ).double()
    normal = RNG.normal(Purpose.NOISE, 5, 11).double()
    x = torch.randn(MEMBERS, BATCH, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(9))
    noisy, silent = layer(x, shaped(normal)), layer(x, None)
    for member in range(MEMBERS):
        plain, noise = PlainNoisy(layer, member), normal[member]
        torch.testing.assert_close(noisy[member], plain(x[member], noise[:7], noise[7:]))
        torch.testing.assert_close(silent[member], plain(x[member], torch.zeros(7), torch.zeros(4)))


@pytest.mark.parametrize("duelling", [True, False])
def test_heads_are_plain_networks_member_by_member(duelling: bool) -> None:
    settings = RainbowSettings(hidden=6, atoms=4, duelling=duelling)
    values = ActionValues(MEMBERS, 5, ACTIONS, settings)
    for member in range(MEMBERS):
        values.reset(member, RNG.member(member))
    values.double()
    x = torch.randn(MEMBERS, BATCH, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    normal = RNG.normal(Purpose.NOISE, 0, values.noise).double()
    computed = values(x, shaped(normal))
    assert values.noise == (5 + 6 + 6 + 12) + (5 + 6 + 6 + 4) * duelling
    for member in range(MEMBERS):
        noise = iter(normal[member].split([5, 6, 6, 12, *([5, 6, 6, 4] if duelling else [])]))

        def head(of: nn.Module, member: int = member, noise=noise) -> Tensor:  # type: ignore[no-untyped-def]
            hidden = PlainNoisy(of.hidden, member)(x[member], next(noise), next(noise))
            return PlainNoisy(of.out, member)(hidden.relu(), next(noise), next(noise))

        expected = head(values.advantage).view(BATCH, ACTIONS, 4)
        if duelling:
            value = head(values.value)[:, None]
            expected = value + expected - expected.mean(dim=1, keepdim=True)
        torch.testing.assert_close(computed[member], expected)


def test_the_encoder_is_convolutions_member_by_member() -> None:
    """On frames of 84 pixels 576 numbers, as in CURL's code; 0..255 count as 0..1."""
    settings = RainbowSettings(projection=7)
    encoder = FrameEncoder(MEMBERS, Observations((1, 84, 84), 4, 84), settings)
    for member in range(MEMBERS):
        encoder.reset(member, RNG.member(member))
    frames = torch.randint(0, 256, (MEMBERS, 3, 4, 84, 84), generator=torch.Generator().manual_seed(0))
    latents, features = encoder.base(frames.to(torch.uint8)), encoder(frames.to(torch.uint8))
    assert latents.shape == (MEMBERS, 3, 576)
    for member in range(MEMBERS):
        x = frames[member] / 255
        for conv in encoder.convs:
            x = F.relu(F.conv2d(x, conv.weight[member], conv.bias[member], stride=conv.stride))
            assert conv.weight[member].abs().max() <= 1 / math.sqrt(conv.weight[0, 0].numel())
        expected = x.permute(0, 2, 3, 1).flatten(1)  # channels last
        torch.testing.assert_close(latents[member], expected, rtol=1e-4, atol=1e-5)
        expected = F.layer_norm(expected @ encoder.linear.weight[member, 0], (7,))
        torch.testing.assert_close(features[member], expected, rtol=1e-3, atol=1e-4)
    assert not torch.equal(encoder.convs[0].weight[0], encoder.convs[0].weight[1])


@pytest.mark.parametrize("capacity", [1, 7, 8, 30, 100])
def test_sums_are_those_of_the_rows(capacity: int) -> None:
    """After many writes, some of rows that stand twice."""
    rng, tree = np.random.default_rng(0), Priorities(3, capacity)
    plain = np.zeros((3, tree.width**3))
    for _ in range(50):
        row = rng.integers(0, capacity, (3, 4))
        priority = rng.uniform(size=(3, 4)) * rng.integers(0, 2, (3, 4))
        for member in range(3):
            priority[member] = [priority[member][list(row[member]).index(place)] for place in row[member]]
            plain[member, row[member]] = priority[member]
        tree.write(torch.as_tensor(row), torch.as_tensor(priority))
    np.testing.assert_array_equal(tree.rows.numpy(), plain)
    blocks = plain.reshape(3, -1, tree.width).sum(axis=2)
    np.testing.assert_allclose(tree.blocks.numpy(), blocks, rtol=1e-14)
    np.testing.assert_allclose(tree.groups.numpy(), blocks.reshape(3, -1, tree.width).sum(axis=2), rtol=1e-14)


def test_draws_are_in_proportion() -> None:
    """Of priorities over six orders of magnitude and rows of none, for two members at once."""
    rng, tree = np.random.default_rng(1), Priorities(2, 200)
    priority = 10 ** rng.uniform(-3, 3, (2, 200))
    priority[:, ::3] = 0
    every = torch.arange(200).expand(2, -1)
    tree.write(every, torch.as_tensor(priority))
    count = 200_000
    rows = tree.draw(RNG.uniform(Purpose.BATCH, 0, count)).numpy()
    for member in range(2):
        counts = np.bincount(rows[member], minlength=200)[:200]
        share = priority[member] / priority[member].sum()
        assert counts[share == 0].sum() == 0
        likely = share * count > 5
        drawn = [*counts[likely], counts[~likely].sum()]
        expected = [*(share[likely] * count), share[~likely].sum() * count]
        assert len(drawn) > 30
        assert stats.chisquare(drawn, expected).pvalue > 1e-3


def test_draws_at_the_borders_of_shares() -> None:
    """Ten rows of equal share: the number i / 10 begins row i's share, the last number is in the last's."""
    tree = Priorities(1, 20)
    rows = torch.tensor([[1, 2, 3, 5, 8, 9, 13, 14, 18, 19]])
    tree.write(rows, torch.ones(1, 10))
    numbers = torch.arange(10, dtype=torch.float64)[None] / 10
    assert tree.draw(numbers).tolist() == rows.tolist()
    assert tree.draw(numbers + 0.0999).tolist() == rows.tolist()
    assert tree.draw(torch.tensor([[math.nextafter(1, 0)]], dtype=torch.float64)).tolist() == [[19]]
    tree.reset(0)
    assert int(tree.draw(numbers).max()) < tree.width**3  # no priorities: any row, but a row


def test_settings_that_do_not_fit() -> None:
    for wrong in (
        {"random_steps": 20},
        {"replay_capacity": 40},
        {"noisy": False},
        {"atoms": 1},
        {"value_range": (1.0, 1.0)},
        {"updates_per_step": 0},
    ):
        with pytest.raises(A2lError):
            RainbowSettings(**wrong)  # type: ignore[arg-type]
    assert RainbowSettings(noisy=False, epsilon=0.1).epsilon == 0.1
    efficient, spr = PRESETS["efficient"], PRESETS["spr"]
    assert (efficient.multi_step, efficient.updates_per_step, efficient.target_period) == (20, 1, 2000)
    assert (spr.multi_step, spr.updates_per_step, spr.target_period, spr.augment) == (10, 2, 1, True)
    assert (efficient.noisy_sigma, spr.noisy_sigma) == (0.1, 0.5)
    # Rainbow's first copy comes after step 2,000, of which 1,600 were random.
    assert next(n for n in range(1, 5000) if efficient.steps(n) % efficient.target_period == 0) == 400
    assert all(spr.steps(n) % spr.target_period == 0 for n in range(1, 9))

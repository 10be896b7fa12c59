"""Ways to compute convolutions: the numbers and gradients of members alone, and the choice between them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from a2ls_dsl.backend.counter_rng import CounterRng
from a2ls_dsl.rl.networks import convolutions
from a2ls_dsl.rl.networks.convolutions import Arrangement, Conv, choose, convolve, use
from a2ls_dsl.rl.networks.encoders import PixelEncoder

MEMBERS, BATCH, SEEN = 3, 2, (9, 20, 20)


@pytest.fixture
def encoder() -> PixelEncoder:
    made = PixelEncoder(MEMBERS, *SEEN[:2])
    made.reset(slice(None), CounterRng(torch.arange(MEMBERS)))
    return made.double()


@pytest.mark.parametrize("way", Arrangement)
def test_every_way_is_a_convolution_a_member(way: Arrangement) -> None:
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    x, weight, bias = normal(BATCH, MEMBERS * 9, 11, 11), normal(MEMBERS, 5, 9, 3, 3), normal(MEMBERS, 5)
    x = x.to(memory_format=torch.channels_last)
    out = convolve(x, weight, bias, 2, way)
    assert out.is_contiguous(memory_format=torch.channels_last)
    for member in range(MEMBERS):
        own = torch.nn.functional.conv2d(x[:, 9 * member : 9 * member + 9], weight[member], bias[member], 2)
        torch.testing.assert_close(out[:, 5 * member : 5 * member + 5], own)


@pytest.mark.parametrize("way", [Arrangement.PADDED, Arrangement.SINGLE])
def test_encoders_learn_the_same_in_every_way(way: Arrangement, encoder: PixelEncoder) -> None:
    frames = torch.randint(0, 256, (MEMBERS, BATCH, *SEEN), generator=torch.Generator().manual_seed(0)).byte()
    parameters = list(encoder.parameters())

    def computed() -> list[Tensor]:
        features = encoder(frames)
        return [features, *torch.autograd.grad(features.sin().sum(), parameters)]

    expected = computed()
    use(encoder, way)
    for mine, its in zip(computed(), expected, strict=True):
        torch.testing.assert_close(mine, its)


@pytest.mark.parametrize("fastest", Arrangement)
def test_an_agent_takes_the_way_that_is_fastest_here(
    fastest: Arrangement, encoder: PixelEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All ways run; the times are made up."""
    agent, now, asked = torch.nn.ModuleDict({"encoder": encoder}), [0.0], set[Arrangement]()

    def slow(x: Tensor, weight: Tensor, bias: Tensor, stride: int, way: Arrangement) -> Tensor:
        asked.add(way)
        now[0] += 1 if way is fastest else 2
        return convolve(x, weight, bias, stride, way)

    monkeypatch.setattr(convolutions, "convolve", slow)
    monkeypatch.setattr(convolutions, "perf_counter", lambda: now[0])
    choose(agent, BATCH, SEEN, MEMBERS)
    assert asked == set(Arrangement)
    assert {module.way for module in agent.modules() if isinstance(module, Conv)} == {fastest}

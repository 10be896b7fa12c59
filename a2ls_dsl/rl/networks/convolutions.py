"""Ways to compute the convolutions of a stack. They give the same numbers; which is fastest is measured.

A grouped convolution of 9 input channels a group misses the matrix units of a GPU, whose operands have
multiples of 8 or 16; and a kernel for each member may be faster than one for all.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from enum import StrEnum
from time import perf_counter
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from a2ls_dsl.backend.counter_rng import CounterRng, Purpose
from a2ls_dsl.rl.networks.layers import Rows, orthogonal

_FULL = 16  # channels that a matrix unit takes at once
_WARM_UP, _TURNS = 2, 5  # libraries choose kernels in the first calls


class Arrangement(StrEnum):
    """grouped: one convolution of all members; padded: with channels of zeros, too; single: one a member."""

    GROUPED = "grouped"
    PADDED = "padded"
    SINGLE = "single"


def convolve(
    x: Tensor, weight: Tensor, bias: Tensor, stride: int, way: Arrangement = Arrangement.GROUPED
) -> Tensor:
    """(M, members * inputs, H, W) -> (M, members * outputs, H', W').

    weight: (members, outputs, inputs, kernel, kernel); bias: (members, outputs).
    """
    members, _, inputs = weight.shape[:3]
    if way is Arrangement.SINGLE and members > 1:
        pieces = zip(torch.split(x, inputs, dim=1), weight.unbind(), bias.unbind(), strict=True)
        return torch.cat([F.conv2d(*piece, stride=stride) for piece in pieces], dim=1)
    if way is Arrangement.PADDED and inputs % _FULL:
        more = _FULL - inputs % _FULL
        weight = F.pad(weight, (0, 0, 0, 0, 0, more))
        x = F.pad(torch.unflatten(x.permute(0, 2, 3, 1), 3, (members, inputs)), (0, more))
        x = x.flatten(3).permute(0, 3, 1, 2)  # channels last, as it came
    return F.conv2d(x, weight.flatten(0, 1), bias.flatten(), stride=stride, groups=members)


class Conv(nn.Module):
    """Convolutions without padding, of all members, computed in one of the ways of `convolutions.py`.

    (M, members * inputs, H, W) -> (M, members * outputs, H', W').
    """

    way: Arrangement

    def __init__(self, members: int, inputs: int, outputs: int, stride: int, kernel: int = 3) -> None:
        super().__init__()
        self.stride, self.way = stride, Arrangement.GROUPED
        self.weight = nn.Parameter(torch.zeros(members, outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(members, outputs))

    def forward(self, x: Tensor, scale: float = 1.0) -> Tensor:
        """The convolution of scale * x, without a pass over x for the scale."""
        weight = self.weight if scale == 1.0 else self.weight * scale
        return convolve(x, weight, self.bias, self.stride, self.way)

    @torch.no_grad()
    def reset_delta_orthogonal(self, members: Rows, rng: CounterRng, purpose: Purpose, layer: int) -> None:
        """Orthogonal in the centre of the 3x3 kernel with ReLU's gain, else zero (Xiao et al. 2018)."""
        outputs, inputs = self.weight.shape[1:3]
        self.weight[members] = 0
        self.weight[members, :, :, 1, 1] = 2**0.5 * orthogonal(outputs, inputs, rng, purpose, layer)
        self.bias[members] = 0

    @torch.no_grad()
    def reset_uniform(self, members: Rows, rng: CounterRng, purpose: Purpose, layer: int) -> None:
        """Weights and biases uniform within 1 / sqrt(fan-in), as torch initialises a convolution."""
        weight, bias = self.weight[0], self.bias[0]
        count = weight.numel()
        drawn = 2 * rng.uniform(purpose, layer, count + bias.numel()) - 1
        drawn = drawn / math.sqrt(weight[0].numel())
        self.weight[members] = drawn[:, :count].reshape(-1, *weight.shape)
        self.bias[members] = drawn[:, count:]


def use(network: nn.Module, way: Arrangement) -> None:
    """Let all convolutions in a network be computed so."""
    for module in network.modules():
        if isinstance(module, Conv):
            module.way = way


def measure(base: Callable[[Tensor], Tensor], network: nn.Module, frames: Tensor) -> dict[Arrangement, float]:
    """Median seconds of each way, going forward and back, for frames as `Encoder.base` takes them.

    network: whose `base` that is.
    """
    trained = [
        parameter for conv in network.modules() if isinstance(conv, Conv) for parameter in conv.parameters()
    ]
    times: dict[Arrangement, list[float]] = {way: [] for way in Arrangement}
    for turn in range(_WARM_UP + _TURNS):
        for way, spent in times.items():
            use(network, way)
            _wait(frames.device)
            begin = perf_counter()
            torch.autograd.grad(base(frames).sum(), trained)
            _wait(frames.device)
            if turn >= _WARM_UP:
                spent.append(perf_counter() - begin)
    return {way: statistics.median(spent) for way, spent in times.items()}


def choose(agent: nn.Module, batch: int, seen: tuple[int, ...], members: int) -> None:
    """Compute an agent's convolutions in the way that is fastest for batches of what a member has seen."""
    encoder: Any = agent.get_submodule("encoder")
    device = next(encoder.parameters()).device
    values = torch.arange(256, device=device).to(torch.uint8)  # zeros would be quicker to multiply
    size = math.prod(seen)
    frame = values.repeat(size // 256 + 1)[:size].view(seen)
    frames = frame.expand(members, batch, *seen).contiguous()
    times = measure(encoder.base, encoder, frames)
    use(agent, min(times, key=lambda way: times[way]))


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)

"""What views and normalisers compute, and the learned maps. Written for files, too, as `operators.py` is.

A view takes observations (..., B, n) of vectors or (..., B, channels, height, width) of frames; leading
dimensions are the members of a stack. What a view is not made for it leaves as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Draws(Protocol):
    """Random numbers for views. Shapes are those without the dimensions of members, which are put before."""

    def uniform(self, x: Tensor, *shape: int) -> Tensor:
        """Numbers in [0, 1), on the device of x."""

    def normal(self, x: Tensor, *shape: int) -> Tensor:
        """Standard normal numbers, on the device of x."""


class Generated:
    """Random numbers of a torch generator; by default of torch's own."""

    def __init__(self, generator: torch.Generator | None = None) -> None:
        self.generator = generator

    def uniform(self, x: Tensor, *shape: int) -> Tensor:
        return torch.rand(shape, generator=self.generator, device=x.device)

    def normal(self, x: Tensor, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self.generator, device=x.device)


def are_frames(x: Tensor) -> bool:
    """Whether observations are frames: vectors of a stack have three dimensions, frames four at least."""
    return x.dim() > 3


def pixels_at(frames: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """The pixels of frames (B, C, H, W) at rows (B, h) and columns (B, w): contiguous, (B, C, h, w)."""
    places = rows[:, :, None] * frames.shape[-1] + columns[:, None, :]
    flat = places.flatten(1)[:, None].expand(-1, frames.shape[1], -1)
    return frames.flatten(2).gather(2, flat).view(*frames.shape[:2], *places.shape[1:])


def crop(x: Tensor, whole: Tensor | None, draws: Draws) -> Tensor:
    """A random piece as large as x out of the frames that x was cut out of (Laskin et al. 2020)."""
    if whole is None:
        return x
    height, width = x.shape[-2:]
    room = torch.tensor([whole.shape[-2] - height + 1, whole.shape[-1] - width + 1], device=x.device)
    first = (draws.uniform(x, len(x), 2) * room).long()
    rows = first[:, :1] + torch.arange(height, device=x.device)
    columns = first[:, 1:] + torch.arange(width, device=x.device)
    return pixels_at(whole, rows, columns)


def shift(x: Tensor, draws: Draws, pixels: float) -> Tensor:
    """Frames padded with their border and cropped back at random (Yarats et al. 2021)."""
    if not are_frames(x):
        return x
    height, width = x.shape[-2:]
    moved = (draws.uniform(x, x.shape[-4], 2) * (2 * int(pixels) + 1)).long() - int(pixels)
    down, right = moved.reshape(-1, 2, 1).unbind(1)
    rows = (torch.arange(height, device=x.device) + down).clamp(0, height - 1)
    columns = (torch.arange(width, device=x.device) + right).clamp(0, width - 1)
    return pixels_at(x.flatten(0, -4), rows, columns).reshape(x.shape)


def intensity(x: Tensor, draws: Draws, scale: float) -> Tensor:
    """Frames times one factor a sample, normal around 1 and cut at two deviations (Yarats et al. 2021)."""
    if not are_frames(x):
        return x
    factor = 1 + scale * draws.normal(x, x.shape[-4]).clamp(-2, 2)
    return x * factor[..., None, None, None].to(x.dtype if x.is_floating_point() else torch.float32)


def noise(x: Tensor, draws: Draws, deviation: float) -> Tensor:
    """Gaussian noise, added to vectors (Laskin et al. 2020)."""
    if are_frames(x):
        return x
    return x + deviation * draws.normal(x, *x.shape[-2:]).to(x)


def mask(x: Tensor, draws: Draws, share: float) -> Tensor:
    """Drops numbers of vectors, patches of 12 x 12 pixels of frames (Yu et al. 2022)."""
    if not are_frames(x):
        return x.masked_fill(draws.uniform(x, *x.shape[-2:]) < share, 0)
    batch, height, width = x.shape[-4], *x.shape[-2:]
    dropped = draws.uniform(x, batch, -(-height // 12), -(-width // 12)) < share
    pixels = dropped.repeat_interleave(12, dim=-2).repeat_interleave(12, dim=-1)
    return x.masked_fill(pixels[..., None, :height, :width], 0)


def l2(x: Tensor) -> Tensor:
    """Latents divided by their Euclidean length."""
    return F.normalize(x, dim=-1)


def avgl1(x: Tensor) -> Tensor:
    """Latents divided by the mean of their absolute values (Fujimoto et al. 2023)."""
    return x / x.abs().mean(dim=-1, keepdim=True).clamp_min(1e-8)


def simnorm(x: Tensor, size: float) -> Tensor:
    """A softmax over each group of so many numbers; the last group has what is left (Hansen et al. 2024)."""
    return torch.cat([each.softmax(dim=-1) for each in torch.split(x, int(size), dim=-1)], dim=-1)


def discounted(numbers: Sequence[Tensor], discount: float) -> Tensor:
    """The sum of numbers, each discounted once more than the one before."""
    return torch.stack([discount**i * x for i, x in enumerate(numbers)]).sum(dim=0)


def scheduled(start: float, end: float, length: float, frames: float) -> float:
    """A weight that goes from `start` to `end` in a straight line over so many frames, and stays there."""
    return start + (end - start) * min(max(frames / length, 0.0), 1.0)


def predictor(inputs: int, outputs: int) -> nn.Sequential:
    """The predictor of He et al. 2022: Linear, BatchNorm, ReLU, Linear, with 2 x inputs hidden units.

    The normalisation always uses the statistics of the batch: the loss is only ever taken in training.
    """
    hidden = 2 * inputs
    return nn.Sequential(
        nn.Linear(inputs, hidden),
        nn.BatchNorm1d(hidden, track_running_stats=False),
        nn.ReLU(),
        nn.Linear(hidden, outputs),
    )


def mlp(inputs: int, hidden: Sequence[int], outputs: int) -> nn.Sequential:
    """Hidden layers with ReLUs, then a linear layer."""
    layers: list[nn.Module] = []
    for width in hidden:
        layers += [nn.Linear(inputs, width), nn.ReLU()]
        inputs = width
    return nn.Sequential(*layers, nn.Linear(inputs, outputs))


def newest_frame(x: Tensor) -> Tensor:
    """Observations as data (..., n): vectors as they are, of frames the newest one in 0..1, 4x smaller.

    A frame has three channels where their number is a multiple of three, else one; bytes are divided by 255.
    """
    if not are_frames(x):
        return x
    channels = 3 if x.shape[-3] % 3 == 0 else 1
    frame = x[..., -channels:, :, :]
    frame = frame if frame.is_floating_point() else frame / 255
    return F.avg_pool2d(frame.flatten(0, -4), 4).reshape(*frame.shape[:-3], -1)

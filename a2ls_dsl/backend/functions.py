"""Computations besides the formulas of entries; exported files contain this text too."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from a2ls_dsl.words.views.frames import are_frames


class Generated:
    """Random numbers of a torch generator, by default the global one."""

    def __init__(self, generator: torch.Generator | None = None) -> None:
        self.generator = generator

    def uniform(self, x: Tensor, *shape: int) -> Tensor:
        return torch.rand(shape, generator=self.generator, device=x.device)

    def normal(self, x: Tensor, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self.generator, device=x.device)


def discounted(numbers: Sequence[Tensor], discount: float) -> Tensor:
    """The sum of numbers, each discounted once more than the one before."""
    return torch.stack([discount**i * x for i, x in enumerate(numbers)]).sum(dim=0)


def scheduled(start: float, end: float, length: float, frames: float) -> float:
    """A weight that goes from `start` to `end` in a straight line over that many frames, and stays there."""
    return start + (end - start) * min(max(frames / length, 0.0), 1.0)


def spread(x: Tensor, bins: int, low: float, high: float, symlog: bool, smoothing: float = 0) -> Tensor:
    """Numbers (..., D) as distributions over bins (..., D * bins).

    The two nearest bins share each number. With smoothing, its distribution is a normal one around it, with
    a deviation of `smoothing` bins, cut to the range (Farebrother et al. 2024).
    """
    # Half precision holds no whole numbers beyond 256.
    place = x.to(torch.promote_types(x.dtype, torch.float32))
    if symlog:
        place = place.sign() * place.abs().log1p()
    place = (place.clamp(low, high) - low) * ((bins - 1) / (high - low))
    if smoothing:
        edges = torch.arange(bins + 1, device=x.device, dtype=place.dtype) - 0.5
        below: Tensor = torch.special.ndtr((edges - place[..., None]) / smoothing)
        shares = below.diff(dim=-1) / (below[..., -1:] - below[..., :1])
        return shares.flatten(-2).to(x.dtype)
    centres = torch.arange(bins, device=x.device, dtype=place.dtype)
    return (1 - (place[..., None] - centres).abs()).clamp_min(0).flatten(-2).to(x.dtype)


def drawn(share: Tensor, count: int, ratio: float) -> Tensor:
    """Places (..., B, 1) from 0 to count - 1 for numbers (..., B) that are uniform in [0, 1).

    Each place is ratio times as probable as the one before it.
    """
    if ratio == 1:
        places = share.double() * count
    else:
        places = torch.log1p(share.double() * (ratio**count - 1)) / math.log(ratio)
    return places.long().clamp(0, count - 1)[..., None]


def chosen(places: Tensor, steps: Sequence[Tensor]) -> Tensor:
    """For each sample the step (..., B, ...) at its place (..., B, 1)."""
    several = torch.stack(list(steps))
    index = places[..., 0].reshape(1, *places.shape[:-1], *[1] * (several.dim() - places.dim()))
    return several.gather(0, index.expand(1, *several.shape[1:]))[0]


def newest_frame(x: Tensor) -> Tensor:
    """Observations as data (..., n): vectors unchanged; of frames the newest, in 0..1 and 4x smaller.

    A frame has three channels where their number is a multiple of three, else one; bytes are divided by 255.
    """
    if not are_frames(x):
        return x
    channels = 3 if x.shape[-3] % 3 == 0 else 1
    frame = x[..., -channels:, :, :]
    frame = frame if frame.is_floating_point() else frame / 255
    return F.avg_pool2d(frame.flatten(0, -4), 4).reshape(*frame.shape[:-3], -1)

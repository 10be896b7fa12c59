"""Normalisers of latents (..., D)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from a2ls_dsl.words.entry import Number
from a2ls_dsl.words.numbers import Range
from a2ls_dsl.words.operators.a2ls import normalise
from a2ls_dsl.words.registry import normaliser

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@normaliser("divides a latent by its Euclidean length", scale_free=True, latex=r"\ell_2")
def l2(x: Tensor) -> Tensor:
    """Latents divided by their Euclidean length."""
    return normalise(x)


@normaliser(
    "divides a latent by the mean of its absolute values",
    source="Fujimoto et al. 2023, arXiv 2306.02451",
    scale_free=True,
    latex=r"\mathrm{AvgL1}",
)
def avgl1(x: Tensor) -> Tensor:
    """Latents divided by the mean of their absolute values (Fujimoto et al. 2023)."""
    size = x.abs().mean(dim=-1, keepdim=True)
    return x * torch.where(size > 1e-8, 1 / size.clamp_min(1e-8), 0)  # 0 has no direction, and no gradient


@normaliser(
    "a softmax over each group of so many numbers of a latent",
    example="simnorm(s[t], 8)",
    parameters=(Number("size", 8, Range(2, 512, whole=True)),),
    source="Hansen et al. 2024, arXiv 2310.16828",
    latex=r"\mathrm{SimNorm}",
)
def simnorm(x: Tensor, size: float) -> Tensor:
    """A softmax over each group of so many numbers; the last group has what is left (Hansen et al. 2024)."""
    return torch.cat([group.softmax(dim=-1) for group in torch.split(x, int(size), dim=-1)], dim=-1)

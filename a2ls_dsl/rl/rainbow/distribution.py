"""Distributions of values on a fixed support: C51 (Bellemare et al. 2017, arXiv 1707.06887)."""

from __future__ import annotations

import torch
from torch import Tensor


def support(atoms: int, value_range: tuple[float, float], like: Tensor) -> Tensor:
    """(atoms,) values at equal distances."""
    low, high = value_range
    steps = torch.arange(atoms, device=like.device, dtype=like.dtype)
    return low + steps * ((high - low) / (atoms - 1))


def project(
    probabilities: Tensor, reward: Tensor, discount: Tensor, value_range: tuple[float, float]
) -> Tensor:
    """The distribution of `reward + discount * value`, on the support again.

    probabilities: (..., atoms); reward, discount: (...). A shifted atom gives its probability to its two
    neighbours, each the more the nearer; what leaves the range goes to its ends.
    """
    atoms = probabilities.shape[-1]
    low, high = value_range
    values = reward[..., None] + discount[..., None] * support(atoms, value_range, probabilities)
    place = (values.clamp(low, high) - low) * ((atoms - 1) / (high - low))
    # Shares as a matrix, shifted atom by atom: no scattering, so sums have one order on every device.
    atom = torch.arange(atoms, device=place.device, dtype=place.dtype)
    shares = (1 - (place[..., None] - atom).abs()).clamp(min=0)
    return (probabilities[..., None] * shares).sum(dim=-2)

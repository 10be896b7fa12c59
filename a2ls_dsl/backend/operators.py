"""The operators, one formula each. Rows y (prediction) and z (target) are (..., B, D), results (...).

The first five are as the release of He et al. 2022 computes them. Where a formula contrasts a sample with
others of its batch, `with negatives` does so through a cross-entropy over all B x B pairs with the diagonal
as label; without negatives only the diagonal of that matrix is kept and zeros stand elsewhere, which is
``log(1 + (B - 1) exp(-d))`` for the similarity d of a pair: it pushes d up and saturates. mse and nmse with
negatives subtract the same distance to another sample's target.

Leading dimensions are the members of a stack; all of it works without them. The functions are also the text
that `export.py` writes into files, so they read nothing but torch and each other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Operation:
    """What distinguishes the operators of He et al. 2022.

    normalised: rows are divided by their norm first. similarity: a cross-entropy over similarities of pairs
    rather than a squared distance. bilinear: a learned (D, D) matrix, drawn from U[0, 1), multiplies the
    target, and the cross-entropy runs over the predictions for one target instead of the reverse.
    """

    normalised: bool = False
    similarity: bool = False
    bilinear: bool = False


OPERATIONS = {
    "mse": Operation(),
    "nmse": Operation(normalised=True),
    "inner": Operation(similarity=True),
    "bilinear": Operation(similarity=True, bilinear=True),
    "cosine": Operation(normalised=True, similarity=True),
}


def normalise(rows: Tensor) -> Tensor:
    """Rows divided by their L2 norm."""
    return F.normalize(rows, dim=-1)


def distance(y: Tensor, z: Tensor, against_batch: bool) -> Tensor:
    """Mean squared error; with negatives less that to another sample's target."""
    error = (y - z).square().mean(dim=(-2, -1))
    if not against_batch:
        return error
    # The samples of a batch are exchangeable, so a shift by one is as good a permutation as a random one,
    # never pairs a sample with itself, and needs no random numbers.
    return error - (y - z.roll(1, dims=-2)).square().mean(dim=(-2, -1))


def similarity(logits: Tensor, against_batch: bool) -> Tensor:
    """Cross-entropy over (B, B) logits whose diagonal holds the matching pairs."""
    matching = logits.diagonal(dim1=-2, dim2=-1)
    if against_batch:
        return (logits.logsumexp(dim=-1) - matching).mean(dim=-1)
    others = math.log(logits.shape[-1] - 1) if logits.shape[-1] > 1 else -math.inf
    return F.softplus(others - matching).mean(dim=-1)


def huber(y: Tensor, z: Tensor) -> Tensor:
    """Half the squared error below 1, the absolute error less one half beyond."""
    return F.smooth_l1_loss(y, z, reduction="none").mean(dim=(-2, -1))


def cross_entropy(y: Tensor, z: Tensor, bins: int) -> Tensor:
    """Logits y of the distributions z over bins, both (..., B, D * bins)."""
    logits, target = (rows.reshape(*rows.shape[:-1], -1, bins) for rows in (y, z))
    entropies: Tensor = -(target * logits.log_softmax(dim=-1)).sum(dim=-1)
    return entropies.mean(dim=(-2, -1))


def spread(x: Tensor, bins: int, low: float, high: float, symlog: bool) -> Tensor:
    """Numbers (..., D) as distributions over bins (..., D * bins): the two nearest share each number."""
    # Half precision holds no whole numbers beyond 256.
    place = x.to(torch.promote_types(x.dtype, torch.float32))
    if symlog:
        place = place.sign() * place.abs().log1p()
    place = (place.clamp(low, high) - low) * ((bins - 1) / (high - low))
    centres = torch.arange(bins, device=x.device, dtype=place.dtype)
    return (1 - (place[..., None] - centres).abs()).clamp_min(0).flatten(-2).to(x.dtype)


def variance(y: Tensor) -> Tensor:
    """How far deviations over the batch lie below 1 (Bardes et al. 2022)."""
    return F.relu(1 - (y.var(dim=-2) + 1e-4).sqrt()).mean(dim=-1)


def covariance(y: Tensor) -> Tensor:
    """Squared covariances of different numbers over the batch, divided by D (Bardes et al. 2022)."""
    centred = y - y.mean(dim=-2, keepdim=True)
    matrix = centred.mT @ centred / (y.shape[-2] - 1)
    squares = matrix.square()
    return (squares.sum(dim=(-2, -1)) - squares.diagonal(dim1=-2, dim2=-1).sum(dim=-1)) / y.shape[-1]


def barlow(y: Tensor, z: Tensor, redundancy: float) -> Tensor:
    """How far the cross-correlation over the batch lies from the identity (Zbontar et al. 2021)."""
    y, z = (F.layer_norm(rows.mT, rows.shape[-2:-1]).mT for rows in (y, z))
    correlation = y.mT @ z / y.shape[-2]
    own = correlation.diagonal(dim1=-2, dim2=-1)
    others = correlation.square().sum(dim=(-2, -1)) - own.square().sum(dim=-1)
    return (1 - own).square().sum(dim=-1) + redundancy * others


def diffuse(x: Tensor, other: Tensor) -> Tensor:
    """The diffuse distance of rows: mean squared lengths plus 0.1 times the angle (Castro et al. 2021)."""
    lengths = (x.square().sum(dim=-1) + other.square().sum(dim=-1)) / 2
    cosine = F.cosine_similarity(x, other, dim=-1)
    # The root has no slope at 0, where rows are parallel.
    return lengths + 0.1 * torch.atan2((1 - cosine.square()).clamp_min(1e-9).sqrt(), cosine)


def mico(y: Tensor, reward: Tensor, z: Tensor, discount: float) -> Tensor:
    """Diffuse distances of states against those of what follows, each sample with the one before it."""
    y_other, r_other, z_other = (rows.roll(1, dims=-2) for rows in (y, reward, z))
    goal = (reward - r_other).abs().squeeze(-1) + discount * diffuse(z, z_other)
    return (diffuse(y, y_other) - goal).square().mean(dim=-1)


def bisim(y: Tensor, reward: Tensor, z: Tensor, discount: float) -> Tensor:
    """L1 distances of states against those of what follows (Zhang et al. 2021)."""
    y_other, r_other, z_other = (rows.roll(1, dims=-2) for rows in (y, reward, z))
    goal = (reward - r_other).abs().squeeze(-1) + discount * (z - z_other).abs().sum(dim=-1)
    return ((y - y_other).abs().sum(dim=-1) - goal).square().mean(dim=-1)

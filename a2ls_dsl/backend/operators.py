"""The ten operators, one formula each, for one member. Rows y (prediction) and z (target) are (B, D).

As the release of He et al. 2022 computes them. Means run over batch and features. Where a formula contrasts a
sample with others of its batch, `with negatives` does so through a cross-entropy over all B x B pairs with
the diagonal as label and no temperature; without negatives only the diagonal of that matrix is kept and
zeros stand elsewhere, which is ``log(1 + (B - 1) exp(-d))`` for the similarity d of a pair: it pushes d up
and saturates. mse and nmse with negatives subtract the same distance to another sample's target.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Operation:
    """What distinguishes the operators.

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


def compare(operator: str, against_batch: bool, y: Tensor, z: Tensor, bilinear: Tensor | None) -> Tensor:
    """The loss of one term, a scalar. `bilinear` is the (D, D) matrix of that operator."""
    match operator:
        case "mse":
            return distance(y, z, against_batch)
        case "nmse":
            return distance(normalise(y), normalise(z), against_batch)
        case "inner":
            return similarity(y @ z.T, against_batch)
        case "cosine":
            return similarity(normalise(y) @ normalise(z).T, against_batch)
        case "bilinear":
            if bilinear is None:
                raise ValueError("the bilinear operator needs its matrix")
            return similarity(z @ bilinear @ y.T, against_batch)
    raise ValueError(f"unknown operator {operator}")


def normalise(rows: Tensor) -> Tensor:
    """Rows divided by their L2 norm."""
    return F.normalize(rows, dim=-1)


def distance(y: Tensor, z: Tensor, against_batch: bool) -> Tensor:
    """Mean squared error, (B, D) each; with negatives less that to another sample's target."""
    error = (y - z).square().mean()
    if not against_batch:
        return error
    # The samples of a batch are exchangeable, so a shift by one is as good a permutation as a random one,
    # never pairs a sample with itself, and needs no random numbers.
    return error - (y - z.roll(1, dims=0)).square().mean()


def similarity(logits: Tensor, against_batch: bool) -> Tensor:
    """Cross-entropy over (B, B) logits whose diagonal holds the matching pairs."""
    batch = logits.shape[0]
    if against_batch:
        return F.cross_entropy(logits, torch.arange(batch, device=logits.device))
    others = math.log(batch - 1) if batch > 1 else -math.inf
    return F.softplus(others - logits.diagonal()).mean()

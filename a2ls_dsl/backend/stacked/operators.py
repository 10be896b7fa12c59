"""The ten operators for all lanes of a bucket at once; lane by lane equal to `words/operators/a2ls.py`.

All ten operators are two formulas over predictions and targets that were
first normalised (nmse, cosine) or multiplied by a matrix (bilinear), so a mixed bucket costs one distance
and one product of all pairs. Which parts are computed at all depends on the bucket's size alone.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

if TYPE_CHECKING:
    from a2ls_dsl.backend.stacked.bucket import Bucket


def compare(bucket: Bucket, y: Tensor, z: Tensor) -> Tensor:
    """The loss of every lane, (lanes,).

    y, z: predictions and targets (lanes, D, B). Columns that a lane doesn't use are zero in both.
    """
    uses = bucket.uses
    if uses(normalised=True):
        mixed = uses(normalised=False)
        y, z = (_of_some(bucket.normalised, mixed, F.normalize(x, dim=1), x) for x in (y, z))
    if not uses(similarity=True):
        return _distances(bucket, y, z)
    if not uses(similarity=False):
        return _similarities(bucket, y, z)
    return torch.where(bucket.similarity, _similarities(bucket, y, z), _distances(bucket, y, z))


def _distances(bucket: Bucket, y: Tensor, z: Tensor) -> Tensor:
    count = bucket.width * y.shape[2]
    losses = F.mse_loss(y, z, reduction="none").sum(dim=(1, 2)) / count
    if not bucket.uses(similarity=False, against=True):
        return losses
    negatives = F.mse_loss(y, z.roll(1, dims=2), reduction="none").sum(dim=(1, 2)) / count
    differences = losses - negatives
    mixed = bucket.uses(similarity=False, against=False)
    return torch.where(bucket.against, differences, losses) if mixed else differences


def _similarities(bucket: Bucket, y: Tensor, z: Tensor) -> Tensor:
    if bucket.matrix is not None:
        z = _of_some(bucket.bilinear, bucket.uses(bilinear=False), bucket.matrix.mT @ z, z)
    batch = y.shape[2]
    others = math.log(batch - 1) if batch > 1 else -math.inf
    if not bucket.uses(similarity=True, against=True):
        return F.softplus(others - (z * y).sum(dim=1)).mean(dim=1)
    logits = z.mT @ y
    matching = logits.diagonal(dim1=1, dim2=2)
    # One row of logits is one softmax: over predictions for bilinear, over targets for the other two.
    rows = logits.mT
    if bucket.matrix is not None:
        rows = _of_some(bucket.bilinear, bucket.uses(similarity=True, bilinear=False), logits, rows)
    contrast = (rows.logsumexp(dim=2) - matching).mean(dim=1)
    if not bucket.uses(similarity=True, against=False):
        return contrast
    return torch.where(bucket.against, contrast, F.softplus(others - matching).mean(dim=1))


def _of_some(lanes: Tensor, mixed: bool, chosen: Tensor, others: Tensor) -> Tensor:
    """What is chosen for some lanes, (lanes, ...); if not `mixed`, for all."""
    return torch.where(lanes.view(-1, 1, 1), chosen, others) if mixed else chosen

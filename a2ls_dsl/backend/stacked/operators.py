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

    y: predictions (lanes, D, B); z: targets (lanes, B, D). Columns that a lane doesn't use are zero in both.
    """
    uses = bucket.uses
    if uses(normalised=True):
        normalised = bucket.normalised.view(-1, 1, 1)
        y = torch.where(normalised, F.normalize(y, dim=1), y)
        z = torch.where(normalised, F.normalize(z, dim=2), z)
    if not uses(similarity=True):
        return _distances(bucket, y, z)
    if not uses(similarity=False):
        return _similarities(bucket, y, z)
    similarity = bucket.similarity
    return torch.where(similarity, _similarities(bucket, y, z), _distances(bucket, y, z))


def _distances(bucket: Bucket, y: Tensor, z: Tensor) -> Tensor:
    count = bucket.width * y.shape[2]
    losses = (y.mT - z).square().sum(dim=(1, 2)) / count
    if not bucket.uses(similarity=False, against=True):
        return losses
    negatives = (y.mT - z.roll(1, dims=1)).square().sum(dim=(1, 2)) / count
    return torch.where(bucket.against, losses - negatives, losses)


def _similarities(bucket: Bucket, y: Tensor, z: Tensor) -> Tensor:
    bilinear = bucket.bilinear.view(-1, 1, 1)
    if bucket.matrix is not None:
        z = torch.where(bilinear, z @ bucket.matrix, z)
    batch = y.shape[2]
    matching = (z * y.mT).sum(dim=2)
    others = math.log(batch - 1) if batch > 1 else -math.inf
    alone = F.softplus(others - matching).mean(dim=1)
    if not bucket.uses(similarity=True, against=True):
        return alone
    logits = z @ y
    # One row of logits is one softmax: over predictions for bilinear, over targets for the other two.
    rows = torch.where(bilinear, logits, logits.mT)
    contrast = (rows.logsumexp(dim=2) - matching).mean(dim=1)
    return torch.where(bucket.against, contrast, alone)

"""The ten operators for all lanes of a stack at once; lane by lane equal to `backend/operators.py`.

A lane is one term of one member. All ten operators are two formulas over predictions and targets that were
first normalised (nmse, cosine) or multiplied by a matrix (bilinear), so a mixed stack costs one distance
and one product of all pairs. Which parts are computed at all depends on the stack's capacity alone.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from a2ls_dsl.backend.stacked.tables import Tables


def compare(tables: Tables, y: Tensor, z: Tensor, matrix: Tensor | None) -> Tensor:
    """The loss of every lane, (lanes,).

    y: predictions (lanes, D, B); z: targets (lanes, B, D); matrix: (lanes, D, D), or None where the stack
    has no bilinear operator. Columns that a lane doesn't use are zero in y and z.
    """
    uses = tables.capacity.uses
    if uses(normalised=True):
        normalised = tables.normalised.view(-1, 1, 1)
        y = torch.where(normalised, F.normalize(y, dim=1), y)
        z = torch.where(normalised, F.normalize(z, dim=2), z)
    if not uses(similarity=True):
        return _distances(tables, y, z)
    if not uses(similarity=False):
        return _similarities(tables, y, z, matrix)
    similarity = tables.similarity.flatten()
    return torch.where(similarity, _similarities(tables, y, z, matrix), _distances(tables, y, z))


def _distances(tables: Tables, y: Tensor, z: Tensor) -> Tensor:
    count = tables.width.flatten() * y.shape[2]
    losses = (y.mT - z).square().sum(dim=(1, 2)) / count
    if not tables.capacity.uses(similarity=False, against=True):
        return losses
    negatives = (y.mT - z.roll(1, dims=1)).square().sum(dim=(1, 2)) / count
    return torch.where(tables.against.flatten(), losses - negatives, losses)


def _similarities(tables: Tables, y: Tensor, z: Tensor, matrix: Tensor | None) -> Tensor:
    bilinear = tables.bilinear.view(-1, 1, 1)
    if matrix is not None:
        z = torch.where(bilinear, z @ matrix, z)
    batch = y.shape[2]
    matching = (z * y.mT).sum(dim=2)
    others = math.log(batch - 1) if batch > 1 else -math.inf
    alone = F.softplus(others - matching).mean(dim=1)
    if not tables.capacity.uses(similarity=True, against=True):
        return alone
    logits = z @ y
    # One row of logits is one softmax: over predictions for bilinear, over targets for the other two.
    rows = torch.where(bilinear, logits, logits.mT)
    contrast = (rows.logsumexp(dim=2) - matching).mean(dim=1)
    return torch.where(tables.against.flatten(), contrast, alone)

"""Errors of a prediction, number by number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from a2ls_dsl.words.entry import Number, Sets
from a2ls_dsl.words.language import BINS
from a2ls_dsl.words.numbers import Range
from a2ls_dsl.words.registry import operator

if TYPE_CHECKING:
    import torch.nn.functional as F
    from torch import Tensor


@operator(
    "squared error near 0, absolute error beyond 1",
    example="huber({ s[t], a[t] } -> { r[t] })",
    stacks=True,
    text="mean of e² / 2 where |e| < 1, of |e| − 1/2 beyond, e = y − z",
    latex=r"\tfrac{{1}}{{D}} \sum_{{d}} \mathrm{{Huber}}\bigl(({y} - {z})_d\bigr)",
)
def huber(y: Tensor, z: Tensor) -> Tensor:
    """Half the squared error below 1, the absolute error less one half beyond."""
    return F.smooth_l1_loss(y, z, reduction="none").mean(dim=(-2, -1))


@operator(
    "cross-entropy; each number of the target is spread over two neighbouring bins",
    example="ce({ s[t], a[t] } -> { r[t] }) with bins = 101",
    sets=Sets.DATA_TARGET,
    needs_head=True,
    stacks=True,
    options=(
        Number(
            BINS, 65, Range(2, 1001, whole=True), "how many bins each number of the target is spread over"
        ),
    ),
    source="Bellemare et al. 2017, arXiv 1707.06887",
    text="cross-entropy of softmax(y) and z, each number of z spread over its two nearest bins",
    latex=r"-\mathrm{{twohot}}_{{{bins}}}({z})^\top \log \operatorname{{softmax}}({y})",
)
def ce(y: Tensor, z: Tensor, bins: float) -> Tensor:
    """Logits y of the distributions z over bins, both (..., B, D * bins)."""
    logits, target = (rows.reshape(*rows.shape[:-1], -1, int(bins)) for rows in (y, z))
    entropies: Tensor = -(target * logits.log_softmax(dim=-1)).sum(dim=-1)
    return entropies.mean(dim=(-2, -1))

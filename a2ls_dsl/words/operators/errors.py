"""Errors of a prediction, number by number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from a2ls_dsl.words.entry import Number, Sets
from a2ls_dsl.words.language import BINS, HIGH, LOW, SMOOTHING
from a2ls_dsl.words.numbers import Range
from a2ls_dsl.words.operators.a2ls import normalise
from a2ls_dsl.words.registry import operator

if TYPE_CHECKING:
    import torch.nn.functional as F
    from torch import Tensor


@operator(
    "squared error near 0, absolute error beyond delta",
    example="huber({ s[t], a[t] } -> { r[t] })",
    stacks=True,
    options=(
        Number("delta", 1, Range(0, 1000, above=True), "where the squared error becomes an absolute one"),
    ),
    source="Huber 1964",
    text="mean of e² / 2 where |e| < delta, of delta × (|e| − delta / 2) beyond, e = y − z",
    latex=r"\tfrac{{1}}{{D}} \sum_{{d}} \mathrm{{Huber}}_{{{delta}}}\bigl(({y} - {z})_d\bigr)",
)
def huber(y: Tensor, z: Tensor, delta: float) -> Tensor:
    """Half the squared error below delta, delta times the absolute error less delta / 2 beyond."""
    return F.huber_loss(y, z, reduction="none", delta=delta).mean(dim=(-2, -1))


@operator(
    "mean absolute error",
    example="l1({ s[t], a[t] } -> { s[t+1] })",
    stacks=True,
    text="mean |y − z|",
    latex=r"\tfrac{{1}}{{D}} \lVert {y} - {z} \rVert_1",
)
def l1(y: Tensor, z: Tensor) -> Tensor:
    """Mean absolute error."""
    return (y - z).abs().mean(dim=(-2, -1))


@operator(
    "1 less the cosine of the angle between prediction and target",
    example="cosine_distance({ s[t], a[t] } -> { s[t+1] })",
    unit_rows=True,
    stacks=True,
    text="mean of 1 − ŷ · ẑ, ŷ = y / |y|, ẑ = z / |z|",
    latex=r"1 - \cos({y}, {z})",
)
def cosine_distance(y: Tensor, z: Tensor) -> Tensor:
    """1 less the cosine of rows, D / 2 times `nmse`."""
    return 1 - (normalise(y) * normalise(z)).sum(dim=-1).mean(dim=-1)


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
        Number(
            LOW,
            0,
            Range(-1e6, 1e6),
            "where the bins begin, if not at the end of the natural range",
            beside=HIGH,
        ),
        Number(HIGH, 0, Range(-1e6, 1e6), "where they end", beside=LOW),
        Number(
            SMOOTHING,
            0,
            Range(0, 100),
            "the deviation, in bins, of a normal distribution that spreads it; 0: none",
        ),
    ),
    source="Bellemare et al. 2017, arXiv 1707.06887; smoothing: Farebrother et al. 2024, arXiv 2403.03950",
    text="cross-entropy of softmax(y) and z, each number of z spread over its two nearest bins",
    latex=r"-{spread}({z})^\top \log \operatorname{{softmax}}({y})",
)
def ce(y: Tensor, z: Tensor, bins: float) -> Tensor:
    """Logits y of the distributions z over bins, both (..., B, D * bins)."""
    logits, target = (rows.reshape(*rows.shape[:-1], -1, int(bins)) for rows in (y, z))
    entropies: Tensor = -(target * logits.log_softmax(dim=-1)).sum(dim=-1)
    return entropies.mean(dim=(-2, -1))

"""Statistics of latents over the batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from a2ls_dsl.words.entry import Number, Sets
from a2ls_dsl.words.numbers import Range
from a2ls_dsl.words.registry import operator

if TYPE_CHECKING:
    import torch.nn.functional as F
    from torch import Tensor

VICREG = "Bardes et al. 2022, arXiv 2105.04906"


@operator(
    "how far the deviation of each number of a latent over the batch lies below 1",
    example="variance({ s[t] })",
    unary=True,
    sets=Sets.LATENTS,
    head=False,
    anchored=True,
    stacks=True,
    source=VICREG,
    text="mean over d of max(0, 1 − σ[d]), σ[d]² the variance of z[d] over the batch plus 0.0001",
    latex=r"\tfrac{{1}}{{D}} \sum_{{d}} \max\bigl(0, 1 - \operatorname{{std}}({y})_d\bigr)",
)
def variance(y: Tensor) -> Tensor:
    """How far deviations over the batch lie below 1 (Bardes et al. 2022)."""
    return F.relu(1 - (y.var(dim=-2) + 1e-4).sqrt()).mean(dim=-1)


@operator(
    "squared covariances of different numbers of a latent over the batch",
    example="covariance({ s[t] })",
    unary=True,
    sets=Sets.LATENTS,
    head=False,
    stacks=True,
    source=VICREG,
    text="sum over d ≠ e of cov(z)[d,e]² / D, over the batch",
    latex=r"\tfrac{{1}}{{D}} \sum_{{d \neq e}} \operatorname{{cov}}({y})_{{d,e}}^2",
)
def covariance(y: Tensor) -> Tensor:
    """Squared covariances of different numbers over the batch, divided by D (Bardes et al. 2022)."""
    centred = y - y.mean(dim=-2, keepdim=True)
    matrix = centred.mT @ centred / (y.shape[-2] - 1)
    squares = matrix.square()
    return (squares.sum(dim=(-2, -1)) - squares.diagonal(dim1=-2, dim2=-1).sum(dim=-1)) / y.shape[-1]


@operator(
    "how far the cross-correlation of two latents over the batch lies from the identity",
    example="barlow({ shift(s[t]) } -> { online(shift(s[t])) })",
    sets=Sets.LATENTS,
    head=False,
    anchored=True,
    stacks=True,
    options=(
        Number(
            "redundancy", 0.005, Range(0, 1000, above=True), "the weight of the correlations off the diagonal"
        ),
    ),
    source="Zbontar et al. 2021, arXiv 2103.03230",
    text="sum over d of (1 − C[d,d])² + redundancy × sum over d ≠ e of C[d,e]², "
    "C the cross-correlation of y and z over the batch",
    latex=r"\sum_{{d}} \bigl(1 - \operatorname{{corr}}({y}, {z})_{{d,d}}\bigr)^2"
    r" + {redundancy} \sum_{{d \neq e}} \operatorname{{corr}}({y}, {z})_{{d,e}}^2",
)
def barlow(y: Tensor, z: Tensor, redundancy: float) -> Tensor:
    """How far the cross-correlation over the batch lies from the identity (Zbontar et al. 2021)."""
    y, z = (F.layer_norm(rows.mT, rows.shape[-2:-1]).mT for rows in (y, z))
    correlation = y.mT @ z / y.shape[-2]
    own = correlation.diagonal(dim1=-2, dim2=-1)
    others = correlation.square().sum(dim=(-2, -1)) - own.square().sum(dim=-1)
    return (1 - own).square().sum(dim=-1) + redundancy * others

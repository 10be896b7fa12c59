"""Statistics of latents over the batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from a2ls_dsl.words.entry import Number, Sets
from a2ls_dsl.words.numbers import Range
from a2ls_dsl.words.registry import operator

if TYPE_CHECKING:
    import torch
    import torch.nn.functional as F
    from torch import Tensor

    from a2ls_dsl.words.draws import Draws

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
    "squared second moments of different numbers of a latent over the batch, not centred",
    example="orthogonality({ s[t] })",
    unary=True,
    sets=Sets.LATENTS,
    head=False,
    stacks=True,
    source="R2R2, arXiv 2605.14026",
    text="mean over d ≠ e of M[d,e]², M = sum over the batch of z[d] z[e] / (B − 1)",
    latex=r"\tfrac{{1}}{{D (D - 1)}} \sum_{{d \neq e}} \bigl(\tfrac{{1}}{{B - 1}} \sum {y}_d {y}_e\bigr)^2",
)
def orthogonality(y: Tensor) -> Tensor:
    """Squared second moments of different numbers over the batch, their mean; nothing is centred (R2R2)."""
    squares = (y.mT @ y / (y.shape[-2] - 1)).square()
    others = squares.sum(dim=(-2, -1)) - squares.diagonal(dim1=-2, dim2=-1).sum(dim=-1)
    return others / max(y.shape[-1] * (y.shape[-1] - 1), 1)


@operator(
    "how far latents over the batch are from standard normal, by the Epps-Pulley test of random projections",
    example="sigreg({ s[t] })",
    unary=True,
    sets=Sets.LATENTS,
    head=False,
    anchored=True,
    draws=True,
    stacks=True,
    options=(Number("slices", 256, Range(1, 4096, whole=True), "how many random projections are tested"),),
    source="Balestriero and LeCun 2025, arXiv 2511.08544; in RL: arXiv 2602.19373",
    text="mean over random unit u of B × ∫ |mean exp(i x u·z) − exp(−x²/2)|² exp(−x²/2) dx on [−5, 5]",
    latex=r"\tfrac{{1}}{{{slices}}} \sum_{{k}} T_{{\mathrm{{EP}}}}\bigl({y}\, u_k\bigr)",
)
def sigreg(y: Tensor, slices: float, draws: Draws) -> Tensor:
    """The Epps-Pulley statistic of random projections, their mean (Balestriero and LeCun 2025).

    The integral is a sum of trapezoids over 17 points on [-5, 5]; the integrand is even, so 9 are computed.
    """
    directions = F.normalize(draws.normal(y, y.shape[-1], int(slices)).to(y), dim=-2)
    points = torch.linspace(0, 5, 9, device=y.device, dtype=y.dtype)
    normal = torch.exp(-points.square() / 2)
    angles = (y @ directions)[..., None] * points
    distances = (angles.cos().mean(dim=-3) - normal).square() + angles.sin().mean(dim=-3).square()
    statistics = 2 * torch.trapezoid(distances * normal, points, dim=-1) * y.shape[-2]
    return statistics.mean(dim=-1)


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

"""An operator of one's own: latents whose projections look standard normal can't collapse.

    cd examples/plugins
    a2l check --plugin normality.py predictive.a2l
    a2l train --plugin normality.py --loss predictive.a2l --env cartpole-swingup
    a2l evolve --plugin normality.py --grammar predictive.a2g --env cartpole-swingup

The test of Epps and Pulley on random projections of a batch, as Balestriero and LeCun 2025 (arXiv 2511.08544)
regularise representations. The language has it, too, as `sigreg`.
"""

import torch

import a2ls_dsl as a2l


@a2l.operator(
    "how far random projections of latents are from standard normal ones",
    example="normality({ s[t] })",
    unary=True,
    sets=a2l.Sets.LATENTS,
    head=False,
    anchored=True,
    draws=True,
    stacks=True,
    options=(a2l.Number("slices", 64, a2l.Range(1, 4096, whole=True), "random directions an update"),),
    source="Balestriero and LeCun 2025, arXiv 2511.08544",
)
def normality(y, slices, draws):
    """Rows (..., B, D) -> (...): the distance of characteristic functions, weighted by a normal density."""
    directions = draws.normal(y, y.shape[-1], int(slices)).to(y)
    directions = directions / directions.norm(dim=-2, keepdim=True)
    t = torch.linspace(-5.0, 5.0, 17, device=y.device, dtype=y.dtype)
    normal = torch.exp(-0.5 * t.square())
    angles = (y @ directions).unsqueeze(-1) * t  # (..., B, slices, knots)
    real, imaginary = angles.cos().mean(dim=-3), angles.sin().mean(dim=-3)
    distance = (real - normal).square() + imaginary.square()
    statistic = torch.trapezoid(distance * normal, t, dim=-1) * y.shape[-2]
    return statistic.mean(dim=-1)

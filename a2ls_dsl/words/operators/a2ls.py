"""The operators of He et al. 2022, alone and `against batch`: ten in all.

They are computed as in the paper's release. `mse` and `nmse` against the batch subtract the same distance to
another sample's target. The others contrast through a cross-entropy over all B x B pairs with the diagonal as
label; alone, only the diagonal of that matrix is kept and zeros stand elsewhere, which is
``log(1 + (B - 1) exp(-d))`` for the similarity d of a pair: it pushes d up and saturates.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from a2ls_dsl.words.entry import Form, Needs, Negatives, Number
from a2ls_dsl.words.language import TEMPERATURE
from a2ls_dsl.words.numbers import Range
from a2ls_dsl.words.registry import operator

if TYPE_CHECKING:
    import torch
    import torch.nn.functional as F
    from torch import Tensor

A2LS = "He et al. 2022, arXiv 2210.06041"

WARMTH = Range(0.001, 1000)  # below, the softmax is a maximum and its logits overflow
_TEMPERATURE = Number(
    TEMPERATURE, 1, WARMTH, "similarities are divided by it before the softmax", Needs.NEGATIVES
)

UNIT = "ŷ = y / |y|, ẑ = z / |z|"
SOFTMAX = "mean over i of −log(exp L[i,i] / sum over j of exp L[i,j])"
_ALONE = "mean over i of log(1 + (B − 1) exp(−L[i,i]))"


def latex_alone(match: str) -> str:
    """The cross-entropy of a pair whose similarity is `match`, with zeros for all other pairs."""
    return rf"\log\bigl(1 + (B - 1) \exp(-{match})\bigr)"


def latex_softmax(match: str, other: str, over: str) -> str:
    """The cross-entropy of a pair among others, their similarities over a temperature."""
    return (
        rf"-\log \frac{{{{\exp({match}{{per_temperature}})}}}}"
        rf"{{{{\sum_{{{{{over}}}}} \exp({other}{{per_temperature}})}}}}"
    )


def normalise(rows: Tensor) -> Tensor:
    """Rows divided by their L2 norm; one of length 0 has no direction, and no gradient."""
    length = rows.norm(dim=-1, keepdim=True)
    return rows * torch.where(length > 1e-8, 1 / length.clamp_min(1e-8), 0)


def similarity(logits: Tensor, against_batch: bool) -> Tensor:
    """Cross-entropy over (..., B, B) logits whose diagonal holds the matching pairs."""
    matching = logits.diagonal(dim1=-2, dim2=-1)
    if against_batch:
        return (logits.logsumexp(dim=-1) - matching).mean(dim=-1)
    others = math.log(logits.shape[-1] - 1) if logits.shape[-1] > 1 else -math.inf
    return F.softplus(others - matching).mean(dim=-1)


@operator(
    "mean squared error",
    example="mse({ s[t], a[t] } -> { s[t+1] })",
    negatives=Negatives.ON_REQUEST,
    stacks=True,
    form=Form.DISTANCE,
    source=A2LS,
    text="mean (y − z)²",
    text_against="mean (y − z)² − mean (y − z′)²",
    latex=r"\tfrac{{1}}{{D}} \lVert {y} - {z} \rVert_2^2",
    latex_against=r"\tfrac{{1}}{{D}} \lVert {y} - {z} \rVert_2^2"
    r" - \tfrac{{1}}{{D}} \lVert {y} - {other_z} \rVert_2^2",
)
def mse(y: Tensor, z: Tensor, against_batch: bool) -> Tensor:
    """Mean squared error; with negatives less that to another sample's target."""
    error = (y - z).square().mean(dim=(-2, -1))
    if not against_batch:
        return error
    # The samples of a batch are exchangeable, so a shift by one is as good a permutation as a random one,
    # never pairs a sample with itself, and needs no random numbers.
    return error - (y - z.roll(1, dims=-2)).square().mean(dim=(-2, -1))


@operator(
    "mean squared error of rows of length 1",
    example="nmse({ s[t], a[t] } -> { s[t+1] })",
    negatives=Negatives.ON_REQUEST,
    unit_rows=True,
    stacks=True,
    form=Form.DISTANCE,
    source=A2LS,
    text=f"mean (ŷ − ẑ)², {UNIT}",
    text_against=f"mean (ŷ − ẑ)² − mean (ŷ − ẑ′)², {UNIT}",
    latex=r"\tfrac{{1}}{{D}} \lVert \ell_2({y}) - \ell_2({z}) \rVert_2^2",
    latex_against=r"\tfrac{{1}}{{D}} \lVert \ell_2({y}) - \ell_2({z}) \rVert_2^2"
    r" - \tfrac{{1}}{{D}} \lVert \ell_2({y}) - \ell_2({other_z}) \rVert_2^2",
)
def nmse(y: Tensor, z: Tensor, against_batch: bool) -> Tensor:
    """Mean squared error of rows of length 1, as `mse`."""
    return mse(normalise(y), normalise(z), against_batch)


@operator(
    "inner product, in a softmax",
    example="inner({ s[t], a[t] } -> { s[t+1] }) against batch",
    negatives=Negatives.ON_REQUEST,
    stacks=True,
    form=Form.SIMILARITY,
    options=(_TEMPERATURE,),
    source=A2LS,
    text=f"{_ALONE}, L[i,j] = y[i] · z[j]",
    text_against=f"{SOFTMAX}, L[i,j] = y[i] · z[j]",
    latex=latex_alone(r"{y}^\top {z}"),
    latex_against=latex_softmax(r"{y}^\top {z}", r"{y}^\top {other_z}", "{other_z}"),
)
def inner(y: Tensor, z: Tensor, against_batch: bool, temperature: float = 1) -> Tensor:
    """Cross-entropy of inner products; a softmax runs over all targets for one prediction."""
    return similarity(y @ z.mT / temperature, against_batch)


@operator(
    "bilinear form with a learned matrix, in a softmax",
    example="bilinear({ crop(s[t]) } -> { crop(s[t]) }) against batch",
    negatives=Negatives.ON_REQUEST,
    matrix=True,
    stacks=True,
    form=Form.SIMILARITY,
    options=(_TEMPERATURE,),
    source=A2LS,
    text=f"{_ALONE}, L[i,j] = z[i] W y[j]",
    text_against=f"{SOFTMAX}, L[i,j] = z[i] W y[j]",
    latex=latex_alone(r"{z}^\top W {y}"),
    latex_against=latex_softmax(r"{z}^\top W {y}", r"{z}^\top W {other_y}", "{other_y}"),
)
def bilinear(y: Tensor, z: Tensor, matrix: Tensor, against_batch: bool, temperature: float = 1) -> Tensor:
    """Cross-entropy of bilinear forms; a softmax runs over all predictions for one target."""
    return similarity(z @ matrix @ y.mT / temperature, against_batch)


@operator(
    "inner product of rows of length 1, in a softmax",
    example="cosine({ s[t], a[t] } -> { s[t+1] }) against batch",
    negatives=Negatives.ON_REQUEST,
    unit_rows=True,
    stacks=True,
    form=Form.SIMILARITY,
    options=(_TEMPERATURE,),
    source=A2LS,
    text=f"{_ALONE}, L[i,j] = ŷ[i] · ẑ[j], {UNIT}",
    text_against=f"{SOFTMAX}, L[i,j] = ŷ[i] · ẑ[j], {UNIT}",
    latex=latex_alone(r"\cos({y}, {z})"),
    note="Alone this is no 1 − cos, which `cosine_distance` is.",
    latex_against=latex_softmax(r"\cos({y}, {z})", r"\cos({y}, {other_z})", "{other_z}"),
)
def cosine(y: Tensor, z: Tensor, against_batch: bool, temperature: float = 1) -> Tensor:
    """Cross-entropy of cosines, as `inner`."""
    return similarity(normalise(y) @ normalise(z).mT / temperature, against_batch)

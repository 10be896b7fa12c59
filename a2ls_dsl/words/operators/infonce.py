"""The contrast of van den Oord et al. 2018: `cosine` against the batch, but for its temperature."""

from __future__ import annotations

from typing import TYPE_CHECKING

from a2ls_dsl.words.entry import Negatives, Number
from a2ls_dsl.words.language import TEMPERATURE
from a2ls_dsl.words.operators.a2ls import SOFTMAX, UNIT, WARMTH, latex_softmax, normalise, similarity
from a2ls_dsl.words.registry import operator

if TYPE_CHECKING:
    from torch import Tensor


@operator(
    "cosine over a temperature, in a softmax over the batch",
    example="infonce({ s[t], a[t] } -> { s[t+1] })",
    negatives=Negatives.ALWAYS,
    contrast_of="cosine",
    anchored=True,
    unit_rows=True,
    stacks=True,
    options=(Number(TEMPERATURE, 0.1, WARMTH, "similarities are divided by it before the softmax"),),
    source="van den Oord et al. 2018, arXiv 1807.03748",
    text=f"{SOFTMAX}, L[i,j] = ŷ[i] · ẑ[j] / temperature, {UNIT}",
    latex=latex_softmax(r"\cos({y}, {z})", r"\cos({y}, {other_z})", "{other_z}"),
)
def infonce(y: Tensor, z: Tensor, temperature: float) -> Tensor:
    """Cross-entropy of cosines over a temperature; a softmax runs over all targets for one prediction."""
    return similarity(normalise(y) @ normalise(z).mT / temperature, against_batch=True)

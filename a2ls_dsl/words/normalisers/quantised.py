"""Latents of few values, with gradients straight through."""

from __future__ import annotations

from typing import TYPE_CHECKING

from a2ls_dsl.words.entry import Number
from a2ls_dsl.words.numbers import Range
from a2ls_dsl.words.registry import normaliser

if TYPE_CHECKING:
    from torch import Tensor


@normaliser(
    "rounds each number of a latent, bounded by tanh, to one of so many levels in [-1, 1]; gradients pass",
    example="fsq(s[t], 5)",
    parameters=(Number("levels", 5, Range(2, 257, whole=True)),),
    source="Mentzer et al. 2024, arXiv 2309.15505; in RL: arXiv 2406.02696",
    latex=r"\mathrm{FSQ}",
)
def fsq(x: Tensor, levels: float) -> Tensor:
    """Latents whose numbers are rounded to levels evenly spaced in [-1, 1]; gradients pass the rounding."""
    steps = (int(levels) - 1) / 2
    bounded = x.tanh()
    # Levels lie at whole numbers for odd counts, halfway between them for even ones.
    offset = 0.0 if int(levels) % 2 else 0.5
    rounded = ((bounded * steps - offset).round() + offset) / steps
    return bounded + (rounded - bounded).detach()

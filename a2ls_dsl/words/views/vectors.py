"""Views of vectors (..., B, n), and one of both kinds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from a2ls_dsl.words.entry import Number, Sees
from a2ls_dsl.words.numbers import Range
from a2ls_dsl.words.registry import view
from a2ls_dsl.words.views.frames import are_frames

if TYPE_CHECKING:
    from torch import Tensor

    from a2ls_dsl.words.draws import Draws


@view(
    "Gaussian noise of this deviation, added to a vector",
    example="noise(s[t], 0.1)",
    parameters=(Number("deviation", 0.1, Range(0, 10, above=True)),),
    source="Laskin et al. 2020, arXiv 2004.14990",
    sees=Sees.VECTORS,
    stacks=True,
)
def noise(x: Tensor, draws: Draws, deviation: float) -> Tensor:
    """Gaussian noise, added to vectors (Laskin et al. 2020)."""
    if are_frames(x):
        return x
    return x + deviation * draws.normal(x, *x.shape[-2:]).to(x)


@view(
    "drops this share of the numbers of a vector, of the patches of 12 x 12 pixels of frames",
    example="mask(s[t], 0.5)",
    parameters=(Number("share", 0.5, Range(0, 1, above=True, below=True)),),
    source="Yu et al. 2022, arXiv 2201.12096",
    stacks=True,
)
def mask(x: Tensor, draws: Draws, share: float) -> Tensor:
    """Drops numbers of vectors, patches of 12 x 12 pixels of frames (Yu et al. 2022)."""
    if not are_frames(x):
        return x.masked_fill(draws.uniform(x, *x.shape[-2:]) < share, 0)
    batch, height, width = x.shape[-4], *x.shape[-2:]
    dropped = draws.uniform(x, batch, -(-height // 12), -(-width // 12)) < share
    pixels = dropped.repeat_interleave(12, dim=-2).repeat_interleave(12, dim=-1)
    return x.masked_fill(pixels[..., None, :height, :width], 0).contiguous()

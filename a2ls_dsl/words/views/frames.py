"""Views of frames (..., B, channels, height, width); they leave vectors as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from a2ls_dsl.words.entry import Number, Sees
from a2ls_dsl.words.numbers import Range
from a2ls_dsl.words.registry import view

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from a2ls_dsl.words.draws import Draws


def are_frames(x: Tensor) -> bool:
    """Whether observations are frames: vectors have at most three dimensions, frames at least four."""
    return x.dim() > 3


def cut_out(frames: Tensor, index: Tensor, y: Tensor, x: Tensor, height: int, width: int) -> Tensor:
    """Pieces (M, channels, height, width), contiguous, out of frames (N, channels, rows, columns).

    index, y, x: (M,), the frame, and where in it the piece begins. A strided view holds all possible pieces,
    one for each pixel at which a piece may begin, so that whole rows of pixels are copied. Frames are data
    and get no gradient.
    """
    count, channels, rows, columns = frames.shape
    frames = frames.detach().contiguous()
    last = ((count - 1) * channels * rows + rows - height) * columns + columns - width
    strides = (1, rows * columns, columns, 1)
    pieces = frames.as_strided((last + 1, channels, height, width), strides, frames.storage_offset())
    return pieces.index_select(0, (index * channels * rows + y) * columns + x)


def with_border(frames: Tensor, border: int) -> Tensor:
    """Frames (..., height, width) with `border` more pixels on every side that repeat the edge."""
    height, width = frames.shape[-2:]
    wide = frames.new_empty(*frames.shape[:-2], height + 2 * border, width + 2 * border)
    rows = wide[..., border : border + height, :]
    rows[..., border : border + width] = frames
    rows[..., :border] = frames[..., :1]
    rows[..., border + width :] = frames[..., -1:]
    wide[..., :border, :] = rows[..., :1, :]
    wide[..., border + height :, :] = rows[..., -1:, :]
    return wide


@view(
    "a random crop of frames, as large as the agent's",
    example="crop(s[t])",
    source="Laskin et al. 2020, arXiv 2004.04136",
    sees=Sees.FRAMES,
    uncropped=True,
)
def crop(x: Tensor, draws: Draws, whole: Tensor | None) -> Tensor:
    """A random crop of the frames that x was cropped from, as large as x (Laskin et al. 2020)."""
    if whole is None:
        return x
    height, width = x.shape[-2:]
    room = torch.tensor([whole.shape[-2] - height + 1, whole.shape[-1] - width + 1], device=x.device)
    first = (draws.uniform(x, len(x), 2) * room).long()
    return cut_out(whole, torch.arange(len(x), device=x.device), first[:, 0], first[:, 1], height, width)


@view(
    "frames padded with their border and cropped back at random: moved by so many pixels at most",
    example="shift(s[t], 4)",
    parameters=(Number("pixels", 4, Range(1, 64, whole=True)),),
    source="Yarats et al. 2021, arXiv 2004.13649",
    sees=Sees.FRAMES,
    stacks=True,
)
def shift(x: Tensor, draws: Draws, pixels: float) -> Tensor:
    """Frames padded with their border and cropped back at random (Yarats et al. 2021)."""
    if not are_frames(x):
        return x
    frames = with_border(x.flatten(0, -4), int(pixels))
    first = (draws.uniform(x, x.shape[-4], 2) * (2 * int(pixels) + 1)).long().reshape(-1, 2)
    every = torch.arange(len(frames), device=x.device)
    return cut_out(frames, every, first[:, 0], first[:, 1], *x.shape[-2:]).reshape(x.shape)


@view(
    "frames times one random factor around 1, a normal draw cut at two deviations of this size",
    example="intensity(s[t], 0.05)",
    parameters=(Number("scale", 0.05, Range(0, 0.5, above=True, below=True)),),
    source="Yarats et al. 2021, arXiv 2004.13649; the size is that of arXiv 2007.05929",
    sees=Sees.FRAMES,
    stacks=True,
)
def intensity(x: Tensor, draws: Draws, scale: float) -> Tensor:
    """Frames times one factor a sample, normal around 1 and cut at two deviations (Yarats et al. 2021)."""
    if not are_frames(x):
        return x
    factor = 1 + scale * draws.normal(x, x.shape[-4]).clamp(-2, 2)
    factor = factor[..., None, None, None].to(x.dtype if x.is_floating_point() else torch.float32)
    return (x * factor).contiguous()

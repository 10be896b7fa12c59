"""A step of Adam as one kernel a parameter, whatever its members' counts of steps are.

Each number is read once. In Triton, which comes with torch for CUDA. What it computes is `adam.plain_step`.
"""

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor

_BLOCK = 1024


@triton.jit  # type: ignore[untyped-decorator]
def _kernel(  # type: ignore[no-untyped-def]
    parameter,
    slope,
    first,
    second,
    rows,
    numbers,
    decay: tl.constexpr,
    beta1: tl.constexpr,
    beta2: tl.constexpr,
    eps: tl.constexpr,
    block: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64)
    place = tl.program_id(1) * block + tl.arange(0, block)
    here = place < numbers * tl.load(rows + 3 * row).to(tl.int32)
    at = row * numbers + place
    p = tl.load(parameter + at, mask=here)
    g = tl.load(slope + at, mask=here)
    m = tl.load(first + at, mask=here)
    v = tl.load(second + at, mask=here)
    size = tl.load(rows + 3 * row + 1).to(p.dtype)
    root = tl.load(rows + 3 * row + 2).to(p.dtype)
    m = m + (1 - beta1) * (g - m)
    v = beta2 * v + (1 - beta2) * g * g
    p = (1 - decay) * p - size * m / (tl.sqrt(v) / root + eps)
    tl.store(parameter + at, p, mask=here)
    tl.store(first + at, m, mask=here)
    tl.store(second + at, v, mask=here)


def fused_step(
    parameter: Tensor,
    slope: Tensor,
    first: Tensor,
    second: Tensor,
    rows: Tensor,
    decay: float,
    betas: tuple[float, float],
    eps: float,
) -> None:
    """See `adam.plain_step`. All tensors are contiguous."""
    members, numbers = parameter.shape
    grid = members, triton.cdiv(numbers, _BLOCK)
    _kernel[grid](parameter, slope, first, second, rows, numbers, decay, *betas, eps, _BLOCK)

"""How precisely matrix products and convolutions are computed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from enum import StrEnum

import torch


class Precision(StrEnum):
    """Arithmetic of matrix products and convolutions; parameters, sums and optimizers are float32 in all.

    float32: the twin that the others are compared with; tf32: float32 with 10 bits of mantissa on the matrix
    units of NVIDIA GPUs since Ampere, the same as float32 elsewhere; bf16: bfloat16 operands, 7 bits.
    """

    FLOAT32 = "float32"
    TF32 = "tf32"
    BF16 = "bf16"


@contextmanager
def arithmetic(precision: Precision, device: torch.device | str) -> Iterator[None]:
    """Compute in `precision` inside. TF32 is a setting of the process: it is put back behind.

    Inside, numbers below the smallest normal one, 1e-38 in float32, are 0. A saturated softmax has such
    gradients; a CPU multiplies them many times slower than others, and Adam can't tell them from 0.
    """
    kind = torch.device(device).type
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32, cudnn.benchmark
    matmul.allow_tf32 = cudnn.allow_tf32 = precision is not Precision.FLOAT32
    cudnn.benchmark = cudnn.benchmark or kind == "cuda"  # the fastest kernel for each shape of a convolution
    torch.set_flush_denormal(True)
    try:
        # Casts of weights aren't kept: inside a captured graph they would be cast once and for all.
        rounded = precision is Precision.BF16
        with torch.autocast(kind, torch.bfloat16, cache_enabled=False) if rounded else nullcontext():
            yield
    finally:
        torch.set_flush_denormal(False)
        matmul.allow_tf32, cudnn.allow_tf32, cudnn.benchmark = before


def product_dtype(device: torch.device, otherwise: torch.dtype) -> torch.dtype:
    """The type of a convolution's operands here: what autocast makes of them, or the parameters' own."""
    kind = device.type
    if torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind):
        return torch.get_autocast_dtype(kind)
    return otherwise

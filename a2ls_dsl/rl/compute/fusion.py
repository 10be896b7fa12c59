"""Functions of tensors fused by torch.compile, where `Computation.compile` asks for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch


def fused(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function as one piece of fused kernels.

    In torch's own mode: the ones that launch CUDA graphs would nest with those of `capture.py`.
    """
    compiled: Callable[..., Any] = torch.compile(function, fullgraph=True, dynamic=False)
    return compiled


def begin_fusing(stacks: int) -> None:
    """Let so many stacks compile what they compute, each at its own sizes, and forget all that was compiled.

    torch counts what one function was compiled for in the whole process and refuses to go on after a few.
    """
    from torch._dynamo import config  # takes seconds, and few runs compile

    torch.compiler.reset()
    config.recompile_limit = max(config.recompile_limit, stacks)
    config.accumulated_recompile_limit = max(config.accumulated_recompile_limit, stacks)

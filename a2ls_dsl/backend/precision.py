"""Keeps autocast from rounding values, differences and sums."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch.amp import is_autocast_available


def unrounded(device: torch.device) -> AbstractContextManager[object]:
    """A context without autocast: results are as precise as their inputs."""
    kind = device.type
    return torch.autocast(kind, enabled=False) if is_autocast_available(kind) else nullcontext()

"""Where autocast rounds: nowhere that numbers are values, differences or sums."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch.amp import is_autocast_available


def unrounded(device: torch.device) -> AbstractContextManager[object]:
    """Inside, autocast is off: results are as precise as what they are computed of."""
    kind = device.type
    return torch.autocast(kind, enabled=False) if is_autocast_available(kind) else nullcontext()

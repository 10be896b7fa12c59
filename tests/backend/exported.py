"""Modules of exported files, and what is given to them."""

from __future__ import annotations

import inspect

import torch
from torch import Tensor, nn

from a2ls_dsl.backend.window import Spaces, Window

SPACES = Spaces(observation=3, action=2, features=4)


def made(cls: type[nn.Module]) -> nn.Module:
    sizes = {"action": SPACES.action, "features": SPACES.features, "data": SPACES.observation}
    return cls(**{name: sizes[name] for name in inspect.signature(cls).parameters})


def arguments(module: nn.Module, window: Window, seed: int) -> dict[str, object]:
    """What `forward` of an exported class takes, by name, without the encoders."""
    given = {
        "observation": window.observation,
        "action": window.action,
        "reward": window.reward,
        "done": window.done,
        "value": estimate,
        "frames": 500,
        "generator": torch.Generator().manual_seed(seed),
    }
    return {name: given[name] for name in inspect.signature(module.forward).parameters if name in given}


def estimate(features: Tensor) -> Tensor:
    return torch.sin(features.sum(dim=1))

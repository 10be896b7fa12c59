"""Random data for losses."""

from __future__ import annotations

import torch

from a2ls_dsl.backend.window import Spaces, Window


def windows(spaces: Spaces, batch: int, steps: int, seed: int, members: tuple[int, ...] = ()) -> Window:
    """Random windows in float64."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*members, batch, steps, *shape, dtype=torch.float64, generator=generator)

    observation, action, reward = normal(spaces.observation), normal(spaces.action).tanh(), normal()
    done = torch.rand(reward.shape, generator=generator) < 0.3
    return Window(observation, action, reward, done.double())

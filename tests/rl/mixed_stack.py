"""A stack of different losses with two and a half episodes of random experience, for tests of the learner."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch.utils._python_dispatch import TorchDispatchMode

from a2ls_dsl.lang.load import load_one
from a2ls_dsl.lang.syntax.tree import Loss
from a2ls_dsl.rl.replay.observations import Observations
from a2ls_dsl.rl.settings import Computation, SacSettings
from a2ls_dsl.rl.slots.learner import Learner

NAMES = (None, "a2_winner", "curl_a2ls", "atc", "spr")
VECTORS, FRAMES = Observations((5,)), Observations((3, 20, 20), 3, 17)


class Calls(TorchDispatchMode):
    """How many operations torch is asked for; on a GPU each is a kernel, or none."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += 1
        return function(*args, **(kwargs or {}))


def made(
    observations: Observations,
    device: str,
    computation: Computation | None = None,
    names: Sequence[str | Loss | None] = NAMES,
) -> Learner:
    losses = [load_one(name)[1] if isinstance(name, str) else name for name in names]
    settings = SacSettings(hidden=16, batch_size=8)
    return Learner(losses, range(len(names)), observations, 2, 60, settings, device, computation=computation)


def filled(
    observations: Observations,
    device: str,
    computation: Computation | None = None,
    names: Sequence[str | Loss | None] = NAMES,
) -> Learner:
    """Two episodes and a half of random experience."""
    learner, rng = made(observations, device, computation, names), np.random.default_rng(0)
    members, shape = len(names), observations.shape

    def seen() -> np.ndarray:
        if observations.crop is None:
            return rng.normal(size=(members, *shape)).astype(np.float32)
        return rng.integers(0, 256, (members, *shape), dtype=np.uint8)

    for step in range(50):
        if step % 20 == 0:
            learner.begin(seen(), np.ones(members, np.bool_))
        last = np.full(members, step % 20 == 19)
        action = rng.uniform(-1, 1, (members, 2)).astype(np.float32)
        reward = rng.uniform(size=members).astype(np.float32)
        learner.append(action, reward, np.zeros(members, np.bool_), seen(), last)
    return learner

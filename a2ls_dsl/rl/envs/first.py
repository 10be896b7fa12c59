"""The first environments of a pool, from which sizes and memory of all are known before others are made."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from a2ls_dsl.rl.compute.memory import memory_of
from a2ls_dsl.rl.envs.lanes import MAKE
from a2ls_dsl.rl.envs.workers import Worker

MEASURED = 4
"""How many environments are measured to estimate the memory of the others."""


@dataclass(frozen=True)
class FirstEnvironments:
    """What is known before the others are made: sizes, how many were made, and the memory they take.

    environment: bytes of another environment; process: bytes of a worker without any.
    """

    observation_shape: tuple[int, ...]
    action_size: int
    discrete: bool
    episode_frames: int
    made: int
    environment: int
    process: int


def make_first(worker: Worker, lanes: Sequence[str], patience: float) -> FirstEnvironments:
    """Make the first environments of a worker, one at a time, and measure their memory.

    lanes: for each, the message that makes it; patience: seconds for each.
    """
    taken: list[int] = []
    for lane in lanes:
        worker.send(MAKE, lane)
        shape, action, discrete, frames = json.loads(worker.receive(patience))
        taken.append(memory_of(worker.process.pid))
    # The first environments include what all share. If there is only one, most of its memory is shared.
    made = len(taken)
    shared = (made - 1) // 2
    environment = (taken[-1] - taken[shared]) // (made - 1 - shared) if made > 1 else taken[0] // 4
    process = taken[shared] - (shared + 1) * environment
    return FirstEnvironments(tuple(shape), int(action), bool(discrete), frames, made, environment, process)

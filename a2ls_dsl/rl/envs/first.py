"""The first environments of a pool: they tell what all are like before the others are made."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from a2ls_dsl.rl.envs.lanes import MAKE
from a2ls_dsl.rl.envs.workers import Worker
from a2ls_dsl.rl.memory import memory_of

MEASURED = 4
"""How many environments are measured to know what the others will take."""


@dataclass(frozen=True)
class FirstEnvironments:
    """What is known before the others are made: the sizes, how many there are, and the bytes they take.

    environment: of one more; process: of a worker without any.
    """

    observation_shape: tuple[int, ...]
    action_size: int
    discrete: bool
    episode_frames: int
    made: int
    environment: int
    process: int


def make_first(worker: Worker, lanes: Sequence[str], patience: float) -> FirstEnvironments:
    """Make the first environments of a worker, one by one, and see what they take.

    lanes: what the worker is told to make for each; patience: seconds for each.
    """
    taken: list[int] = []
    for lane in lanes:
        worker.send(MAKE, lane)
        shape, action, discrete, frames = json.loads(worker.receive(patience))
        taken.append(memory_of(worker.process.pid))
    # The first ones bring what all of their kind share. A single one brings it, too: most of what it takes.
    made = len(taken)
    shared = (made - 1) // 2
    each = (taken[-1] - taken[shared]) // (made - 1 - shared) if made > 1 else taken[0] // 4
    process = taken[shared] - (shared + 1) * each
    return FirstEnvironments(tuple(shape), int(action), bool(discrete), frames, made, each, process)

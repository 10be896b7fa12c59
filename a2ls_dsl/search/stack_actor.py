"""What an actor of a search on many machines does: it holds a stack, and takes many steps a call.

`scale_out.py` is the other side, in the process of the search.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from a2ls_dsl import plugins
from a2ls_dsl.rl.replay.rings import Appended, Known
from a2ls_dsl.rl.runs.training import Member, TrainedNetworks, Training
from a2ls_dsl.rl.slots.evaluation import Score
from a2ls_dsl.rl.slots.parts import Running
from a2ls_dsl.rl.slots.slot_sets import State
from a2ls_dsl.rl.slots.slots import Slots

TICKS = 50
"""Agent steps that a stack takes between two messages."""


@dataclass(frozen=True)
class Report:
    """What a stack says after some ticks: evaluations that ended, its slots' state, workers replaced.

    trained: what acted in the evaluations, by slot, of members that have come to their end.
    """

    scores: list[Score]
    busy: NDArray[np.bool_]
    frames: NDArray[np.int64]
    replaced: list[str]
    trained: dict[int, TrainedNetworks]


class StackActor:
    """A stack in a process of its own; Ray makes an actor of it."""

    def start(self, training: Training, slots: int, running: Running, own: Sequence[str]) -> int:
        """Make the stack; gives the bytes of memory that it takes, its environments included.

        own: plugins. Not done by the constructor, whose errors reach the driver as text alone.
        """
        plugins.load(own)
        self._slots = Slots(training, [None] * slots, running)
        return self._slots.memory_bytes

    def advance(self, fills: Mapping[int, Member], clears: Sequence[int]) -> Report:
        """Clear and fill slots, then take steps, up to an evaluation that ends."""
        self._change(fills, clears)
        scores, before = list[Score](), len(self._slots.replaced)
        for _ in range(TICKS):
            scores += self._slots.tick()
            if scores:
                break
        slots, last = self._slots, self._slots.training.frames
        ended = {score.member: slots.trained(score.member) for score in scores if score.frames == last}
        return Report(scores, slots.busy.copy(), slots.frames.copy(), slots.replaced[before:], ended)

    def state(self, fills: Mapping[int, Member], clears: Sequence[int], known: Mapping[str, Known]) -> State:
        """Clear and fill slots; then their state, of rings of frames the rows that aren't known there."""
        self._change(fills, clears)
        arrays, values = self._slots.state()
        rings = {
            name: array.since(known.get(name, {}))
            for name, array in arrays.items()
            if isinstance(array, Appended)
        }
        return arrays | rings, values

    def restore(self, arrays: Mapping[str, NDArray[Any]], values: Mapping[str, Any]) -> list[int]:
        """Take over a state; gives the slots that are taken."""
        self._slots.restore(arrays, values)
        return [slot for slot, member in enumerate(self._slots.members) if member]

    def _change(self, fills: Mapping[int, Member], clears: Sequence[int]) -> None:
        for slot in clears:
            self._slots.clear(slot)
        for slot, member in fills.items():
            self._slots.fill(slot, member)

"""Slots as a search sees them, wherever they train; and how those of several stacks are one set.

Slot i of a set that is divided among `count` stacks is slot i // count of stack i modulo count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from a2ls_dsl.rl.runs.checkpoint import prefixed, without_prefix
from a2ls_dsl.rl.runs.training import Member, TrainedNetworks
from a2ls_dsl.rl.slots.evaluation import Score
from a2ls_dsl.rl.slots.learner_state import Arrays

State = tuple[Arrays, dict[str, Any]]
"""Arrays and JSON values of which a later process makes equal slots."""


class SlotSet(Protocol):
    """Slots for members that come and go: `Stacks` on this machine, `RayStacks` on a cluster.

    busy, frames: of each slot. A context manager that ends their processes.
    """

    busy: NDArray[np.bool_]
    frames: NDArray[np.int64]
    memory_bytes: int

    @property
    def replaced(self) -> list[str]:
        """A sentence for every process that was replaced so far."""

    @property
    def about(self) -> dict[str, object]:
        """What has to be equal for another set to take over a state."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def free(self) -> list[int]:
        """The slots that can be filled."""

    def fill(self, slot: int, member: Member) -> None:
        """Give a free slot to a member."""

    def clear(self, slot: int) -> None:
        """Take a member out; the slot is free."""

    def lost(self) -> list[int]:
        """The slots whose members were lost since the last call; they are free."""

    def tick(self) -> list[Score]:
        """Train on; gives the evaluations that ended."""

    def trained(self, slot: int) -> TrainedNetworks:
        """What acted in the last evaluation of a slot, until another member takes it."""

    def rest(self) -> bool:
        """Whether all stand still; where not, nothing more is begun until `state` is asked for."""

    def state(self) -> State:
        """Everything that equal slots need to go on with the same members, once they stand still."""

    def restore(self, arrays: Mapping[str, NDArray[Any]], values: Mapping[str, Any]) -> None:
        """Take over what `state` returned."""


def joined(parts: Sequence[State | None]) -> State:
    """The states of several stacks as one; None: of a stack that isn't there."""
    arrays: Arrays = {}
    for number, part in enumerate(parts):
        arrays |= prefixed(f"part-{number}", part[0]) if part else {}
    return arrays, {"stacks": [part and part[1] for part in parts]}


def divided(arrays: Mapping[str, NDArray[Any]], values: Mapping[str, Any]) -> list[State | None]:
    """What `joined` made one; of one stack its state as it is."""
    if "stacks" not in values:
        return [(dict(arrays), dict(values))]
    return [
        None if part is None else (without_prefix(f"part-{number}", arrays), part)
        for number, part in enumerate(values["stacks"])
    ]


def stored_place(values: Mapping[str, Any], member: int) -> tuple[str, int]:
    """Where a member is in a state: how the names of its stack's arrays begin, and its slot there."""
    parts = values.get("stacks")
    return (f"part-{member % len(parts)}/", member // len(parts)) if parts else ("", member)

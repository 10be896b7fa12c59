"""All that the losses of a stack read, as one table of channels out of which rows are put together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from a2ls_dsl.backend.stacked.capacity import Room
from a2ls_dsl.backend.window import Spaces, StackWindow

NOTHING = 0
"""The number of the channel that is zero: what stands at padding."""


@dataclass(frozen=True)
class Channels:
    """The numbers of channels, each a number a sample: first `NOTHING`, then actions, rewards and features.

    steps: of the windows.
    """

    members: int
    steps: int
    spaces: Spaces

    def width(self, room: Room) -> int:
        """How many channels a row has."""
        return room.width(self.spaces)

    def row(
        self, room: Room, states: Sequence[int], owner: int, actions: Iterable[int], rewards: Iterable[int]
    ) -> list[int]:
        """What a row of `room` consists of: every stream is packed to the front of its part.

        states: their numbers among those that are encoded; actions, rewards: steps of the member `owner`.
        """
        parts = (
            (room.states * self.spaces.features, self._features(states)),
            (room.actions * self.spaces.action, self._actions(owner, actions)),
            (room.rewards, self._rewards(owner, rewards)),
        )
        row = list[int]()
        for width, used in parts:
            end = len(row) + width
            row += used
            row += [NOTHING] * (end - len(row))
        return row

    def of(self, window: StackWindow, features: Tensor | None) -> Tensor:
        """(channels, B). features: of the states, (states, B, features)."""
        action = window.action[:, :, : self.steps].permute(0, 2, 3, 1).flatten(0, 2)
        reward = window.reward[:, :, : self.steps].transpose(1, 2).flatten(0, 1)
        parts = [reward.new_zeros(1, reward.shape[1]), action, reward]
        return torch.cat(parts if features is None else [*parts, features.mT.flatten(0, 1)])

    def _actions(self, owner: int, steps: Iterable[int]) -> Iterator[int]:
        for step in steps:
            first = 1 + (owner * self.steps + step) * self.spaces.action
            yield from range(first, first + self.spaces.action)

    def _rewards(self, owner: int, steps: Iterable[int]) -> Iterator[int]:
        first = 1 + self.members * self.steps * self.spaces.action + owner * self.steps
        return (first + step for step in steps)

    def _features(self, states: Iterable[int]) -> Iterator[int]:
        begin = 1 + self.members * self.steps * (self.spaces.action + 1)
        for state in states:
            first = begin + state * self.spaces.features
            yield from range(first, first + self.spaces.features)

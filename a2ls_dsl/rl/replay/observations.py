"""What an agent sees: vectors as they are, or a stack of cropped frames."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from a2ls_dsl.diagnostics import A2lError

SMALLEST_CROP = 15  # the convolutions of the encoder reduce it to one pixel


@dataclass(frozen=True)
class Observations:
    """Sizes of observations.

    shape: of what the environment gives, (numbers,) for vectors or (3, size, size) for frames; stack: how
    many of the newest frames the agent sees as one observation; crop: side in pixels of the square it sees of
    them, None for vectors; random_crops: whether the place of that square is drawn in training; border: so
    many pixels around a frame repeat its edge, so that a crop as large as the frame can be shifted.
    """

    shape: tuple[int, ...]
    stack: int = 1
    crop: int | None = None
    random_crops: bool = True
    border: int = 0

    def __post_init__(self) -> None:
        if self.crop is not None and not SMALLEST_CROP <= self.crop <= self.shape[-1]:
            raise A2lError(
                f"a crop of {self.crop} pixels does not fit frames of {self.shape[-1]} pixels",
                f"use {SMALLEST_CROP} to {self.shape[-1]}",
            )

    @property
    def dtype(self) -> torch.dtype:
        """What one number of an observation is stored as."""
        return torch.float32 if self.crop is None else torch.uint8

    @property
    def bytes(self) -> int:
        """Bytes of one stored observation; frames are stored once, not stacks."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def seen(self) -> tuple[int, ...]:
        """The shape that the encoder takes: (numbers,) or (3 * stack, crop, crop)."""
        if self.crop is None:
            return self.shape
        return (self.stack * self.shape[0], self.crop, self.crop)

    @property
    def crops(self) -> int:
        """How many places a crop has along an axis."""
        return 1 if self.crop is None else self.shape[-1] + 2 * self.border - self.crop + 1

    @property
    def whole(self) -> bool:
        """Whether the crop in the middle is the frame itself."""
        return self.crop == self.shape[-1]


class History:
    """The newest observations of every member, on the host, as its policy sees them: with a centre crop."""

    def __init__(self, members: int, observations: Observations) -> None:
        self.observations = observations
        kind = np.float32 if observations.crop is None else np.uint8
        channels = observations.stack * observations.shape[0]
        self.stacked: NDArray[Any] = np.zeros((members, channels, *observations.shape[1:]), kind)

    def begin(self, observation: NDArray[Any], where: NDArray[np.bool_]) -> None:
        """Episodes start in the members of the mask: their first observation fills the stack."""
        copies = (1, self.observations.stack) + (1,) * (observation.ndim - 2)
        self.stacked[where] = np.tile(observation[where], copies)

    def push(self, observation: NDArray[Any], where: NDArray[np.bool_] | None = None) -> None:
        """The next observation of all members, or of those in a mask."""
        channels = self.observations.shape[0]
        newer = np.concatenate([self.stacked[:, channels:], observation], axis=1)
        if where is not None:
            newer[~where] = self.stacked[~where]
        self.stacked = newer

    @property
    def seen(self) -> NDArray[Any]:
        """(members, ...) observations."""
        if self.observations.crop is None:
            return self.stacked
        return center_crop(self.stacked, self.observations.crop)


def center_crop(frames: NDArray[Any], crop: int) -> NDArray[Any]:
    """The middle of frames (..., size, size): (..., crop, crop)."""
    first = (frames.shape[-1] - crop) // 2
    return frames[..., first : first + crop, first : first + crop]

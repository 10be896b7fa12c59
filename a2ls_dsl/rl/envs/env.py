"""The interface of an environment to its worker, whichever package plays it."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray


class Step(NamedTuple):
    """The result of one agent step of one environment.

    `observation` (obs,) float32, or one frame (channels, size, size) uint8; `reward` summed over the repeated
    frames; `terminated`: the task ended by its own rules, so no value may be bootstrapped; `last`: the
    episode is over, by its rules or by its time limit. `life_lost`: for the learner the episode is over and
    terminated, but the game goes on with the next step instead of a reset.
    """

    observation: NDArray[Any]
    reward: float
    terminated: bool
    last: bool
    life_lost: bool = False


class Env(Protocol):
    """One environment. An episode is a pure function of its seed and the actions."""

    @property
    def observation_shape(self) -> tuple[int, ...]:
        """(numbers,) of a vector, or (channels, size, size) of a frame."""

    @property
    def action_size(self) -> int:
        """The length of an action, or the number of actions if they are discrete."""

    @property
    def discrete(self) -> bool:
        """Whether actions are numbers instead of vectors."""

    def reset(self, seed: int) -> NDArray[Any]:
        """Start the episode of `seed` (0 to 2**64 - 1); returns its first observation."""

    def step(self, action: Any) -> Step:
        """One agent step: `action` (act,) in [-1, 1], or the number of an action."""

    def screen(self) -> NDArray[np.uint8]:
        """The current picture for people: (height, width, 3). Raises `A2lError` if it can't be rendered."""

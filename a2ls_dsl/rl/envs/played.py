"""The seeds and actions of the episodes in progress, from which their state can be restored.

An episode is a function of its seed and actions, whichever package plays it. So its state is stored as these,
and restored by replaying them: in a later process, or in a worker that replaces a dead one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]


class Played:
    """Seeds and actions of the episodes that `lanes` environments are in; masks are (lanes,)."""

    def __init__(self, lanes: int) -> None:
        self.seed = np.zeros(lanes, np.uint64)
        self.going = np.zeros(lanes, np.bool_)  # lanes in an episode
        self._actions: list[list[Any]] = [[] for _ in range(lanes)]

    @property
    def steps(self) -> NDArray[np.int64]:
        """(lanes,) agent steps of each episode so far."""
        return np.array([len(actions) for actions in self._actions])

    def begin(self, where: NDArray[np.bool_], seed: NDArray[np.uint64]) -> None:
        """Begin episodes in the lanes of the mask, with seeds (lanes,)."""
        self.seed[where] = seed[where]
        self.going |= where
        self._forget(where)

    def add(self, where: NDArray[np.bool_], action: NDArray[Any]) -> None:
        """Add the actions (lanes, ...) of the lanes in the mask; the caller must not change them later."""
        for lane in np.flatnonzero(where):
            self._actions[lane].append(action[lane])

    def end(self, where: NDArray[np.bool_]) -> None:
        """End the episodes of the lanes in the mask."""
        self.going &= ~where
        self._forget(where)

    def actions(self, step: int, where: NDArray[np.bool_]) -> list[Any]:
        """The action of each lane in the mask at a step of its episode, in the order of lanes."""
        return [self._actions[lane][step] for lane in np.flatnonzero(where)]

    def state(self, where: NDArray[np.bool_]) -> Arrays:
        """Everything `restore` needs for the lanes in the mask; the others are stored as idle."""
        going = self.going & where
        actions = [action for lane in np.flatnonzero(going) for action in self._actions[lane]]
        return {"going": going, "seed": self.seed, "steps": self.steps * going, "actions": np.array(actions)}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Restore what `state` returned."""
        self.going[:], self.seed[:] = arrays["going"], arrays["seed"]
        parts = np.split(arrays["actions"], np.cumsum(arrays["steps"])[:-1])
        self._actions = [list(part) for part in parts]

    def _forget(self, where: NDArray[np.bool_]) -> None:
        for lane in np.flatnonzero(where):
            self._actions[lane] = []

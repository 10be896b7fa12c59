"""What was done in the games that are being played: with the games' seeds, all that says where they stand.

Games have no common end at which a stack could be stored, so one that goes on later plays them again up to
where they were. An episode is a function of its seed and its actions, whichever package plays it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from a2ls_dsl.rl.envs.pool import EnvPool


class Played:
    """The actions of every member's game so far."""

    def __init__(self, members: int) -> None:
        self._actions: list[list[int]] = [[] for _ in range(members)]

    def begin(self, where: NDArray[np.bool_]) -> None:
        """Games of the members in the mask (members,) begin."""
        for member in np.flatnonzero(where):
            self._actions[member] = []

    def add(self, action: NDArray[Any], where: NDArray[np.bool_]) -> None:
        """The members in the mask take the actions of these numbers (members,)."""
        for member in np.flatnonzero(where):
            self._actions[member].append(int(action[member]))

    def state(self) -> dict[str, NDArray[np.generic]]:
        """All that `restore` needs."""
        return {f"played/{member}": np.array(each, np.int64) for member, each in enumerate(self._actions)}

    def restore(
        self,
        arrays: Mapping[str, NDArray[Any]],
        pool: EnvPool,
        seeds: NDArray[np.int64],
        where: NDArray[np.bool_],
    ) -> None:
        """Bring the games of the members in the mask, which these seeds name, to where they were."""
        self._actions = [arrays[f"played/{member}"].tolist() for member in range(len(self._actions))]
        pool.reset_where(where, seeds)
        steps = np.array([len(each) for each in self._actions]) * where
        for step in range(steps.max(initial=0)):
            going = steps > step
            pool.start(
                [each[step] if go else 0 for each, go in zip(self._actions, going, strict=True)], going
            )
            pool.wait()

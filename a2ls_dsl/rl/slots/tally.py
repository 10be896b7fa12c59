"""Where each member of a stack stands: its steps, episodes and returns so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from a2ls_dsl.rl.envs.pool import StepResult

_STORED = {
    "step": "step",
    "busy": "busy",
    "episode": "episode",
    "evaluations": "evaluations",
    "last_return": "last_return",
    "_running": "running",
    "_in_game": "in_game",
    "_episode_return": "episode_return",
}
"""The arrays by their names in checkpoints."""


class Tally:
    """Counts of all members, arrays of (members,). busy: who takes steps at the beginning."""

    def __init__(self, busy: Sequence[bool]) -> None:
        members = len(busy)
        self.step = np.zeros(members, np.int64)  # agent steps so far
        self.busy = np.array(busy, np.bool_)
        self.running = np.zeros(members, np.bool_)  # whose episode goes on
        self.in_game = np.zeros(members, np.bool_)  # whose game does, which lost lives divide into episodes
        self.episode = np.zeros(members, np.int64)
        self.evaluations = np.zeros(members, np.int64)  # that were begun
        self.episode_return = np.zeros(members)
        self.last_return = np.full(members, np.nan)
        self.finished: list[list[float]] = [[] for _ in busy]  # returns since the last evaluation

    def begin(self, member: int) -> None:
        """A new member begins."""
        self.step[member] = self.episode[member] = self.evaluations[member] = 0
        self.episode_return[member], self.last_return[member] = 0.0, np.nan
        self.finished[member] = []
        self.busy[member] = True

    def clear(self, member: int) -> None:
        """A member is taken out."""
        self.busy[member] = self.running[member] = self.in_game[member] = False

    def count(self, result: StepResult) -> None:
        """A step of all busy members is made."""
        self.step += self.busy
        self.episode_return += np.where(self.busy, result.reward, 0.0)
        last = self.busy & result.last & ~result.life_lost  # returns are of whole games
        self.running = self.busy & ~result.last
        self.in_game = self.busy & ~last
        for member in np.flatnonzero(last):
            self.finished[member].append(float(self.episode_return[member]))
            self.last_return[member] = self.episode_return[member]
            self.episode_return[member] = 0.0

    def take_returns(self, member: int) -> float:
        """The mean return of the episodes that ended since this was asked last; NaN without any."""
        returns, self.finished[member] = self.finished[member], []
        return float(np.mean(returns)) if returns else float("nan")

    def state(self) -> dict[str, NDArray[Any]]:
        """The arrays, for a checkpoint; `finished` is kept as JSON."""
        return {name: getattr(self, attribute) for name, attribute in _STORED.items()}

    def restore(self, arrays: Mapping[str, NDArray[Any]], finished: Sequence[Sequence[float]]) -> None:
        """Take over what `state` gave, and the returns that were finished."""
        for name, attribute in _STORED.items():
            getattr(self, attribute)[:] = arrays[name]
        self.finished = [list(returns) for returns in finished]

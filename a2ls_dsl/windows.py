"""Windows of consecutive steps inside one episode, from the arrays of any replay buffer.

A loss with the horizon k reads steps t..t+k of one episode. In a ring of rows, a row a step, two things may
not lie inside such a window: the end of an episode, and the seam between the newest row and the oldest.

    row       0    1    2    3    4    5    6    7
    episode   C    C   (C)|  A    A  | B    B    B      newest row 2, oldest row 3; | an end, or the seam
    k = 1: windows start at 0, 1 | 3 | 5, 6, 7 (which goes on at row 0, if B and C are one episode)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from a2ls_dsl.backend.window import Window
from a2ls_dsl.diagnostics import A2lError

_TRIES = 50
"""Draws of a batch, before all windows are listed: it takes this many only where few rows start one."""


@dataclass(frozen=True)
class Ring:
    """The arrays of a ring buffer, a row a step: (rows, ...), or (rows, envs, ...) of several environments.

    observation: what was seen, vectors or frames; action: what was done then; reward, terminated, truncated:
    what followed; the last two mark the last step of an episode, by its rules or by a limit. size: how many
    rows are in use, by default all; oldest: the row that is overwritten next, once all are. They are read in
    place, and not copied. actions: of a discrete space how many there are; they become one-hot vectors.
    Terminal states have no row of their own, so no window has one.

    Losses want actions in [-1, 1], as Stable-Baselines3 keeps them.
    """

    observation: Any
    action: Any
    reward: Any
    terminated: Any
    truncated: Any
    size: int | None = None
    oldest: int = 0
    actions: int | None = None

    def __post_init__(self) -> None:
        """Raises `A2lError` where arrays don't belong together."""
        shape = self._shape
        for name in ("observation", "action", "terminated", "truncated"):
            given = tuple(getattr(self, name).shape)
            if given[: len(shape)] != shape:
                raise A2lError(
                    f"the array {name} has the shape {given}, and that of the rewards is {shape}",
                    "pass arrays with a row a step: (rows, ...) or (rows, envs, ...)",
                )
        if not 0 <= self.used <= shape[0] or not 0 <= self.oldest < max(1, shape[0]):
            raise A2lError(
                f"size {self.size} and oldest row {self.oldest} of {shape[0]} rows",
                "both count rows of the arrays",
            )

    @property
    def _shape(self) -> tuple[int, ...]:
        return tuple(self.reward.shape)

    @property
    def _envs(self) -> int:
        return self._shape[1] if len(self._shape) > 1 else 1

    @property
    def used(self) -> int:
        """How many rows are in use."""
        return self._shape[0] if self.size is None else self.size

    def starts(self, steps: int) -> NDArray[np.int64]:
        """Where windows of so many steps start: (N, 2) of age (0: the oldest row in use) and environment."""
        ends = self._ends(np.arange(self.used))
        before = np.concatenate([np.zeros((1, ends.shape[1]), np.int64), ends.cumsum(axis=0)])
        count = max(0, self.used - steps + 1)
        # An end in the last step of a window is no end inside of it.
        whole = before[steps - 1 : steps - 1 + count] == before[:count]
        return np.argwhere(whole)

    def sample(self, steps: int, batch: int, rng: Generator | None = None) -> Window:
        """A batch of windows of that many steps, drawn evenly from all that there are, with replacement.

        steps: a loss' horizon + 1. Raises `A2lError` where there is no window.
        """
        if steps < 1 or batch < 1:
            raise A2lError(f"{batch} windows of {steps} steps", "ask for one or more of each")
        age, env = self._draw(steps, batch, rng or np.random.default_rng())
        row = self._row(age[:, None] + np.arange(steps))
        place = (row, env[:, None]) if len(self._shape) > 1 else (row,)
        observation, action = self._read(self.observation, place), self._read(self.action, place)
        if self.actions is not None:
            action = torch.nn.functional.one_hot(action.reshape(row.shape).long(), self.actions)
        if action.dim() == 2:
            action = action[..., None]
        seen = observation if observation.dtype == torch.uint8 else observation.float()
        return Window(seen, action.float(), self._read(self.reward, place).float())

    def _draw(self, steps: int, batch: int, rng: Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Ages and environments (batch,): drawn from all rows, those that start no window are thrown away."""
        count = self.used - steps + 1
        envs = self._envs
        kept, missing = list[NDArray[np.int64]](), batch
        for _ in range(_TRIES if count > 0 else 0):
            drawn = np.stack([rng.integers(count, size=batch), rng.integers(envs, size=batch)], axis=1)
            inner = drawn[:, :1] + np.arange(steps - 1)
            ends = self._ends(inner.ravel()).reshape(batch, steps - 1, envs)
            whole = ~np.take_along_axis(ends, drawn[:, 1:, None], axis=2).any(axis=(1, 2))
            kept.append(drawn[whole][:missing])
            missing -= len(kept[-1])
            if not missing:
                break
        if missing:
            starts = self.starts(steps)
            if not len(starts):
                raise A2lError(
                    f"no {steps} consecutive steps of one episode are in the replay buffer",
                    "fill it further, or use a loss with a shorter horizon",
                )
            kept.append(starts[rng.integers(len(starts), size=missing)])
        chosen = np.concatenate(kept)
        return chosen[:, 0], chosen[:, 1]

    def _row(self, age: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.asarray((self.oldest + age) % self._shape[0])

    def _ends(self, age: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether an episode ends with rows of these ages, in each environment: (N, envs)."""
        row = self._row(age)
        ended = np.asarray(self.terminated[row]) | np.asarray(self.truncated[row])
        return np.asarray(ended.reshape(len(row), self._envs), np.bool_)

    @staticmethod
    def _read(array: Any, place: tuple[NDArray[np.int64], ...]) -> Tensor:
        return torch.as_tensor(array[place])


def sample(
    observation: ArrayLike,
    action: ArrayLike,
    reward: ArrayLike,
    terminated: ArrayLike,
    truncated: ArrayLike,
    *,
    steps: int,
    batch: int,
    size: int | None = None,
    oldest: int = 0,
    actions: int | None = None,
    rng: Generator | None = None,
) -> Window:
    """A batch of windows from the arrays of a ring buffer: `Ring(...).sample(...)`, in one call."""
    ring = Ring(observation, action, reward, terminated, truncated, size, oldest, actions)
    return ring.sample(steps, batch, rng)


def of_sb3(buffer: Any, actions: int | None = None) -> Ring:
    """The arrays of a buffer of Stable-Baselines3: `ReplayBuffer`, or the `RolloutBuffer` of PPO and A2C.

    A rollout is to be read before the agent learns from it, which takes its arrays apart: in
    `_on_rollout_end` of a callback. actions: of a discrete space how many there are.
    """
    if hasattr(buffer, "episode_starts"):
        ends = np.zeros(buffer.rewards.shape, np.bool_)
        ends[:-1] = buffer.episode_starts[1:].astype(np.bool_)
        shared = buffer.observations, buffer.actions, buffer.rewards, ends, np.zeros_like(ends)
        return Ring(*shared, size=buffer.buffer_size if buffer.full else buffer.pos, actions=actions)
    ended = buffer.dones.astype(np.bool_)
    # With `optimize_memory_usage` the next observation is already where the oldest one was.
    taken = int(buffer.full and buffer.optimize_memory_usage)
    return Ring(
        buffer.observations,
        buffer.actions,
        buffer.rewards,
        ended,
        np.zeros_like(ended),
        buffer.buffer_size - taken if buffer.full else buffer.pos,
        (buffer.pos + taken) % buffer.buffer_size if buffer.full else 0,
        actions,
    )


def of_torchrl(buffer: Any, actions: int | None = None, observation: str = "observation") -> Ring:
    """The storage of a replay buffer of TorchRL that is filled step by step, in order, from one environment.

    observation: its key. One-hot actions stay as they are. Raises `A2lError` where a key is missing.
    """
    stored = buffer[:]
    try:
        parts = stored[observation], stored["action"], stored["next", "reward"]
        flags = stored["next", "terminated"], stored.get(("next", "truncated"), None)
    except KeyError as error:
        raise A2lError(
            f"the replay buffer has no entry {error.args[0]}",
            "store what a collector of TorchRL gives, or pass arrays to `Ring`",
        ) from None
    rows = len(stored)
    terminated, truncated = (
        np.zeros(rows, np.bool_) if flag is None else flag.reshape(rows).cpu().numpy() for flag in flags
    )
    reward = parts[2].reshape(rows)
    full = rows == buffer.storage.max_size
    oldest = int(buffer.writer._cursor) % rows if full and rows else 0
    return Ring(parts[0], parts[1], reward, terminated, truncated, rows, oldest, actions)

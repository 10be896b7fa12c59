"""Replay on the learner's device: a ring of steps a member, from which windows never cross an episode's end.

Each observation is stored once. Row i of an episode holds the observation, and the action and reward that
followed it; one more row holds the episode's last observation. Which rows may start a window is known when a
row is written, so sampling is exactly uniform and needs neither rejection nor a look at neighbouring rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from a2ls_dsl.backend.counter_rng import CounterRng, Purpose
from a2ls_dsl.backend.window import Window


@dataclass(frozen=True)
class Transitions:
    """A batch of single steps, (members, B, ...); terminated is 1 where the task itself ended, else 0."""

    observation: Tensor
    action: Tensor
    reward: Tensor
    terminated: Tensor
    next_observation: Tensor


class Starts(nn.Module):
    """The rows at which a window of horizon + 1 steps inside one episode starts, oldest first."""

    horizon: Tensor
    ring: Tensor
    head: Tensor
    tail: Tensor

    def __init__(self, horizon: Tensor, capacity: int) -> None:
        super().__init__()
        members = len(horizon)
        self.register_buffer("horizon", horizon.clone())
        self.register_buffer("ring", torch.zeros(members, capacity, dtype=torch.int64))
        self.register_buffer("head", torch.zeros(members, dtype=torch.int64))
        self.register_buffer("tail", torch.zeros(members, dtype=torch.int64))

    def add(self, row: Tensor, position: Tensor, oldest: Tensor) -> None:
        """Step `position` of an episode was written to `row`; rows before `oldest` are gone."""
        members = torch.arange(len(row), device=row.device)
        capacity = self.ring.shape[1]
        place = self.head % capacity
        complete = position >= self.horizon
        self.ring[members, place] = torch.where(complete, row - self.horizon, self.ring[members, place])
        self.head += complete
        # At most two rows were overwritten, so at most two starts fell out.
        for _ in range(2):
            first = self.ring[members, self.tail % capacity]
            self.tail += (self.tail < self.head) & (first < oldest)

    def sample(self, rng: CounterRng, purpose: Purpose, counter: Tensor, batch: int) -> Tensor:
        """(members, batch) rows, uniform with replacement."""
        place = self.tail[:, None] + rng.integers(purpose, counter, batch, self.head - self.tail)
        return self.ring.gather(1, place % self.ring.shape[1])


class Replay(nn.Module):
    """One ring a member. `horizon`: (members,) int64, the horizons of the members' auxiliary losses.

    Call `begin` with the first observations of an episode, then `append` after every step.
    """

    observation: Tensor
    action: Tensor
    reward: Tensor
    terminated: Tensor
    written: Tensor
    position: Tensor

    def __init__(self, horizon: Tensor, capacity: int, observation: int, action: int) -> None:
        super().__init__()
        members = len(horizon)
        self.capacity = capacity
        self.register_buffer("observation", torch.zeros(members, capacity, observation))
        self.register_buffer("action", torch.zeros(members, capacity, action))
        self.register_buffer("reward", torch.zeros(members, capacity))
        self.register_buffer("terminated", torch.zeros(members, capacity))
        self.register_buffer("written", torch.zeros(members, dtype=torch.int64))
        self.register_buffer("position", torch.zeros(members, dtype=torch.int64))
        self.steps = Starts(torch.zeros_like(horizon), capacity)
        self.windows = Starts(horizon, capacity)
        self.register_buffer("members", torch.arange(members), persistent=False)
        self.members: Tensor

    @staticmethod
    def bytes_needed(members: int, capacity: int, observation: int, action: int) -> int:
        """Bytes that the rings of a stack take."""
        return members * capacity * (4 * (observation + action + 2) + 2 * 8)

    def begin(self, observation: Tensor, where: Tensor | None = None) -> None:
        """Start an episode with (members, O) observations, in all members or in those of a mask."""
        row = self.written % self.capacity
        if where is None:
            where = torch.ones_like(self.written, dtype=torch.bool)
        kept = self.observation[self.members, row]
        self.observation[self.members, row] = torch.where(where[:, None], observation, kept)
        self.position.masked_fill_(where, 0)

    def append(
        self, action: Tensor, reward: Tensor, terminated: Tensor, observation: Tensor, last: Tensor
    ) -> None:
        """Store one step of every member: what it did, what it got, and what it saw next.

        `last` (members,) marks the last step of an episode; those members must `begin` before they go on.
        """
        row = self.written % self.capacity
        self.action[self.members, row] = action
        self.reward[self.members, row] = reward
        self.terminated[self.members, row] = terminated.to(self.terminated)
        self.observation[self.members, (self.written + 1) % self.capacity] = observation
        # The newest row is the one of `observation`, or after an episode's end the one `begin` will write.
        oldest = self.written + 2 + last.to(torch.int64) - self.capacity
        for starts in (self.steps, self.windows):
            starts.add(self.written, self.position, oldest)
        self.written += 1 + last.to(torch.int64)
        self.position += 1

    def sample_steps(self, rng: CounterRng, counter: Tensor, batch: int) -> Transitions:
        """(members, batch) single steps."""
        row = self.steps.sample(rng, Purpose.BATCH, counter, batch)
        return Transitions(
            self._read(self.observation, row),
            self._read(self.action, row),
            self._read(self.reward, row),
            self._read(self.terminated, row),
            self._read(self.observation, row + 1),
        )

    def sample_windows(self, rng: CounterRng, counter: Tensor, batch: int, steps: int) -> Window:
        """(members, batch) windows of `steps` steps; steps beyond a member's own horizon are arbitrary."""
        start = self.windows.sample(rng, Purpose.WINDOW, counter, batch)
        row = start[..., None] + torch.arange(steps, device=start.device)
        return Window(*(self._read(each, row) for each in (self.observation, self.action, self.reward)))

    def _read(self, stored: Tensor, row: Tensor) -> Tensor:
        """(members, capacity, ...) at rows (members, ...)."""
        offset = (self.members * self.capacity).view(-1, *[1] * (row.dim() - 1))
        flat = stored.flatten(0, 1).index_select(0, (row % self.capacity + offset).flatten())
        return flat.view(*row.shape, *stored.shape[2:])

"""Where windows may start in a ring: known when a row is written, so that sampling needs no rejection."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from a2ls_dsl.backend.counter_rng import CounterRng, Purpose


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

    def reset(self, member: int, horizon: int) -> None:
        """Forget all starts of a member, whose windows have another horizon now."""
        self.horizon[member] = horizon
        for tensor in (self.ring, self.head, self.tail):
            tensor[member] = 0

    def moved(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The state of a shorter ring as one of this."""
        return {**state, "ring": longer(state["ring"], self.ring, state["head"] - 1)}

    def add(self, row: Tensor, position: Tensor, oldest: Tensor) -> None:
        """Step `position` of an episode was written to `row`; windows from before `oldest` are gone."""
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

    @property
    def any(self) -> Tensor:
        """(members,) whether there is a start at all."""
        return self.head > self.tail

    def sample(self, rng: CounterRng, purpose: Purpose, counter: Tensor, batch: int) -> Tensor:
        """(members, batch) rows, uniform with replacement; arbitrary ones where there is no start."""
        place = self.tail[:, None] + rng.integers(purpose, counter, batch, self.head - self.tail)
        return self.ring.gather(1, place % self.ring.shape[1])


def longer(ring: Tensor, empty: Tensor, newest: Tensor) -> Tensor:
    """Rings (members, rows, ...), whose last entry is number `newest` (members,), as long as `empty`."""
    number = newest[:, None] - torch.arange(ring.shape[1])
    member, place = (number >= 0).nonzero(as_tuple=True)
    number = number[member, place]
    whole = torch.zeros(empty.shape, dtype=ring.dtype)
    whole[member, number % empty.shape[1]] = ring[member, number % ring.shape[1]]
    return whole

"""Prioritised replay of returns over several steps; windows for auxiliary losses stay uniform.

A step can be drawn as soon as its return is known: n steps later, or at the episode's end, where returns are
shorter. Everything is in place and on the device, as in `Replay`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from a2ls_dsl.backend.counter_rng import CounterRng, Purpose
from a2ls_dsl.rl.rainbow.priorities import Priorities
from a2ls_dsl.rl.rainbow.settings import RainbowSettings
from a2ls_dsl.rl.replay.buffer import Replay
from a2ls_dsl.rl.replay.observations import Observations


@dataclass(frozen=True)
class Experience:
    """A batch of steps with what followed, (members, B, ...).

    reward: discounted sum up to `next_observation`; discount: of the value there, 0 behind a task's own end;
    row: where the steps lie; priority: that they were drawn with.
    """

    observation: Tensor
    action: Tensor
    reward: Tensor
    discount: Tensor
    next_observation: Tensor
    row: Tensor
    priority: Tensor


class PrioritisedReplay(Replay):
    """`Replay` with priorities; without prioritisation they are all 1."""

    last: Tensor
    largest: Tensor

    def __init__(
        self,
        horizon: Tensor,
        capacity: int,
        observations: Observations,
        action: int,
        settings: RainbowSettings,
    ) -> None:
        capacity = max(capacity, 2 * (settings.multi_step + observations.stack))
        super().__init__(horizon, capacity, observations, action)
        self.settings = settings
        members = len(horizon)
        self.register_buffer("last", torch.zeros(members, capacity, dtype=torch.bool))
        self.register_buffer("largest", torch.ones(members, dtype=torch.float64))
        self.priorities = Priorities(members, capacity)

    @staticmethod
    def bytes_needed(members: int, capacity: int, observations: Observations, action: int) -> int:
        """Bytes that the rings of a stack take."""
        more = Priorities.bytes_needed(capacity) + capacity
        return Replay.bytes_needed(members, capacity, observations, action) + members * more

    @torch.no_grad()
    def reset(self, member: int, horizon: int) -> None:
        """See `Replay.reset`."""
        super().reset(member, horizon)
        self.last[member] = False
        self.largest[member] = 1
        self.priorities.reset(member)

    def append(
        self, action: Tensor, reward: Tensor, terminated: Tensor, observation: Tensor, last: Tensor
    ) -> None:
        """See `Replay.append`. Rewards are clipped; steps whose return is now known get the top priority."""
        clip, steps = self.settings.reward_clip, self.settings.multi_step
        if clip:
            reward = reward.clamp(-clip, clip)
        self.last[self.members, self.written % self.capacity] = last
        back = torch.arange(steps, device=last.device)
        full = (back == steps - 1) & (self.position >= steps - 1)[:, None]
        known = full | (last[:, None] & (back <= self.position[:, None]))
        row = (self.written[:, None] - back) % self.capacity
        priority = torch.where(known, self.largest[:, None], self.priorities.at(row))
        # What `Replay.append` calls the oldest row moves on by two at most.
        oldest = self.written + 1 + last.to(torch.int64) + self.observations.stack
        gone = (oldest[:, None] - torch.arange(1, 3, device=last.device)) % self.capacity
        nothing = priority.new_zeros(gone.shape)
        self.priorities.write(torch.cat([row, gone], dim=1), torch.cat([priority, nothing], dim=1))
        super().append(action, reward, terminated, observation, last)

    def sample(self, rng: CounterRng, counter: Tensor, batch: int) -> Experience:
        """(members, batch) steps in proportion to their priorities, one of each of `batch` equal shares."""
        share = torch.arange(batch, device=self.written.device)
        uniform = rng.uniform(Purpose.BATCH, counter, batch).to(torch.float64)
        row = self.priorities.draw((share + uniform) / batch)
        reward, discount, count = self._returns(row)
        return Experience(
            self.observations_at(row, self._crop(rng, Purpose.CROP, counter, batch)),
            self._read(self.action, row),
            reward,
            discount,
            self.observations_at(row + count, self._crop(rng, Purpose.NEXT_CROP, counter, batch)),
            row,
            self.priorities.at(row),
        )

    def reprioritise(self, row: Tensor, error: Tensor, active: Tensor) -> None:
        """Give sampled rows the priorities of their errors; both (members, B), active: (members,)."""
        if not self.settings.prioritised:
            return
        # 0 says that there is nothing to draw: a step that is learned perfectly is not one of these.
        priority = error.detach().to(self.largest).pow(self.settings.priority_exponent).clamp(min=1e-100)
        kept = active[:, None]
        self.priorities.write(row, torch.where(kept, priority, self.priorities.at(row)))
        largest = torch.maximum(self.largest, priority.max(dim=1).values)
        self.largest.copy_(torch.where(active, largest, self.largest))

    def _returns(self, row: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Of rows (members, B): rewards in sum, discounts of the value behind them, steps in between."""
        steps, gamma = self.settings.multi_step, self.settings.discount
        step = torch.arange(steps, device=row.device)
        ahead = row[..., None] + step
        reward, terminated = self._read(self.reward, ahead), self._read(self.terminated, ahead)
        over = (terminated > 0) | self._read(self.last, ahead)
        # A step counts unless the episode, or what the task takes for one, was over before it.
        counts = (over.cumsum(dim=2) - over.to(torch.int64)) == 0
        weight = torch.where(counts, gamma ** step.to(reward.dtype), 0.0)
        ended = (counts * terminated).sum(dim=2)
        count = counts.sum(dim=2)
        return (weight * reward).sum(dim=2), gamma ** count.to(reward.dtype) * (1 - ended), count

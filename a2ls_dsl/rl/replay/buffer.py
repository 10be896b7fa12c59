"""Replay on the learner's device: a ring of steps a member, from which windows never cross an episode's end.

Each observation is stored once. Row i of an episode holds the observation, and the action and reward that
followed it; one more row holds the episode's last observation. Which rows may start a window is known when a
row is written, so sampling is exactly uniform and needs neither rejection nor a look at neighbouring rows.
Stacks of frames are put together, and cut to random crops, when they are sampled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from a2ls_dsl.backend.counter_rng import CounterRng, Purpose
from a2ls_dsl.backend.window import StackWindow, Window
from a2ls_dsl.rl.replay.observations import Observations
from a2ls_dsl.rl.replay.rings import Memory, Ring
from a2ls_dsl.rl.replay.starts import Starts, longer
from a2ls_dsl.words.views.frames import cut_out, with_border


@dataclass(frozen=True)
class Transitions:
    """A batch of single steps, (members, B, ...); terminated is 1 where the task itself ended, else 0."""

    observation: Tensor
    action: Tensor
    reward: Tensor
    terminated: Tensor
    next_observation: Tensor


@dataclass(frozen=True)
class PixelWindow:
    """Windows of frames: only the states that a loss reads are fetched, each under its draw of the crop.

    row: (members, B), where windows start; crops: (members, steps + views, B, 2), the draw of each step and
    then that of each view's call, or None where all states are whole frames.
    """

    replay: Replay
    row: Tensor
    crops: Tensor | None
    action: Tensor
    reward: Tensor
    done: Tensor | None

    def states(self, step: Tensor, draw: Tensor, members: Tensor | None = None) -> Tensor:
        """See `Window.states`."""
        members = self.replay.members if members is None else members
        row = self.row[members][:, None] + step[..., None]
        if self.crops is None:
            return self.replay.observations_at(row, None, members)
        place = torch.where(draw > 0, self.reward.shape[-1] - 1 + draw, step)
        return self.replay.observations_at(row, self.crops[members[:, None], place], members)


class Replay(nn.Module):
    """One ring a member. `horizon`: (members,) int64, the horizons of the members' auxiliary losses.

    Call `begin` with the first observations of an episode, then `append` after every step.
    """

    observation: Tensor
    age: Tensor
    action: Tensor
    reward: Tensor
    terminated: Tensor
    written: Tensor
    position: Tensor

    def __init__(self, horizon: Tensor, capacity: int, observations: Observations, action: int) -> None:
        super().__init__()
        members = len(horizon)
        self.capacity, self.observations = capacity, observations
        stored = torch.zeros(members, capacity, *observations.shape, dtype=observations.dtype)
        self.register_buffer("observation", stored)
        # The position in its episode of every row: a stack never reaches behind the first frame.
        self.register_buffer("age", torch.zeros(members, capacity, dtype=torch.int32))
        self.register_buffer("action", torch.zeros(members, capacity, action))
        self.register_buffer("reward", torch.zeros(members, capacity))
        self.register_buffer("terminated", torch.zeros(members, capacity))
        self.register_buffer("written", torch.zeros(members, dtype=torch.int64))
        self.register_buffer("position", torch.zeros(members, dtype=torch.int64))
        self.steps = Starts(torch.zeros_like(horizon), capacity)
        self.windows = Starts(horizon, capacity)
        self.register_buffer("members", torch.arange(members), persistent=False)
        self.members: Tensor
        self.begin_lives()

    def begin_lives(self) -> None:
        """What was stored of the rings before says nothing of them now."""
        self._lives, self._stored = [0] * len(self.members), Memory()

    @property
    def frames(self) -> Ring:
        """The observations, of which a checkpoint stores what is new."""
        return Ring(self.observation, self.written.tolist(), self._lives, self._stored)

    @staticmethod
    def bytes_needed(members: int, capacity: int, observations: Observations, action: int) -> int:
        """Bytes that the rings of a stack take."""
        return members * capacity * (observations.bytes + 4 * (action + 3) + 2 * 8)

    @torch.no_grad()
    def reset(self, member: int, horizon: int) -> None:
        """Empty the ring of a member, for one whose loss has this horizon.

        Nothing is left of the rows: until there are others, updates read them.
        """
        used = min(int(self.written[member]) + 1, self.capacity)
        for rows in (self.observation, self.age, self.action, self.reward, self.terminated):
            rows[member, :used] = 0
        self.written[member] = self.position[member] = 0
        self._lives[member] += 1
        self.steps.reset(member, 0)
        self.windows.reset(member, horizon)

    @torch.no_grad()
    def take(self, member: int, other: Replay, its: int) -> None:
        """Let a member's ring be that of member `its` of another replay of equal length."""
        for mine, theirs in zip(self.state_dict().values(), other.state_dict().values(), strict=True):
            mine[member] = theirs[its]
        self._lives[member] += 1

    def moved(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The state of a replay with fewer rows as one of this: each row is where it would have been here."""
        rows = {
            name: longer(state[name], self.get_buffer(name), state["written"])
            for name in ("observation", "age", "action", "reward", "terminated")
        }
        for name, starts in (("steps", self.steps), ("windows", self.windows)):
            of = {key.removeprefix(f"{name}."): array for key, array in state.items() if key.startswith(name)}
            rows |= {f"{name}.{key}": value for key, value in starts.moved(of).items()}
        return {**state, **rows}

    def begin(self, observation: Tensor, where: Tensor | None = None) -> None:
        """Start an episode with (members, ...) observations, in all members or in those of a mask."""
        row = self.written % self.capacity
        if where is None:
            where = torch.ones_like(self.written, dtype=torch.bool)
        kept = self.observation[self.members, row]
        mask = where.view(-1, *[1] * (kept.dim() - 1))
        self.observation[self.members, row] = torch.where(mask, observation, kept)
        self.position.masked_fill_(where, 0)
        self.age[self.members, row] = self.position.to(self.age)

    def append(
        self, action: Tensor, reward: Tensor, terminated: Tensor, observation: Tensor, last: Tensor
    ) -> None:
        """Store one step of every member: what it did, what it got, and what it saw next.

        `last` (members,) marks the last step of an episode; those members must `begin` before they go on.
        """
        row = self.written % self.capacity
        after = (self.written + 1) % self.capacity
        self.action[self.members, row] = action
        self.reward[self.members, row] = reward
        self.terminated[self.members, row] = terminated.to(self.terminated)
        self.observation[self.members, after] = observation
        self.age[self.members, after] = (self.position + 1).to(self.age)
        # The newest row is the one of `observation`, or after an episode's end the one `begin` will write.
        # The frames before the first state of a window must still be there, too.
        oldest = self.written + 1 + last.to(torch.int64) - self.capacity + self.observations.stack
        for starts in (self.steps, self.windows):
            starts.add(self.written, self.position, oldest)
        self.written += 1 + last.to(torch.int64)
        self.position += 1

    def wanted(self, batch: int, steps: int = 0, views: int = 0) -> list[tuple[Purpose, int]]:
        """The random numbers that a batch takes, and one of windows of so many steps, by purpose."""
        frames = self.observations.crop is not None
        cropped = 2 * batch if frames and self.observations.random_crops else 0
        wanted = {Purpose.BATCH: batch, Purpose.CROP: cropped, Purpose.NEXT_CROP: cropped}
        if steps:
            wanted |= {Purpose.WINDOW: batch, Purpose.WINDOW_CROP: steps * cropped}
            wanted |= {Purpose.VIEW: 2 * batch * views * frames}
        return [(purpose, count) for purpose, count in wanted.items() if count]

    def sample_steps(self, rng: CounterRng, counter: Tensor, batch: int) -> Transitions:
        """(members, batch) single steps; of frames two independent crops, before and after the step."""
        row = self.steps.sample(rng, Purpose.BATCH, counter, batch)
        action, reward, terminated = self._read_all((self.action, self.reward, self.terminated), row)
        return Transitions(
            self.observations_at(row, self._crop(rng, Purpose.CROP, counter, batch)),
            action,
            reward,
            terminated,
            self.observations_at(row + 1, self._crop(rng, Purpose.NEXT_CROP, counter, batch)),
        )

    def sample_windows(
        self, rng: CounterRng, counter: Tensor, batch: int, steps: int, views: int = 0, done: bool = False
    ) -> StackWindow:
        """(members, batch) windows of `steps` steps; steps beyond a member's own horizon are arbitrary.

        So is all of them for members that have none yet: see `windows.any`.
        views: how many calls of views need a crop of their own; done: whether a loss may read that, too.
        """
        start = self.windows.sample(rng, Purpose.WINDOW, counter, batch)
        row = start[..., None] + torch.arange(steps, device=start.device)
        vectors = self.observations.crop is None
        action, reward, *seen = self._read_all(
            (self.action, self.reward, *(self.observation,) * vectors), row
        )
        flags = self._done(start, row) if done else None
        if vectors:
            return Window(seen[0], action, reward, flags)
        if views == 0 and self._sees_whole:
            return PixelWindow(self, start, None, action, reward, flags)
        shared = self._crops(rng, Purpose.WINDOW_CROP, counter, batch, steps)
        own = self._crops(rng, Purpose.VIEW, counter, batch, views)
        return PixelWindow(self, start, torch.cat([shared, own], dim=1), action, reward, flags)

    def _done(self, start: Tensor, row: Tensor) -> Tensor:
        """1 where rows (members, B, steps) of windows hold terminal states; never at the first step."""
        ended = self._read(self.terminated, row - 1)
        first = row == start[..., None]
        return torch.where(first | (self._read(self.age, row) == 0), 0.0, ended)

    def observations_at(self, row: Tensor, crops: Tensor | None, members: Tensor | None = None) -> Tensor:
        """What agents see at rows (N, ...): (N, ..., *seen).

        crops: (N, ..., 2), or None where they see whole frames as they are. members: (N,) whose rows; all by
        default.
        """
        members = self.members if members is None else members
        crop, stack = self.observations.crop, self.observations.stack
        if crop is None:
            return self._read(self.observation, row, members)
        lag = torch.arange(stack - 1, -1, -1, device=row.device)
        lag = torch.minimum(lag, self._read(self.age, row, members)[..., None])
        rows = row[..., None] - lag
        if crops is None:
            return self._read(self.observation, rows, members).flatten(-4, -3)
        y, x = (first.expand(rows.shape).flatten() for first in crops[..., None].unbind(-2))
        if self.observations.border:
            frames = with_border(
                self._read(self.observation, rows, members).flatten(0, -4), self.observations.border
            )
            cut = cut_out(frames, torch.arange(len(frames), device=rows.device), y, x, crop, crop)
        else:
            cut = cut_out(self.observation.flatten(0, 1), self._flat(rows, members), y, x, crop, crop)
        return cut.view(*rows.shape, *cut.shape[1:]).flatten(-4, -3)

    @property
    def _sees_whole(self) -> bool:
        """Whether the agent sees frames, but for a loss' own views, as they are."""
        return not self.observations.random_crops and self.observations.whole

    def _crop(self, rng: CounterRng, purpose: Purpose, counter: Tensor, batch: int) -> Tensor | None:
        """Offsets (members, batch, 2) of crops of observations; None for whole frames and vectors."""
        if self.observations.crop is None or self._sees_whole:
            return None
        return self._crops(rng, purpose, counter, batch)[:, 0]

    def _crops(
        self, rng: CounterRng, purpose: Purpose, counter: Tensor, batch: int, count: int = 1
    ) -> Tensor:
        """Offsets (members, count, batch, 2) of random crops, or of the centre where crops aren't random."""
        if count == 0:
            return self.written.new_zeros((len(self.members), 0, batch, 2))
        if not self.observations.random_crops and purpose is not Purpose.VIEW:
            middle = (self.observations.crops - 1) // 2
            return self.written.new_full((len(self.members), count, batch, 2), middle)
        places = torch.full_like(self.written, self.observations.crops)
        return rng.integers(purpose, counter, count * batch * 2, places).view(len(places), count, batch, 2)

    def _read(self, stored: Tensor, row: Tensor, members: Tensor | None = None) -> Tensor:
        """(members, capacity, ...) at rows (N, ...) of some members (N,), by default of all."""
        return self._read_all((stored,), row, members)[0]

    def _read_all(self, stored: Sequence[Tensor], row: Tensor, members: Tensor | None = None) -> list[Tensor]:
        """Several of these at the same rows."""
        places = self._flat(row, members)
        return [
            ring.flatten(0, 1).index_select(0, places).view(*row.shape, *ring.shape[2:]) for ring in stored
        ]

    def _flat(self, row: Tensor, members: Tensor | None = None) -> Tensor:
        """Rows (N, ...) of the rings as one list of places in all rings, one behind the other."""
        members = self.members if members is None else members
        offset = (members * self.capacity).view(-1, *[1] * (row.dim() - 1))
        return (row % self.capacity + offset).flatten()

"""Replay against a model that remembers everything: which windows exist, what they hold, how often."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from a2ls_dsl.backend.counter_rng import CounterRng, Purpose
from a2ls_dsl.rl.replay.buffer import Replay
from a2ls_dsl.rl.replay.observations import Observations
from a2ls_dsl.rl.replay.starts import Starts

OBSERVATION, ACTION = 3, 2


@dataclass
class Model:
    """One member's ring, slot by slot, as the text of `Replay` describes it."""

    capacity: int
    lengths: list[int]
    row: int = 0
    episode: int = 0
    position: int = 0
    slots: dict[int, tuple[int, int, int] | None] = field(default_factory=dict)
    """By place in the ring: (row, episode, position) of a step, or None: an observation only."""

    def length(self) -> int:
        return self.lengths[self.episode % len(self.lengths)]

    def step(self) -> bool:
        """Write a step and the observation behind it; returns whether it was the episode's last."""
        self.slots[self.row % self.capacity] = (self.row, self.episode, self.position)
        self.slots[(self.row + 1) % self.capacity] = None
        last = self.position + 1 == self.length()
        if last:
            # One row for the last observation, and the next one is the new episode's first observation.
            self.slots[(self.row + 2) % self.capacity] = None
            self.episode, self.position, self.row = self.episode + 1, 0, self.row + 2
        else:
            self.position, self.row = self.position + 1, self.row + 1
        return last

    def starts(self, horizon: int) -> list[int]:
        """All rows from which horizon + 1 steps of one episode, one after the other, are still there."""
        rows = []
        for first in filter(None, self.slots.values()):
            row, episode, position = first
            window = [self.slots.get((row + i) % self.capacity) for i in range(horizon + 1)]
            if window == [(row + i, episode, position + i) for i in range(horizon + 1)]:
                rows.append(row)
        return sorted(rows)


def observed(member: int, episode: int, position: int) -> list[float]:
    return [float(member), float(episode), float(position)]


class Recording:
    """A replay of several members and their models, filled in lock step."""

    def __init__(self, capacity: int, horizons: list[int], lengths: list[list[int]]) -> None:
        self.models = [Model(capacity, length) for length in lengths]
        self.replay = Replay(torch.tensor(horizons), capacity, Observations((OBSERVATION,)), ACTION)
        self.replay.begin(self.seen([(0, 0)] * len(lengths)))

    def seen(self, where: list[tuple[int, int]]) -> torch.Tensor:
        return torch.tensor([observed(member, *place) for member, place in enumerate(where)])

    def step(self) -> None:
        """A step's action holds its episode and position, its reward the position; ends of even episodes
        are the task's own, those of odd ones a time limit."""
        before = [(model.episode, model.position) for model in self.models]
        after = [(episode, position + 1) for episode, position in before]
        last = [model.step() for model in self.models]
        terminated = [end and not episode % 2 for end, (episode, _) in zip(last, before, strict=True)]
        self.replay.append(
            torch.tensor(before, dtype=torch.float32),
            torch.tensor([float(position) for _, position in before]),
            torch.tensor(terminated),
            self.seen(after),
            torch.tensor(last),
        )
        if any(last):
            # Members that go on must not be touched: their first observation here is nonsense.
            begun = [(m.episode, 0) if end else (-7, -7) for m, end in zip(self.models, last, strict=True)]
            self.replay.begin(self.seen(begun), torch.tensor(last))


def stored(starts: Starts, member: int) -> list[int]:
    capacity = starts.ring.shape[1]
    span = range(int(starts.tail[member]), int(starts.head[member]))
    return [int(starts.ring[member, place % capacity]) for place in span]


LENGTHS = st.lists(st.integers(1, 9), min_size=1, max_size=4)
MEMBERS = st.lists(st.tuples(st.integers(0, 6), LENGTHS), min_size=1, max_size=3)


@settings(max_examples=60)
@given(st.integers(3, 15), MEMBERS, st.integers(1, 45))
def test_starts_are_exactly_the_windows_that_exist(
    capacity: int, members: list[tuple[int, list[int]]], steps: int
) -> None:
    horizons = [horizon for horizon, _ in members]
    recording = Recording(capacity, horizons, [lengths for _, lengths in members])
    for _ in range(steps):
        recording.step()
        for member, model in enumerate(recording.models):
            assert stored(recording.replay.steps, member) == model.starts(0)
            assert stored(recording.replay.windows, member) == model.starts(horizons[member])


@settings(max_examples=60)
@given(st.integers(3, 15), MEMBERS, st.integers(1, 45), st.integers(0, 10**6))
def test_samples_hold_what_happened(
    capacity: int, members: list[tuple[int, list[int]]], steps: int, seed: int
) -> None:
    horizons = [horizon for horizon, _ in members]
    recording = Recording(capacity, horizons, [lengths for _, lengths in members])
    for _ in range(steps):
        recording.step()
    replay, count, batch = recording.replay, len(members), 32
    rng, counter = CounterRng(torch.arange(count) + seed), torch.zeros(count, dtype=torch.int64)
    single = replay.sample_steps(rng, counter, batch)
    window = replay.sample_windows(rng, counter, batch, max(horizons) + 1)
    for member, model in enumerate(recording.models):
        live = {(e, p) for _, e, p in filter(None, model.slots.values())}
        for i in range(batch):
            episode, position = (int(x) for x in single.action[member, i])
            assert (episode, position) in live
            assert single.observation[member, i].tolist() == observed(member, episode, position)
            assert single.next_observation[member, i].tolist() == observed(member, episode, position + 1)
            assert single.reward[member, i] == position
            length = model.lengths[episode % len(model.lengths)]
            assert single.terminated[member, i] == (position + 1 == length and not episode % 2)
        if not model.starts(horizons[member]):
            continue
        for i in range(batch):
            episode, first = (int(x) for x in window.action[member, i, 0])
            for step in range(horizons[member] + 1):
                assert (episode, first + step) in live
                assert window.action[member, i, step].tolist() == [episode, first + step]
                assert window.observation[member, i, step].tolist() == observed(member, episode, first + step)
                assert window.reward[member, i, step] == first + step


@pytest.mark.parametrize("horizon", [0, 3])
def test_sampling_is_uniform(horizon: int) -> None:
    """Over a ring that has wrapped around, for members with episodes of different lengths."""
    recording = Recording(40, [horizon] * 2, [[7, 3, 10], [12]])
    for _ in range(150):
        recording.step()
    rng, starts = CounterRng(torch.tensor([1, 2])), recording.replay.windows
    rows = starts.sample(rng, Purpose.WINDOW, torch.zeros(2, dtype=torch.int64), 20_000)
    for member, model in enumerate(recording.models):
        valid = model.starts(horizon)
        counts = [int((rows[member] == row).sum()) for row in valid]
        assert len(valid) > 10
        assert sum(counts) == 20_000
        assert stats.chisquare(counts).pvalue > 1e-3


def test_steps_and_windows_are_drawn_independently() -> None:
    recording = Recording(100, [0], [[50]])
    for _ in range(90):
        recording.step()
    rng, counter = CounterRng(torch.tensor([0])), torch.tensor([0])
    single = recording.replay.sample_steps(rng, counter, 64)
    window = recording.replay.sample_windows(rng, counter, 64, 1)
    assert not torch.equal(single.action[0], window.action[0, :, 0])


def test_a_member_samples_the_same_in_any_company() -> None:
    alone = Recording(20, [2], [[5, 8]])
    crowd = Recording(20, [4, 2], [[3], [5, 8]])
    for _ in range(60):
        alone.step()
        crowd.step()
    rng, counter = CounterRng(torch.tensor([8, 9])), torch.tensor([5, 6])
    window = crowd.replay.sample_windows(rng, counter, 16, 5)
    other = alone.replay.sample_windows(rng.member(1), counter[1:], 16, 3)
    assert torch.equal(window.action[1, :, :3], other.action[0])
    steps, same = (
        crowd.replay.sample_steps(rng, counter, 16),
        alone.replay.sample_steps(rng.member(1), counter[1:], 16),
    )
    assert torch.equal(steps.action[1], same.action[0])


def test_bytes_needed_is_what_is_allocated() -> None:
    """All that grows with the capacity; beside it stand a few counters a member."""
    shape = {"members": 3, "capacity": 1000, "observations": Observations((17,)), "action": 6}
    replay = Replay(torch.tensor([0, 4, 9]), 1000, Observations((17,)), 6)
    allocated = sum(buffer.numel() * buffer.element_size() for buffer in replay.buffers() if buffer.dim() > 1)
    assert Replay.bytes_needed(**shape) == allocated
    counters = sum(buffer.numel() * buffer.element_size() for buffer in replay.buffers() if buffer.dim() == 1)
    assert counters <= 100 * 3


def test_windows_may_end_in_the_terminal_state() -> None:
    """Of a loss that reads no action and no reward of its last step: horizon 2, so starts as for 1.

    Only the last state of an episode that the task itself ended is terminal, and only as a window's last one.
    """
    lengths = [4, 7]
    recording = Recording(40, [1], [lengths])
    for _ in range(60):
        recording.step()
    rng, counter = CounterRng(torch.tensor([3])), torch.zeros(1, dtype=torch.int64)
    window = recording.replay.sample_windows(rng, counter, 400, 3, done=True)
    ends = set[tuple[bool, bool]]()
    for i in range(400):
        episode, first = (int(x) for x in window.action[0, i, 0])
        at_end = first + 2 == lengths[episode % 2]
        assert window.observation[0, i, 2].tolist() == observed(0, episode, first + 2)
        assert window.done[0, i].tolist() == [0, 0, float(at_end and episode % 2 == 0)]
        ends.add((at_end, bool(window.done[0, i, 2])))
    assert ends == {(False, False), (True, False), (True, True)}

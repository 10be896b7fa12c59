"""Prioritised replay against a memory of everything: which steps can be drawn, their returns, how often."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from a2ls_dsl.backend.counter_rng import CounterRng
from a2ls_dsl.rl.rainbow.replay import PrioritisedReplay
from a2ls_dsl.rl.rainbow.settings import RainbowSettings
from a2ls_dsl.rl.replay.observations import Observations

SIZE, ACTIONS, GAMMA, STACK = 15, 3, 0.9, 2
FRAMES = Observations((1, SIZE, SIZE), STACK, SIZE, random_crops=False, border=2)


@dataclass
class Episode:
    """What happened, in order; `frames` has one more than there are steps."""

    frames: list[int]
    first_row: int
    actions: list[int] = field(default_factory=list)
    rewards: list[float] = field(default_factory=list)
    terminated: list[bool] = field(default_factory=list)
    over: bool = False


class Recording:
    """Members with random episodes of their own, stored in a replay and in a plain memory."""

    def __init__(self, capacity: int, multi_step: int, seeds: list[int], **more: object) -> None:
        self.settings = RainbowSettings(
            multi_step=multi_step,
            discount=GAMMA,
            random_steps=multi_step + 1,
            **more,  # type: ignore[arg-type]
        )
        horizon = torch.full((len(seeds),), 2)
        self.replay = PrioritisedReplay(horizon, capacity, FRAMES, ACTIONS, self.settings)
        self.rngs = [np.random.default_rng(seed) for seed in seeds]
        self.memory: list[list[Episode]] = [[] for _ in seeds]
        self.frame = [0] * len(seeds)
        self.begin([True] * len(seeds))

    def seen(self) -> torch.Tensor:
        """The next frame of every member: its number, in all pixels."""
        self.frame = [(shade + 1) % 256 for shade in self.frame]
        numbers = torch.tensor(self.frame, dtype=torch.uint8)
        return numbers.view(-1, 1, 1, 1).expand(-1, 1, SIZE, SIZE)

    def begin(self, where: list[bool]) -> None:
        rows = self.replay.written.tolist()
        frames = self.seen()
        for member, chosen in enumerate(where):
            if chosen:
                self.memory[member].append(Episode([self.frame[member]], rows[member]))
        self.replay.begin(frames, torch.tensor(where))

    def step(self) -> None:
        action = [int(rng.integers(ACTIONS)) for rng in self.rngs]
        reward = [float(rng.normal()) for rng in self.rngs]
        ends = [bool(rng.uniform() < 0.15) for rng in self.rngs]
        lost = [
            bool(rng.uniform() < (0.5 if end else 0.03)) for rng, end in zip(self.rngs, ends, strict=True)
        ]
        frames = self.seen()
        for member, episodes in enumerate(self.memory):
            now = episodes[-1]
            now.frames.append(self.frame[member])
            now.actions.append(action[member])
            now.rewards.append(reward[member])
            now.terminated.append(lost[member])
            now.over = ends[member]
        one_hot = torch.eye(ACTIONS)[torch.tensor(action)]
        last = torch.tensor(ends)
        self.replay.append(one_hot, torch.tensor(reward), torch.tensor(lost), frames, last)
        if any(ends):
            self.begin(ends)

    def known(self, member: int) -> dict[int, tuple[Episode, int]]:
        """Every step that can be drawn, by its row: its frames are stored and its return is known."""
        steps, capacity = self.settings.multi_step, self.replay.capacity
        newest = int(self.replay.written[member])
        rows = {}
        for episode in self.memory[member]:
            for position in range(len(episode.actions)):
                row = episode.first_row + position
                complete = episode.over or position + steps <= len(episode.actions)
                if complete and row - (STACK - 1) > newest - capacity:
                    rows[row] = (episode, position)
        return rows

    def outcome(self, episode: Episode, position: int) -> tuple[float, float, int]:
        """Return, discount behind it and the frame there, step by step."""
        total, discount, at = 0.0, 1.0, position
        for _ in range(self.settings.multi_step):
            total += discount * max(-1.0, min(1.0, episode.rewards[at]))
            discount *= GAMMA
            at += 1
            if episode.terminated[at - 1]:
                return total, 0.0, at
            if episode.over and at == len(episode.actions):
                break
        return total, discount, at


def stacked(episode: Episode, position: int) -> list[int]:
    return [episode.frames[max(position - lag, 0)] for lag in range(STACK - 1, -1, -1)]


@settings(max_examples=40)
@given(st.integers(14, 40), st.integers(1, 5), st.integers(1, 120), st.integers(0, 10**6))
def test_what_can_be_drawn_is_what_happened(capacity: int, multi_step: int, steps: int, seed: int) -> None:
    """At a time limit returns go on from the last frame; where the task ended they don't."""
    recording = Recording(capacity, multi_step, [seed, seed + 1], replay_capacity=1000)
    for _ in range(steps):
        recording.step()
    replay = recording.replay
    for member in range(2):
        rows = recording.known(member)
        places = {row % replay.capacity: row for row in rows}
        drawable = replay.priorities.rows[member].nonzero()[:, 0].tolist()
        assert sorted(drawable) == sorted(places)
        assert all(replay.priorities.rows[member, place] == 1 for place in drawable)
    if not all(recording.known(member) for member in range(2)):
        return
    batch = replay.sample(CounterRng(torch.tensor([seed, seed + 1])), torch.tensor([0, 7]), 24)
    for member in range(2):
        places = {row % replay.capacity: place for row, place in recording.known(member).items()}
        for i, place in enumerate(batch.row[member].tolist()):
            episode, position = places[place]
            total, discount, at = recording.outcome(episode, position)
            assert batch.reward[member, i] == pytest.approx(total, abs=1e-5)
            assert batch.discount[member, i] == pytest.approx(discount, abs=1e-6)
            assert batch.action[member, i].tolist() == [
                k == episode.actions[position] for k in range(ACTIONS)
            ]
            for observation, where in ((batch.observation, position), (batch.next_observation, at)):
                assert observation[member, i, :, 3, 4].tolist() == stacked(episode, where)


def test_new_steps_have_the_top_priority_and_old_ones_that_of_their_errors() -> None:
    recording = Recording(200, 3, [0, 1], replay_capacity=1000, priority_exponent=0.5)
    for _ in range(40):
        recording.step()
    replay = recording.replay
    row = torch.tensor(
        [[int(place) for place in replay.priorities.rows[m].nonzero()[:2, 0]] for m in range(2)]
    )
    replay.reprioritise(row, torch.tensor([[4.0, 0.25], [9.0, 1.0]]), torch.tensor([True, False]))
    assert replay.priorities.at(row).tolist() == [[2.0, 0.5], [1.0, 1.0]]
    assert replay.largest.tolist() == [2.0, 1.0]
    before = replay.priorities.rows.clone()
    for _ in range(6):
        recording.step()
    for member, top in ((0, 2.0), (1, 1.0)):
        new = (before[member] == 0) & (replay.priorities.rows[member] > 0)
        assert new.any()
        assert (replay.priorities.rows[member][new] == top).all()


def test_steps_are_drawn_in_proportion_to_their_priorities() -> None:
    """Over 1,500 batches; one of each share of the sum in a batch, so the counts vary less than by chance."""
    recording = Recording(60, 3, [5, 6], replay_capacity=1000)
    for _ in range(150):
        recording.step()
    replay, rng = recording.replay, np.random.default_rng(0)
    for member in range(2):
        rows = replay.priorities.rows[member].nonzero()[:, 0]
        values = torch.as_tensor(rng.uniform(0.1, 3, (1, len(rows)))) ** 2
        replay.priorities.write(
            rows.expand(2, -1),
            torch.where(torch.arange(2)[:, None] == member, values, replay.priorities.rows[:, rows]),
        )
    streams = CounterRng(torch.tensor([8, 9]))
    drawn = [replay.sample(streams, torch.full((2,), k), 16).row for k in range(1500)]
    for member in range(2):
        priority = replay.priorities.rows[member].numpy()
        counts = np.bincount(torch.stack(drawn)[:, member].flatten(), minlength=len(priority))
        share = priority / priority.sum()
        assert counts[share == 0].sum() == 0
        held = share > 0
        assert stats.chisquare(counts[held], share[held] * counts.sum()).pvalue > 1e-3
        assert counts[held].max() > 5 * counts[held].min()  # far from uniform


def test_without_prioritisation_all_steps_are_alike() -> None:
    recording = Recording(60, 3, [5], replay_capacity=1000, prioritised=False)
    for _ in range(100):
        recording.step()
    replay = recording.replay
    row = replay.priorities.rows[0].nonzero()[:4, 0][None]
    replay.reprioritise(row, torch.full((1, 4), 50.0), torch.tensor([True]))
    assert set(replay.priorities.rows[0].unique().tolist()) == {0.0, 1.0}


def test_windows_never_cross_an_episodes_end() -> None:
    recording = Recording(60, 3, [1, 2], replay_capacity=1000)
    for _ in range(200):
        recording.step()
    window = recording.replay.sample_windows(
        CounterRng(torch.tensor([1, 2])), torch.zeros(2, dtype=torch.int64), 64, 3
    )
    step = torch.arange(3).expand(2, -1)
    frames = window.states(step, torch.zeros_like(step))[:, :, :, :, 0, 0]
    for member in range(2):
        happened = {
            tuple(tuple(stacked(episode, position + k)) for k in range(3)): episode.actions[
                position : position + 3
            ]
            for episode in recording.memory[member]
            for position in range(len(episode.actions) - 2)
        }
        for i in range(64):
            states = tuple(tuple(frames[member, k, i].tolist()) for k in range(3))
            assert window.action[member, i].argmax(dim=1).tolist() == happened[states]
            assert (window.action[member, i].sum(dim=1) == 1).all()


def test_random_shifts_move_frames_and_repeat_their_edges() -> None:
    """Against numpy's padding, crop by crop."""
    observations = Observations((1, SIZE, SIZE), STACK, SIZE, border=4)
    chosen = RainbowSettings(multi_step=1, random_steps=2)
    replay = PrioritisedReplay(torch.tensor([0]), 30, observations, ACTIONS, chosen)
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (6, 1, SIZE, SIZE), dtype=np.uint8)
    replay.begin(torch.as_tensor(frames[:1]))
    no = torch.zeros(1, dtype=torch.bool)
    for frame in frames[1:]:
        replay.append(torch.eye(ACTIONS)[:1], torch.zeros(1), no, torch.as_tensor(frame[None]), no)
    places = torch.as_tensor(rng.integers(0, 9, (1, 20, 2)))
    row = torch.as_tensor(rng.integers(1, 6, (1, 20)))
    crops = replay.observations_at(row, places)[0].numpy()
    for i in range(20):
        stack = frames[[int(row[0, i]) - 1, int(row[0, i])], 0]
        padded = np.pad(stack, ((0, 0), (4, 4), (4, 4)), mode="edge")
        y, x = places[0, i].tolist()
        np.testing.assert_array_equal(crops[i], padded[:, y : y + SIZE, x : x + SIZE])
    middle = replay.observations_at(row, torch.full((1, 20, 2), 4))
    assert torch.equal(middle, replay.observations_at(row, None))


def test_bytes_needed_is_what_is_allocated() -> None:
    observations = Observations((1, 20, 20), 4, 20)
    replay = PrioritisedReplay(torch.zeros(3, dtype=torch.int64), 1000, observations, 6, RainbowSettings())
    allocated = sum(buffer.numel() * buffer.element_size() for buffer in replay.buffers() if buffer.dim() > 1)
    assert PrioritisedReplay.bytes_needed(3, 1000, observations, 6) == pytest.approx(allocated, rel=1e-4)

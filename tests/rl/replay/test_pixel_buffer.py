"""Replay of frames: stacks, crops and windows against a model that remembers everything."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rl.replay.test_buffer import LENGTHS, Model, stored
from torch.utils._python_dispatch import TorchDispatchMode

from a2ls_dsl.backend.counter_rng import CounterRng
from a2ls_dsl.rl.replay.buffer import PixelWindow, Replay
from a2ls_dsl.rl.replay.observations import History, Observations, center_crop

SIZE, CROP, STACK, BATCH = 20, 15, 3, 24
FRAMES = Observations((3, SIZE, SIZE), STACK, CROP)


def frame(episode: int, position: int) -> torch.Tensor:
    """A frame that tells what it is, and every pixel where it stands."""
    pixels = torch.empty(3, SIZE, SIZE, dtype=torch.uint8)
    pixels[0] = 16 * (episode % 16) + position
    pixels[1] = torch.arange(SIZE)[:, None]
    pixels[2] = torch.arange(SIZE)
    return pixels


def read(observation: torch.Tensor) -> tuple[list[tuple[int, int]], tuple[int, int]]:
    """What a stack of crops shows: (episode, position) by frame, and where the crop stands."""
    assert observation.shape == (3 * STACK, CROP, CROP)
    frames = observation.view(STACK, 3, CROP, CROP).int()
    y, x = int(frames[0, 1, 0, 0]), int(frames[0, 2, 0, 0])
    for frame in frames:
        assert (frame[0] == frame[0, 0, 0]).all()
        assert torch.equal(frame[1], (y + torch.arange(CROP))[:, None].expand(CROP, CROP).int())
        assert torch.equal(frame[2], (x + torch.arange(CROP)).expand(CROP, CROP).int())
    return [divmod(int(frame[0, 0, 0]), 16) for frame in frames], (y, x)


def expected(episode: int, position: int) -> list[tuple[int, int]]:
    """The newest frames, oldest first; at an episode's start its first one repeats."""
    return [(episode % 16, max(position - lag, 0)) for lag in reversed(range(STACK))]


def record(
    capacity: int, horizons: list[int], lengths: list[list[int]], steps: int
) -> tuple[Replay, list[Model]]:
    models = [Model(capacity, length) for length in lengths]
    replay = Replay(torch.tensor(horizons), capacity, FRAMES, 2)
    replay.begin(torch.stack([frame(0, 0)] * len(models)))
    for _ in range(steps):
        before = [(model.episode, model.position) for model in models]
        last = torch.tensor([model.step() for model in models])
        after = torch.stack([frame(episode, position + 1) for episode, position in before])
        reward = torch.tensor([float(position) for _, position in before])
        replay.append(torch.tensor(before, dtype=torch.float32), reward, last, after, last)
        if last.any():
            replay.begin(torch.stack([frame(model.episode, 0) for model in models]), last)
    return replay, models


@settings(max_examples=40, deadline=None)
@given(
    st.integers(6, 18),
    st.lists(st.tuples(st.integers(0, 6), LENGTHS), min_size=1, max_size=3),
    st.integers(1, 45),
    st.integers(0, 10**6),
)
def test_stacks_and_windows_never_mix_episodes(
    capacity: int, members: list[tuple[int, list[int]]], steps: int, seed: int
) -> None:
    horizons = [horizon for horizon, _ in members]
    replay, models = record(capacity, horizons, [lengths for _, lengths in members], steps)
    rng, counter = CounterRng(torch.arange(len(models)) + seed), torch.zeros(len(models), dtype=torch.int64)
    longest, views = max(horizons), 2
    single = replay.sample_steps(rng, counter, BATCH)
    window = replay.sample_windows(rng, counter, BATCH, longest + 1, views)
    assert isinstance(window, PixelWindow)
    step = torch.arange(longest + 1).repeat(len(models), 1)
    seen = window.states(step, torch.zeros_like(step))
    again = window.states(step.flip(1), torch.zeros_like(step)).flip(1)
    for member, model in enumerate(models):
        oldest = model.row + 1 - capacity + STACK - 1
        valid = [row for row in model.starts(horizons[member]) if row >= oldest]
        assert stored(replay.windows, member) == valid
        single_valid = [row for row in model.starts(0) if row >= oldest]
        assert stored(replay.steps, member) == single_valid
        for i in range(BATCH if single_valid else 0):
            episode, position = (int(x) for x in single.action[member, i])
            assert read(single.observation[member, i])[0] == expected(episode, position)
            assert read(single.next_observation[member, i])[0] == expected(episode, position + 1)
        for i in range(BATCH if valid else 0):
            episode, first = (int(x) for x in window.action[member, i, 0])
            for offset in range(horizons[member] + 1):
                frames, _ = read(seen[member, offset, i])
                assert frames == expected(episode, first + offset)
                assert torch.equal(seen[member, offset, i], again[member, offset, i])


def crops(observations: torch.Tensor) -> list[tuple[int, int]]:
    return [read(observation)[1] for observation in observations]


def test_crops_are_drawn_per_sample_step_and_call() -> None:
    """A step's draw is the same wherever it is read; calls of views, and steps, draw for themselves."""
    replay, _ = record(60, [3], [[15]], 50)
    rng, counter = CounterRng(torch.tensor([5])), torch.tensor([7])
    window = replay.sample_windows(rng, counter, 400, 4, 2)
    seen = window.states(torch.tensor([[1, 1, 1, 1, 2]]), torch.tensor([[0, 0, 1, 2, 0]]))[0]
    shared, same, first, second, later = (crops(frames) for frames in seen)
    assert shared == same
    for left, other in ((shared, first), (shared, second), (first, second), (shared, later)):
        equal = sum(a == b for a, b in zip(left, other, strict=True))
        assert equal < 40  # of 400: 36 places are equally probable, so about 11
    places = SIZE - CROP + 1
    assert {y for y, _ in shared} == {x for _, x in shared} == set(range(places))
    batch = replay.sample_steps(rng, counter, 400)
    before, after = crops(batch.observation[0]), crops(batch.next_observation[0])
    assert sum(a == b for a, b in zip(before, after, strict=True)) < 40


def test_a_member_sees_the_same_in_any_company() -> None:
    alone, _ = record(30, [2], [[5, 8]], 60)
    crowd, _ = record(30, [4, 2], [[3], [5, 8]], 60)
    rng, counter = CounterRng(torch.tensor([8, 9])), torch.tensor([5, 6])
    step, draw = torch.tensor([[0, 2, 1]]), torch.tensor([[0, 0, 1]])
    window = crowd.sample_windows(rng, counter, 16, 5, 3)
    other = alone.sample_windows(rng.member(1), counter[1:], 16, 3, 1)
    both = window.states(step.expand(2, 3), draw.expand(2, 3))
    assert torch.equal(both[1], other.states(step, draw)[0])


def test_a_policy_sees_the_newest_frames_and_the_centre() -> None:
    history = History(2, FRAMES)
    history.begin(torch.stack([frame(1, 0), frame(2, 0)]).numpy(), torch.tensor([True, True]).numpy())
    for position in (1, 2, 3):
        history.push(torch.stack([frame(1, position), frame(2, position)]).numpy())
    history.begin(torch.stack([frame(9, 9), frame(3, 0)]).numpy(), torch.tensor([False, True]).numpy())
    seen = [read(torch.as_tensor(frames)) for frames in history.seen]
    assert seen[0] == (expected(1, 3), (2, 2))
    assert seen[1] == ([(3, 0)] * 3, (2, 2))


def test_frames_are_stored_once() -> None:
    allocated = sum(
        buffer.numel() * buffer.element_size()
        for buffer in Replay(torch.tensor([0, 4]), 100, FRAMES, 6).buffers()
        if buffer.dim() > 1
    )
    assert Replay.bytes_needed(2, 100, FRAMES, 6) == allocated
    assert FRAMES.bytes == 3 * SIZE * SIZE


def test_without_random_crops_all_see_the_centre_but_views() -> None:
    plain = Observations((3, SIZE, SIZE), 3, CROP, random_crops=False)
    replay = Replay(torch.tensor([2]), 30, plain, 1)
    generator = np.random.default_rng(0)
    frames = generator.integers(0, 256, (21, 1, 3, SIZE, SIZE), dtype=np.uint8)
    replay.begin(torch.as_tensor(frames[0]))
    for frame in frames[1:]:
        zero = torch.zeros(1)
        replay.append(torch.zeros(1, 1), zero, zero.bool(), torch.as_tensor(frame), zero.bool())
    rng, counter = CounterRng(torch.tensor([1])), torch.tensor([0])
    window = replay.sample_windows(rng, counter, 50, 3, 1)
    seen = window.states(torch.tensor([[2, 2]]), torch.tensor([[0, 1]]))[0]
    assert isinstance(window, PixelWindow)
    for sample, row in enumerate(window.row[0].tolist()):
        stacked = np.concatenate([frames[row + step, 0] for step in range(3)])
        assert np.array_equal(seen[0, sample], center_crop(stacked, CROP))
    assert len({tuple(crop.flatten().tolist()) for crop in seen[1]}) > 30


class Gathered(TorchDispatchMode):
    """Remembers how many places the largest gather under it was told: one for each piece that is copied."""

    def __init__(self) -> None:
        super().__init__()
        self.places = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten.index.Tensor:
            shapes = [arg.shape for arg in args[1] if arg is not None]
            self.places = max(self.places, math.prod(torch.broadcast_shapes(*shapes)))
        elif func in (torch.ops.aten.index_select.default, torch.ops.aten.gather.default):
            self.places = max(self.places, args[2].numel())
        return func(*args, **(kwargs or {}))


GAME = Observations((1, SIZE, SIZE), STACK, SIZE, random_crops=False, border=4)


@pytest.mark.parametrize(
    "observations",
    [FRAMES, replace(FRAMES, random_crops=False), GAME, replace(GAME, random_crops=True)],
    ids=["crops", "centre", "whole", "shifts"],
)
@pytest.mark.parametrize("views", [0, 2])
def test_frames_are_gathered_square_by_square_and_not_pixel_by_pixel(
    observations: Observations, views: int
) -> None:
    """Against numpy, which pads and cuts each frame; and an index names a square, not a pixel."""
    replay, rng = Replay(torch.tensor([2, 1]), 30, observations, 1), np.random.default_rng(0)
    frames = rng.integers(0, 256, (40, 2, *observations.shape), dtype=np.uint8)
    replay.begin(torch.as_tensor(frames[0]))
    zero = torch.zeros(2)
    for frame in frames[1:]:
        replay.append(torch.zeros(2, 1), zero, zero.bool(), torch.as_tensor(frame), zero.bool())
    draws, counter = CounterRng(torch.tensor([1, 2])), torch.tensor([0, 5])
    step, draw = torch.tensor([[2, 0, 1], [1, 0, 0]]), torch.tensor([[0, views, 0], [min(views, 1), 0, 0]])
    with Gathered() as gathered:
        window = replay.sample_windows(draws, counter, BATCH, 3, views)
        seen = window.states(step, draw)
    assert isinstance(window, PixelWindow)
    assert 0 < gathered.places <= step.numel() * BATCH * STACK
    middle = (observations.crops - 1) // 2
    border, crop = observations.border, observations.crop or 0
    for member, place, sample in np.ndindex(2, 3, BATCH):
        own = int(draw[member, place])
        y, x = middle, middle
        if window.crops is not None:
            at = 2 + own if own else int(step[member, place])
            y, x = window.crops[member, at, sample].tolist()
        row = int(window.row[member, sample] + step[member, place])
        stack = np.concatenate([frames[row - lag, member] for lag in reversed(range(STACK))])
        padded = np.pad(stack, ((0, 0), (border, border), (border, border)), mode="edge")
        np.testing.assert_array_equal(seen[member, place, sample], padded[:, y : y + crop, x : x + crop])

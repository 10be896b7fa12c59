"""What the states of windows of frames cost, and what is left of it in an update of Rainbow.

    python benchmarks/frame_windows.py --members 4

Prints the milliseconds in which the states of a batch of windows are put together, as `Replay` does it and
pixel by pixel, for a game's whole frames, for its random shifts and for random crops of rendered frames; then
the milliseconds of an update of Rainbow without a loss and with one. All in one run: ratios carry over.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from a2ls_dsl.backend.counter_rng import CounterRng
from a2ls_dsl.lang.load import load_one
from a2ls_dsl.rl.bench.floor import Ceilings
from a2ls_dsl.rl.bench.updates import Case, measure_updates
from a2ls_dsl.rl.replay.buffer import PixelWindow, Replay
from a2ls_dsl.rl.replay.observations import Observations
from a2ls_dsl.rl.settings import Computation

ROWS, BATCH, STATES = 600, 32, 3
KINDS = {
    "whole frames of a game": Observations((1, 84, 84), 4, 84, random_crops=False, border=4),
    "shifts of a game's frames": Observations((1, 84, 84), 4, 84, border=4),
    "crops of rendered frames": Observations((3, 100, 100), 3, 84),
}


def windows(observations: Observations, members: int) -> PixelWindow:
    """A batch of windows of a replay that is full of noise."""
    replay = Replay(torch.full((members,), STATES - 1), ROWS, observations, 1)
    frames = torch.randint(0, 256, (members, *observations.shape), dtype=torch.uint8)
    replay.begin(frames)
    zero = torch.zeros(members)
    for _ in range(ROWS - 2):
        replay.append(zero[:, None], zero, zero.bool(), frames, zero.bool())
    replay.observation.random_(0, 256)
    window = replay.sample_windows(
        CounterRng(torch.arange(members)), torch.zeros(members, dtype=torch.int64), BATCH, STATES
    )
    if not isinstance(window, PixelWindow):
        raise TypeError("frames give windows of frames")
    return window


def pixel_by_pixel(window: PixelWindow, step: Tensor) -> Tensor:
    """The same states by one place for each pixel."""
    replay, observations = window.replay, window.replay.observations
    row = (window.row[:, None] + step[..., None])[..., None] - torch.arange(observations.stack).flip(0)
    row = row.clamp(min=0)  # all of it is one episode: at its start the first frame repeats
    member = torch.arange(len(row))[:, None, None, None]
    middle = torch.full((*row.shape[:-1], 2), (observations.crops - 1) // 2)
    crops = middle if window.crops is None else window.crops[member[..., 0, 0], step]
    along = torch.arange(observations.crop or 0) - observations.border
    down, across = (
        (first[..., None, None] + along).clamp(0, observations.shape[-1] - 1) for first in crops.unbind(-1)
    )
    cut = replay.observation.movedim(2, 4)[
        member[..., None, None], row[..., None, None] % ROWS, down[..., :, None], across[..., None, :]
    ]
    return cut.movedim(-1, -3).flatten(-4, -3)


def milliseconds(function: Callable[[], Tensor], repeats: int) -> float:
    """Median time of a call."""
    times = []
    for _ in range(repeats + 1):
        begin = time.perf_counter()
        function()
        times.append(time.perf_counter() - begin)
    return 1e3 * statistics.median(times[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--members", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--loss", default="a2_winner")
    options = parser.parse_args()
    print(f"{options.members} members, batch {BATCH}, {STATES} states, torch {torch.__version__}")
    print(f"{'':26}       ms  pixel by pixel  ratio")
    step = torch.arange(STATES).expand(options.members, STATES)
    for name, observations in KINDS.items():
        window = windows(observations, options.members)
        draw = torch.zeros_like(step)
        if not torch.equal(window.states(step, draw), pixel_by_pixel(window, step)):
            raise SystemExit(f"{name}: the two disagree")
        fast = milliseconds(lambda: window.states(step, draw), options.repeats)  # noqa: B023
        slow = milliseconds(lambda: pixel_by_pixel(window, step), options.repeats)  # noqa: B023
        print(f"{name:26} {fast:8.2f}  {slow:14.2f}  {slow / fast:5.1f}")
    for name in ("none", options.loss):
        loss = None if name == "none" else load_one(name)[1]
        case, ceilings = Case("game", BATCH, options.members), Ceilings(1.0, 1.0)
        (row,) = measure_updates([case], loss, ceilings, "cpu", Computation(), 1e9)
        print(f"an update of Rainbow, {name}: {row.milliseconds * options.members:.1f} ms")


if __name__ == "__main__":
    main()

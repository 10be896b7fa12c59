"""Checkpoints append to rings of frames: what they read is what was there, and little is written."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.rl.replay.buffer import Replay
from a2ls_dsl.rl.replay.observations import Observations
from a2ls_dsl.rl.runs import checkpoint

FRAMES, MEMBERS, CAPACITY = Observations((3, 20, 20), 3, 17), 3, 40
ROW = 3 * 20 * 20


class Life:
    """A replay that is written to; member 2 is given to others now and then."""

    def __init__(self) -> None:
        self.replay = Replay(torch.zeros(MEMBERS, dtype=torch.int64), CAPACITY, FRAMES, 2)
        self.rng = np.random.default_rng(0)
        self.begun = np.zeros(MEMBERS, np.bool_)

    def seen(self) -> torch.Tensor:
        return torch.from_numpy(self.rng.integers(0, 256, (MEMBERS, 3, 20, 20), dtype=np.uint8))

    def live(self, steps: int) -> None:
        for _ in range(steps):
            self.replay.begin(self.seen(), torch.from_numpy(~self.begun))
            last = self.rng.random(MEMBERS) < 0.15
            self.replay.append(
                torch.zeros(MEMBERS, 2),
                *(torch.zeros(MEMBERS), torch.zeros(MEMBERS)),
                *(self.seen(), torch.from_numpy(last)),
            )
            self.begun = ~last

    def give_on(self) -> None:
        self.replay.reset(2, 0)
        self.begun[2] = False


def rows_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*.npy")) // ROW


def test_what_is_read_is_what_was_there(tmp_path: Path) -> None:
    """Also from a checkpoint whose successor was being written when the process was killed."""
    life, path = Life(), tmp_path / "slots.npz"
    for number in range(24):
        life.live(number % 7)
        if number % 5 == 4:
            life.give_on()
        before = path.exists() and checkpoint.load(path)[0]["frames"]
        copy = tmp_path / "copy"
        if path.exists():
            shutil.copytree(tmp_path / "slots.rows", copy / "slots.rows")
            shutil.copy(path, copy / "slots.npz")
        checkpoint.save(path, {"frames": life.replay.frames, "other": np.arange(3)}, {"number": number})
        arrays, values = checkpoint.load(path)
        assert values == {"number": number}
        assert arrays["other"].tolist() == [0, 1, 2]
        assert arrays["frames"].dtype == np.uint8
        assert np.array_equal(arrays["frames"], life.replay.observation.numpy()), number
        assert checkpoint.shape(path, "frames") == (MEMBERS, CAPACITY, 3, 20, 20)
        assert rows_in(tmp_path / "slots.rows") <= 2.5 * MEMBERS * CAPACITY
        if copy.exists():  # the rows are appended, and the old checkpoint is there still
            for ring_file in (tmp_path / "slots.rows").iterdir():
                if not (copy / "slots.rows" / ring_file.name).exists():
                    shutil.copy(ring_file, copy / "slots.rows")
            assert np.array_equal(checkpoint.load(copy / "slots.npz")[0]["frames"], before)
            shutil.rmtree(copy)
    checkpoint.remove(path)
    assert not list(tmp_path.iterdir())


def test_what_was_stored_is_not_stored_again(tmp_path: Path) -> None:
    life, path = Life(), tmp_path / "run.npz"
    life.live(20)
    checkpoint.save(path, {"frames": life.replay.frames}, {})
    first = rows_in(tmp_path)
    life.live(2)
    checkpoint.save(path, {"frames": life.replay.frames}, {})
    assert rows_in(tmp_path) - first <= MEMBERS * 5 < first


def test_another_process_begins_files_of_its_own(tmp_path: Path) -> None:
    """The checkpoint that it was restored from stays whole until the next one is."""
    life, path = Life(), tmp_path / "run.npz"
    life.live(20)
    checkpoint.save(path, {"frames": life.replay.frames}, {})
    names = {path.name for path in (tmp_path / "run.rows").iterdir()}
    other = Life()
    other.replay.load_state_dict(life.replay.state_dict())
    other.replay.frames.append(tmp_path / "run.rows", "frames")
    assert names < {path.name for path in (tmp_path / "run.rows").iterdir()}
    assert np.array_equal(checkpoint.load(path)[0]["frames"], life.replay.observation.numpy())


def test_missing_rows_are_an_error_with_a_fix(tmp_path: Path) -> None:
    life, path = Life(), tmp_path / "run.npz"
    life.live(3)
    checkpoint.save(path, {"frames": life.replay.frames}, {})
    shutil.rmtree(tmp_path / "run.rows")
    with pytest.raises(A2lError, match="not a checkpoint that can be read"):
        checkpoint.load(path)
    assert checkpoint.load(path, lambda name: name != "frames")[0] == {}

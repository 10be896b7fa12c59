"""What becomes of memory that updates free."""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from a2ls_dsl.rl.compute.memory import give_back, keep_freed_memory
from a2ls_dsl.rl.replay.observations import Observations
from a2ls_dsl.rl.settings import SacSettings
from a2ls_dsl.rl.slots.learner import Learner

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="these are rules of glibc")


@pytest.mark.parametrize(
    "check", ["an_update_uses_the_memory_of_the_one_before", "memory_that_is_kept_can_be_given_back"]
)
def test_freed_memory_is_kept(check: str) -> None:
    """In a process of its own: what others allocated there decides what the C library can keep."""
    command = [sys.executable, "-c", f"import test_memory; test_memory.{check}()"]
    folder = Path(__file__).parent
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


def an_update_uses_the_memory_of_the_one_before() -> None:
    """Pages that the system had to hand out, by its own count."""
    every = np.ones(4, np.bool_)
    settings = SacSettings(hidden=512, batch_size=128)
    learner = Learner([None] * 4, range(4), Observations((5,)), 2, 200, settings)
    rng = np.random.default_rng(0)
    learner.begin(rng.normal(size=(4, 5)).astype(np.float32), every)
    for _ in range(190):
        action, reward, seen = (rng.normal(size=shape).astype(np.float32) for shape in ((4, 2), 4, (4, 5)))
        learner.append(action, reward, ~every, seen, ~every)

    def pages(updates: int) -> int:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(updates):
            learner.update()
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    pages(8)
    gradients = sum(parameter.numel() * 4 for parameter in learner.stacks[0].critic.parameters())
    assert pages(10) < gradients / os.sysconf("SC_PAGE_SIZE")


def memory_that_is_kept_can_be_given_back() -> None:
    """Pages in use by this process, by the system's count, around a gigabyte that a learner has left."""

    def used() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    keep_freed_memory()
    give_back()  # what others have left would be used again
    before = used()
    pieces = [torch.ones(2**24) for _ in range(16)]
    pinned = torch.ones(2**20)  # behind them, so that they are no end that could be cut
    assert used() - before > 1e9
    del pieces
    assert used() - before > 1e9
    give_back()
    assert used() - before < 1e8
    assert pinned.sum() == 2**20

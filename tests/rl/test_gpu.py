"""The same numbers on a GPU; skipped where there is none."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from a2ls_dsl.lang.load import load_one
from a2ls_dsl.rl.learner import Learner
from a2ls_dsl.rl.observations import Observations
from a2ls_dsl.rl.settings import SacSettings

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


def trained(device: str) -> Learner:
    losses = (None, load_one("a2_winner")[1], load_one("atc")[1])
    learner = Learner(
        losses, (0, 1, 2), Observations((5,)), 2, 300, SacSettings(hidden=32, batch_size=16), device
    )
    rng = np.random.default_rng(0)
    every = np.ones(3, np.bool_)
    learner.begin(rng.normal(size=(3, 5)).astype(np.float32), every)
    for _ in range(200):
        action = rng.uniform(-1, 1, (3, 2)).astype(np.float32)
        reward, seen = rng.uniform(size=3), rng.normal(size=(3, 5))
        learner.append(action, reward.astype(np.float32), ~every, seen.astype(np.float32), ~every)
    for _ in range(10):
        learner.update()
    return learner


def test_a_gpu_learns_what_the_cpu_learns() -> None:
    one, other = trained("cpu"), trained("cuda")
    for mine, its in zip(one.stacks[0].parameters(), other.stacks[0].parameters(), strict=True):
        torch.testing.assert_close(mine, its.cpu(), rtol=1e-3, atol=1e-4)


def test_a_gpu_state_is_restored_from_a_cpu_state() -> None:
    one, other = trained("cpu"), trained("cuda")
    other.restore(one.state())
    mine, its = one.state(), other.state()
    assert mine.keys() == its.keys()
    assert all(np.array_equal(mine[name], its[name]) for name in mine)

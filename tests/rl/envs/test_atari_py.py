"""The two packages that emulate Atari, compared; skipped if atari-py isn't installed.

They play the same games frame by frame, except those that draw their randomness from uninitialised memory:
the older emulator fills it from its own seed.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("atari_py", reason="needs the extra `atari-py`")

from a2ls_dsl.rl.envs.atari import AtariEnv
from a2ls_dsl.rl.envs.game import Game
from a2ls_dsl.rl.envs.tasks import find_task


def both(name: str, noops: int = 30) -> tuple[AtariEnv, AtariEnv]:
    game = find_task(name)
    assert isinstance(game, Game)
    game = replace(game, noops=noops)
    return AtariEnv(game, life_loss=True), AtariEnv(replace(game, back_end="atari-py"), life_loss=True)


@pytest.mark.parametrize("name", ["Tetris", "Pong", "Breakout", "MsPacman"])
def test_frames_rewards_lives_and_ends_are_the_same(name: str) -> None:
    newer, older = both(name)
    assert newer.action_size == older.action_size
    random = np.random.default_rng(0)
    for seed in range(2):
        np.testing.assert_array_equal(newer.reset(seed), older.reset(seed))
        for _ in range(200):
            action = random.integers(newer.action_size)
            step, expected = newer.step(action), older.step(action)
            np.testing.assert_array_equal(step.observation, expected.observation)
            assert step[1:] == expected[1:]
            if step.last and not step.life_lost:
                break


def test_in_seaquest_memory_differs_from_the_start() -> None:
    """The game draws its random numbers from it: all is equal until the first enemies appear."""
    newer, older = both("Seaquest", noops=0)
    np.testing.assert_array_equal(newer.reset(0), older.reset(0))
    assert 123 in np.flatnonzero(newer._ale.getRAM() != older._ale.getRAM())
    assert older._ale.getRAM()[123] == 65  # from the seed, not the clock
    for _ in range(30):
        step, expected = newer.step(np.int64(0)), older.step(np.int64(0))
        np.testing.assert_array_equal(step.observation, expected.observation)

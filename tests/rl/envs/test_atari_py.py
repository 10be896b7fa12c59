"""The two packages that emulate Atari beside each other; skipped where atari-py isn't installed.

They play the same games frame by frame, but for those that draw their randomness from memory which the
console leaves as it was when it was switched on: the older emulator fills that from its own seed.
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
    one, other = both(name)
    assert one.action_size == other.action_size
    random = np.random.default_rng(0)
    for seed in range(2):
        np.testing.assert_array_equal(one.reset(seed), other.reset(seed))
        for _ in range(200):
            action = random.integers(one.action_size)
            mine, its = one.step(action), other.step(action)
            np.testing.assert_array_equal(mine.observation, its.observation)
            assert mine[1:] == its[1:]
            if mine.last and not mine.life_lost:
                break


def test_in_seaquest_memory_differs_from_the_start() -> None:
    """The game's own random numbers come from it: all is the same until it sends the first enemies."""
    one, other = both("Seaquest", noops=0)
    np.testing.assert_array_equal(one.reset(0), other.reset(0))
    assert 123 in np.flatnonzero(one._ale.getRAM() != other._ale.getRAM())
    assert other._ale.getRAM()[123] == 65  # what the seed says, not the clock
    for _ in range(30):
        mine, its = one.step(np.int64(0)), other.step(np.int64(0))
        np.testing.assert_array_equal(mine.observation, its.observation)

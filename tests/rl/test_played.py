"""A run on games goes on in another process as if it hadn't stopped, in the middle of games."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("ale_py", reason="needs the extra `atari`")

from a2ls_dsl.lang.load import load_one
from a2ls_dsl.rl.envs.tasks import find_task
from a2ls_dsl.rl.rainbow.settings import RainbowSettings
from a2ls_dsl.rl.settings import EvaluationSettings
from a2ls_dsl.rl.slots import Member, Slots, Training

SETTINGS = RainbowSettings(
    replay_capacity=200, random_steps=40, multi_step=3, batch_size=2, hidden=8, projection=8
)
TRAINING = Training(find_task("Breakout"), 4 * 400, SETTINGS, EvaluationSettings(4 * 400, 1))
MEMBERS = [Member(None, 0), Member(load_one("curl")[1], 1)]


def stack() -> Slots:
    return Slots(TRAINING, MEMBERS, workers=1, exact=True)


def end(slots: Slots) -> dict[str, np.ndarray[Any, Any]]:
    """The state after 12 more ticks."""
    for _ in range(12):
        slots.tick()
    return slots.state()[0]


def test_games_are_taken_up_where_they_were() -> None:
    with stack() as slots:
        lives = 0
        for _ in range(120):
            slots.tick()
            lives += int((slots._in_game & ~slots._running).sum())
            if lives and slots._running.all() and slots.step[0] > 60:
                break
        assert lives
        assert slots.complete
        assert slots._in_game.all()
        state = slots.state()
        arrays = {name: np.array(each) for name, each in state[0].items()}
        expected = end(slots)
    with stack() as again:
        again.restore(arrays, state[1])
        found = end(again)
    assert found.keys() == expected.keys()
    for name, each in expected.items():
        np.testing.assert_array_equal(found[name], each, err_msg=name)

"""A run goes on in another process as if it hadn't stopped, in the middle of episodes, games, evaluations."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from a2ls_dsl.lang.load import load_one
from a2ls_dsl.rl.agents import AgentSettings
from a2ls_dsl.rl.envs.pool import EnvPool
from a2ls_dsl.rl.envs.tasks import find_task
from a2ls_dsl.rl.rainbow.settings import VECTORS, RainbowSettings
from a2ls_dsl.rl.runs.training import Member, Training
from a2ls_dsl.rl.settings import EvaluationSettings, SacSettings
from a2ls_dsl.rl.slots.parts import Running
from a2ls_dsl.rl.slots.slots import Slots

RAINBOW = RainbowSettings(
    replay_capacity=200, random_steps=40, multi_step=3, batch_size=2, hidden=8, projection=8
)
GAME = Training(find_task("Breakout"), 4 * 400, RAINBOW, EvaluationSettings(4 * 400, 1))
MEMBERS = [Member(None, 0), Member(load_one("curl")[1], 1)]


def stack(training: Training) -> Slots:
    return Slots(training, MEMBERS, Running(workers=1, exact=True))


def end(slots: Slots) -> dict[str, np.ndarray[Any, Any]]:
    """The state after 12 more ticks."""
    for _ in range(12):
        slots.tick()
    return slots.state()[0]


def goes_on(slots: Slots) -> None:
    """Slots with the state that these have now do what these do."""
    state = slots.state()
    arrays = {name: np.array(entry) for name, entry in state[0].items()}
    values = json.loads(json.dumps(state[1]))
    expected = end(slots)
    with stack(slots.training) as again:
        again.restore(arrays, values)
        arrays = end(again)
    assert arrays.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(arrays[name], array, err_msg=name)


def test_games_are_taken_up_where_they_were() -> None:
    pytest.importorskip("ale_py", reason="needs the extra `atari`")
    with stack(GAME) as slots:
        lives = 0
        for _ in range(120):
            slots.tick()
            lives += int((slots.tally.in_game & ~slots.tally.running).sum())
            if lives and slots.tally.running.all() and slots.tally.step[0] > 60:
                break
        assert lives
        assert slots.tally.in_game.all()
        goes_on(slots)


def test_episodes_of_simulations_are_taken_up_where_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    """With evaluations in the middle of theirs, and one member out of step after a fault of the simulator."""
    settings = SacSettings(hidden=8, batch_size=4, random_steps=20)
    training = Training(find_task("cartpole-swingup"), 8 * 200, settings, EvaluationSettings(8 * 40, 1))
    with stack(training) as slots:
        start, fault = slots.pool.start, np.array([[np.nan], [0.0]], np.float32)
        for tick in range(60):
            if tick == 30:
                monkeypatch.setattr(slots.pool, "start", lambda action, mask: start(action + fault, mask))
            slots.tick()
            monkeypatch.undo()
        assert slots.evaluator.running
        assert slots.pool.played.steps.tolist() == [29, 60]
        goes_on(slots)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("gymnasium:CartPole-v1", replace(VECTORS, random_steps=40, batch_size=2, hidden=8)),
        ("gymnasium:Pendulum-v1", SacSettings(hidden=8, batch_size=4, random_steps=20)),
    ],
)
def test_episodes_of_gymnasium_are_taken_up_where_they_were(name: str, settings: AgentSettings) -> None:
    """Numbered actions and vectors together, and episodes that end by their own rules."""
    training = Training(find_task(name), 400, settings, EvaluationSettings(40, 1))
    with stack(training) as slots:
        for _ in range(90):
            slots.tick()
        assert (slots.tally.episode > 0).all()
        goes_on(slots)


@pytest.mark.parametrize(
    "name",
    [
        "walker-walk",
        "finger-turn_hard",
        "manipulator-bring_ball",
        "quadruped-fetch",
        "dog-fetch",
        "swimmer-swimmer6",
    ],
)
def test_a_place_in_a_simulation_is_reached_again_to_the_last_bit(name: str) -> None:
    """By playing its seed and actions in a fresh environment; the first has played another episode before."""
    task, rng = find_task(name), np.random.default_rng(0)
    with EnvPool(task, 2, workers=1) as pool, EnvPool(task, 2, workers=1) as fresh:
        shape = 2, pool.action_size
        pool.reset([5, 6])
        for _ in range(30):
            pool.step(rng.uniform(-1, 1, shape))
        pool.reset([2**62, 7])
        for _ in range(20):
            pool.step(rng.uniform(-1, 1, shape))
        fresh.restore(pool.played.state(np.ones(2, np.bool_)))
        for _ in range(10):
            action = rng.uniform(-1, 1, shape)
            first, other = pool.step(action), fresh.step(action)
            np.testing.assert_array_equal(first.observation, other.observation)
            np.testing.assert_array_equal(first.reward, other.reward)

"""Environments of Gymnasium and of the user's own, in the processes that play them."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from a2ls_dsl.rl.envs.pool import EnvPool
from a2ls_dsl.rl.envs.rendering import Rendering
from a2ls_dsl.rl.envs.spaces import read_actions, read_observations
from a2ls_dsl.rl.envs.tasks import find_task
from a2ls_dsl.rl.envs.trial import try_task

pytestmark = pytest.mark.usefixtures("here")


def test_a_step_is_gymnasiums() -> None:
    """Pendulum-v1: numbers and actions are scaled to [-1, 1]; its limit of 200 steps is no termination."""
    env, rng = gymnasium.make("Pendulum-v1"), np.random.default_rng(0)
    with EnvPool(find_task("gymnasium:Pendulum-v1"), 1, 1) as pool:
        assert (pool.observation_shape, pool.action_size, pool.discrete) == ((3,), 1, False)
        seen, scale = env.reset(seed=7)[0], [1, 1, 8]
        np.testing.assert_allclose(pool.reset([7])[0], seen / scale, atol=1e-6)
        for step in range(200):
            action = rng.uniform(-1, 1, (1, 1)).astype(np.float32)
            seen, reward, _, truncated, _ = env.step(2 * action[0])
            ours = pool.step(action)
            np.testing.assert_allclose(ours.observation[0], seen / scale, atol=1e-6)
            assert ours.reward[0] == pytest.approx(reward, abs=1e-5)
            assert (ours.last[0], ours.terminated[0]) == (truncated, False) == (step == 199, False)


def test_termination_differs_from_a_time_limit() -> None:
    task = find_task("gymnasium:CartPole-v1?max_episode_steps=30")
    assert (task.discrete, task.observations[0], task.episode_steps) == (True, "vectors", 30)
    with EnvPool(task, 1, 1) as pool:
        ends = {}
        for name, actions in (("fallen", [1, 1]), ("late", [0, 1])):
            pool.reset([0])
            for step in range(30):
                result = pool.step([actions[step % 2]])
                if result.last[0]:
                    break
            ends[name] = (step < 29, bool(result.terminated[0]))
    assert ends == {"fallen": (True, True), "late": (False, False)}


@pytest.mark.parametrize(
    ("name", "shape", "actions"),
    [
        ("my_env:Track", (2,), 1),
        ("my_env:Buttons", (2,), 3),
        ("my_env:Seen", (3, 84, 84), 1),
        ("my_env:SeenButtons", (3, 84, 84), 3),
        ("my_env:control", (5,), 1),
        ("gymnasium:FrozenLake-v1", (16,), 4),
        ("gymnasium:Blackjack-v1", (32 + 11 + 2,), 2),
        ("gymnasium:MountainCarContinuous-v0", (2,), 1),
    ],
)
def test_every_kind_of_observation_and_action_is_played(
    name: str, shape: tuple[int, ...], actions: int
) -> None:
    trial = try_task(find_task(name))
    assert (trial.observation_shape, trial.action_size) == (shape, actions)
    assert trial.repeats
    assert trial.steps_per_second > 0


def test_what_is_rendered_is_seen() -> None:
    with EnvPool(find_task("my_env:Track"), 1, 1, rendering=Rendering(size=60)) as pool:
        assert pool.observation_shape == (3, 60, 60)
        frame = pool.reset([0])[0]
        assert frame.dtype == np.uint8
        columns = np.flatnonzero(frame[0, 30])
        assert len(columns) == 1
        assert pool.step([[0.0]]).observation.shape == (1, 3, 60, 60)


def test_actions_are_stretched_to_the_space_and_numbers_begin_at_its_start() -> None:
    do, size, discrete = read_actions("", spaces.Box(np.array([0.0, -3.0]), np.array([1.0, 3.0])))
    assert (size, discrete) == (2, False)
    np.testing.assert_allclose(do(np.array([-1, 1])), [0, 3])
    np.testing.assert_allclose(do(np.array([0, 5])), [0.5, 3])
    np.testing.assert_allclose(do(np.array([np.nan, -np.inf])), [0.5, -3])
    do, size, discrete = read_actions("", spaces.Box(-1, 1, (2, 3), np.float64))
    assert (do(np.zeros(6)).shape, do(np.zeros(6)).dtype, size) == ((2, 3), np.float64, 6)
    do, size, discrete = read_actions("", spaces.Discrete(3, start=-1))
    assert ([do(number) for number in range(3)], size, discrete) == ([-1, 0, 1], 3, True)


@pytest.mark.parametrize(
    ("space", "value", "seen"),
    [
        (spaces.Box(np.array([0, -np.inf]), np.array([4, np.inf])), [3.0, 9.0], [0.5, 9.0]),
        (spaces.Box(0, 255, (2,), np.uint8), [0, 255], [-1, 1]),
        (spaces.Box(-1, 1, (2, 2)), [[1, 2], [3, 4]], [1, 2, 3, 4]),
        (spaces.Discrete(3, start=5), 6, [-1, 1, -1]),
        (spaces.MultiBinary(2), [0, 1], [-1, 1]),
        (
            spaces.Dict({"b": spaces.Discrete(2), "a": spaces.Box(0, 1, (1,))}),
            {"a": [1.0], "b": 0},
            [1, 1, -1],
        ),
        (spaces.Tuple([spaces.Box(-1, 1, (1,)), spaces.Discrete(2)]), ([0.25], 1), [0.25, -1, 1]),
    ],
)
def test_spaces_of_numbers_become_a_vector(space: spaces.Space[Any], value: Any, seen: list[float]) -> None:
    see, shape = read_observations("", space, 84)
    if isinstance(space, spaces.Box | spaces.MultiBinary):
        value = np.array(value, space.dtype)
    vector = see(value)
    assert (vector.shape, vector.dtype) == (shape, np.float32)
    np.testing.assert_allclose(vector, seen)


@pytest.mark.parametrize(
    ("shape", "high", "kind"),
    [
        ((50, 40, 3), 255, np.uint8),
        ((3, 50, 40), 255, np.uint8),
        ((50, 40), 255, np.uint8),
        ((50, 40, 1), 1, np.float32),
    ],
)
def test_pictures_of_any_layout_are_square_frames(shape: tuple[int, ...], high: int, kind: Any) -> None:
    see, seen = read_observations("", spaces.Box(0, high, shape, kind), 32)
    half = np.full(shape, high, kind)
    middle = half if shape[0] != 3 else np.moveaxis(half, 0, 2)
    middle[:, 20:] = 0  # the right half is black
    frame = see(half)
    assert frame.shape == seen == (3 if 3 in shape else 1, 32, 32)
    assert (frame[:, :, :16] == 255).all()
    assert not frame[:, :, 16:].any()


def test_numbers_that_are_not_finite_end_an_episode() -> None:
    with EnvPool(find_task("my_env:Track?fault=nan"), 1, 1) as pool:
        pool.reset([0])
        results = [pool.step([[0.0]]) for _ in range(3)]
    assert [bool(result.last[0]) for result in results] == [False, False, True]
    assert not results[-1].terminated[0]
    assert np.isfinite([results[-1].reward[0], *results[-1].observation[0]]).all()


def test_an_episode_that_never_ends_is_cut() -> None:
    assert find_task("my_env:Loop").episode_steps == 1_000
    task = find_task("my_env:Loop?max_episode_steps=6&action_repeat=4")
    assert task.episode_steps == 2
    with EnvPool(task, 1, 1) as pool:
        pool.reset([0])
        assert [bool(pool.step([[0.0]]).last[0]) for _ in range(2)] == [False, True]


def test_wrappers_are_put_around() -> None:
    with (
        EnvPool(find_task("my_env:Track"), 1, 1) as plain,
        EnvPool(find_task("my_env:Track", {"wrapper": "my_env:Halved,my_env:Halved"}), 1, 1) as wrapped,
    ):
        rewards = []
        for pool in (plain, wrapped):
            pool.reset([3])
            rewards.append(float(pool.step([[0.5]]).reward[0]))
    assert rewards[1] == rewards[0] / 4


def test_what_does_not_repeat_is_noticed() -> None:
    assert not try_task(find_task("my_env:Clock")).repeats


@pytest.mark.parametrize("name", ["gymnasium:CartPole-v1", "my_env:Track?length=7", "my_env:control"])
def test_a_place_in_an_episode_is_reached_again_to_the_last_bit(name: str) -> None:
    task, rng = find_task(name), np.random.default_rng(0)
    with EnvPool(task, 2, 1) as pool, EnvPool(task, 2, 1) as fresh:

        def actions() -> Any:
            if pool.discrete:
                return rng.integers(pool.action_size, size=2)
            return rng.uniform(-1, 1, (2, pool.action_size))

        for seed in (5, 2**40):
            pool.reset([seed, seed + 1])
            for _ in range(5):
                pool.step(actions())
        fresh.restore(pool.played.state(np.ones(2, np.bool_)))
        action = actions()
        played, restored = pool.step(action), fresh.step(action)
        np.testing.assert_array_equal(played.observation, restored.observation)
        np.testing.assert_array_equal(played.reward, restored.reward)


def test_naming_a_task_imports_nothing() -> None:
    script = """
import sys
from a2ls_dsl.rl.envs.tasks import find_task
find_task("my_env:Track"), find_task("gymnasium:Pendulum-v1")
sys.exit(any(name in sys.modules for name in ("my_env", "gymnasium", "torch")))
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0

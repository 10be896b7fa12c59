"""One environment against dm_control itself: seeding, action repeat, action ranges, ends of episodes."""

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.rl.envs.dmc import DmcEnv
from a2ls_dsl.rl.envs.dmc_suite import ControlTask
from a2ls_dsl.rl.envs.tasks import all_tasks, find_task


def play(env: DmcEnv, seed: int, steps: int = 40) -> NDArray[np.float64]:
    """Every observation and reward of an episode's first steps under fixed random actions."""
    random = np.random.default_rng(0)
    record = [env.reset(seed)]
    for _ in range(steps):
        step = env.step(random.uniform(-1, 1, env.action_size).astype(np.float32))
        record += [step.observation, np.array([step.reward])]
    return np.concatenate(record)


@pytest.mark.parametrize(
    "name",
    [
        "walker-walk",
        "cheetah-run",
        "finger-turn_hard",
        "ball_in_cup-catch",
        "point_mass-hard",
        "fish-swim",
        "swimmer-swimmer6",
        "humanoid-run",
        "manipulator-bring_ball",
    ],
)
def test_an_episode_is_a_function_of_its_seed(name: str) -> None:
    env = DmcEnv(find_task(name))
    first = play(env, seed=7)
    other = play(env, seed=8, steps=60)
    assert not np.array_equal(first, other[: first.size])
    np.testing.assert_array_equal(play(env, seed=7), first)
    np.testing.assert_array_equal(play(DmcEnv(find_task(name)), seed=7), first)


def test_seeds_use_all_their_bits() -> None:
    env = DmcEnv(find_task("reacher-easy"))
    seeds = [0, 1, 2**32, 2**32 + 1, 2**63, 2**64 - 1]
    assert len({env.reset(seed).tobytes() for seed in seeds}) == len(seeds)


@pytest.mark.parametrize("repeat", [1, 2, 7])
def test_action_repeat_sums_the_rewards_of_dm_control(repeat: int) -> None:
    env = DmcEnv(ControlTask("walker", "walk", repeat))
    from dm_control import suite

    raw = suite.load("walker", "walk")
    raw.task.random.seed(np.random.SeedSequence(3).generate_state(8))
    raw.reset()
    env.reset(3)
    random = np.random.default_rng(1)
    for _ in range(20):
        action = random.uniform(-1, 1, env.action_size).astype(np.float32)
        frames = [raw.step(action) for _ in range(repeat)]
        expected = np.concatenate([np.ravel(part) for part in frames[-1].observation.values()])
        step = env.step(action)
        assert step.reward == sum(frame.reward for frame in frames)
        np.testing.assert_array_equal(step.observation, expected.astype(np.float32))
        assert step.observation.dtype == np.float32


def test_actions_are_rescaled_to_the_range_of_the_actuators() -> None:
    env = DmcEnv(find_task("quadruped-walk"))  # Its lifts reach from -1 to 1.1.
    spec = env._env.action_spec()
    env.reset(0)
    for action, control in ((1, spec.maximum), (-1, spec.minimum), (0, (spec.minimum + spec.maximum) / 2)):
        env.step(np.full(env.action_size, action, np.float32))
        np.testing.assert_allclose(env._env.physics.control(), control, rtol=1e-12)
    env.step(np.full(env.action_size, 5, np.float32))
    np.testing.assert_allclose(env._env.physics.control(), spec.maximum, rtol=1e-12)


def test_an_episode_ends_on_time() -> None:
    env = DmcEnv(find_task("cartpole-balance"))
    env.reset(0)
    steps = [env.step(np.zeros(1, np.float32)) for _ in range(125)]
    assert [step.last for step in steps] == [False] * 124 + [True]
    assert not any(step.terminated for step in steps)
    with pytest.raises(A2lError, match="the episode of cartpole-balance is over"):
        env.step(np.zeros(1, np.float32))
    assert not (env.reset(0), env.step(np.zeros(1, np.float32)))[1].last


def test_an_episode_lasts_as_long_as_its_task_says() -> None:
    env = DmcEnv(replace(find_task("cartpole-balance"), episode_frames=20))
    for _ in range(2):
        env.reset(0)
        steps = [env.step(np.zeros(1, np.float32)) for _ in range(3)]
        assert [(step.last, step.terminated) for step in steps] == [(False, False)] * 2 + [(True, False)]
        assert steps[2].reward < 0.6 * steps[1].reward  # 4 frames of 8


def test_the_last_step_is_cut_at_the_end_of_the_episode() -> None:
    env = DmcEnv(ControlTask("cartpole", "balance", 300))
    env.reset(0)
    rewards = [env.step(np.zeros(1, np.float32)) for _ in range(4)]
    assert rewards[-1].last
    assert rewards[-1].reward <= 100


def test_every_domain_has_full_length_episodes_and_bounded_actions() -> None:
    for task in {task.domain: task for task in all_tasks() if not task.discrete}.values():
        env = DmcEnv(task)
        assert env._env._step_limit == task.episode_frames, task.name
        assert np.abs(env._middle).max() + env._half_width.max() < 10, task.name


def test_a_diverged_simulation_ends_the_episode_and_leaves_no_trace() -> None:
    env = DmcEnv(find_task("cheetah-run"))
    before = play(env, seed=1)
    sound = env.reset(2)
    env._env.physics.data.qvel[:] = 1e12
    step = env.step(np.zeros(6, np.float32))
    assert (step.reward, step.terminated, step.last) == (0.0, False, True)
    np.testing.assert_array_equal(step.observation, sound)
    np.testing.assert_array_equal(play(env, seed=1), before)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_action_that_is_no_number_ends_the_episode(value: float) -> None:
    env = DmcEnv(find_task("cheetah-run"))
    sound = env.reset(2)
    step = env.step(np.full(6, value, np.float32))
    assert (step.reward, step.terminated, step.last) == (0.0, False, True)
    np.testing.assert_array_equal(step.observation, sound)


def load(**settings: str) -> subprocess.CompletedProcess[str]:
    """Load cheetah-run in a fresh process; print what it finds in MUJOCO_GL afterwards."""
    script = """
import os
from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.rl.envs.dmc import DmcEnv
from a2ls_dsl.rl.envs.tasks import find_task
try:
    DmcEnv(find_task("cheetah-run"))
    print(os.environ.get("MUJOCO_GL"))
except A2lError as error:
    print(error.render())
"""
    environment = {key: value for key, value in os.environ.items() if key not in ("MUJOCO_GL", "DISPLAY")}
    return subprocess.run(
        [sys.executable, "-c", script], env=environment | settings, capture_output=True, text=True, check=True
    )


def test_loading_is_silent_and_needs_no_display() -> None:
    done = load()
    assert (done.stdout, done.stderr) == ("None\n", "")


def test_a_renderer_that_the_user_chose_is_kept() -> None:
    assert load(MUJOCO_GL="off").stdout == "off\n"
    assert "dm_control does not work with MUJOCO_GL=paint" in load(MUJOCO_GL="paint").stdout

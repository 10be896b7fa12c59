"""A pool returns what single environments return, whatever the number of its workers."""

import numpy as np
import pytest
from numpy.typing import NDArray

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.rl.compute.memory import memory_of
from a2ls_dsl.rl.envs.dmc import DmcEnv
from a2ls_dsl.rl.envs.dmc_suite import ControlTask
from a2ls_dsl.rl.envs.pool import EnvPool, FirstEnvironments
from a2ls_dsl.rl.envs.tasks import find_task

# Four agent steps an episode, so that a few steps cross episodes' ends.
SHORT = ControlTask("cartpole", "swingup", action_repeat=250)


def actions(pool: EnvPool, steps: int) -> NDArray[np.float32]:
    shape = (steps, pool.size, pool.action_size)
    return np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)


def test_a_pool_equals_single_environments() -> None:
    task = find_task("walker-walk")
    seeds = np.array([5, 0, 2**64 - 1], np.uint64)
    with EnvPool(task, 3, workers=2) as pool:
        envs = [DmcEnv(task) for _ in seeds]
        assert (pool.observation_shape, pool.action_size) == (envs[0].observation_shape, envs[0].action_size)
        observation = pool.reset(seeds)
        assert (observation.dtype, observation.shape) == (np.float32, (3, 24))
        np.testing.assert_array_equal(
            observation, [env.reset(int(seed)) for env, seed in zip(envs, seeds, strict=True)]
        )
        for action in actions(pool, 30):
            result = pool.step(action)
            singles = [env.step(row) for env, row in zip(envs, action, strict=True)]
            np.testing.assert_array_equal(result.observation, [single.observation for single in singles])
            np.testing.assert_array_equal(result.reward, np.float32([single.reward for single in singles]))
            assert (result.reward.dtype, result.last.dtype) == (np.float32, np.bool_)
            assert not result.last.any()
            assert not result.terminated.any()


def trajectory(workers: int) -> list[NDArray[np.generic]]:
    """Three episodes per lane; a lane is reset when its episode ends."""
    with EnvPool(SHORT, 5, workers=workers) as pool:
        assert pool.workers == workers
        seeds = np.arange(5)
        record: list[NDArray[np.generic]] = [pool.reset(seeds)]
        for action in actions(pool, 12):
            result = pool.step(action)
            record += [result.observation, result.reward, result.last]
            seeds += 100
            record.append(pool.reset_where(result.last, seeds))
    return record


def test_results_do_not_depend_on_the_number_of_workers() -> None:
    for single, several in zip(trajectory(1), trajectory(3), strict=True):
        np.testing.assert_array_equal(single, several)


def test_a_pool_beside_another_takes_its_own_steps_in_the_same_processes() -> None:
    """Steps of both are in progress at once, in lanes with different bounds."""
    with EnvPool(SHORT, 3, workers=2) as apart:
        expected = [apart.reset([3, 4, 5])]
        expected += [apart.step(action).observation for action in actions(apart, 3)]
    with EnvPool(SHORT, 3, workers=2) as pool, EnvPool(SHORT, 3, beside=pool) as other:
        mine, its = ([worker.process.pid for worker in lanes._workers] for lanes in (pool, other))
        assert mine == its
        pool.reset([0, 1, 2])
        observations = [other.reset([3, 4, 5])]
        for ignored, action in zip(actions(pool, 3)[::-1], actions(other, 3), strict=True):
            pool.start(ignored)
            other.start(action)
            seen = pool.wait().observation
            observations.append(other.wait().observation)
            assert (seen != observations[-1]).any()
        with EnvPool(SHORT, 1, beside=pool) as smaller:
            assert smaller.workers == 1
    np.testing.assert_array_equal(observations, expected)
    with pytest.raises(A2lError, match="this environment pool is closed"):
        EnvPool(SHORT, 3, beside=pool)


def test_resetting_some_lanes_leaves_the_others() -> None:
    with EnvPool(SHORT, 4, workers=2) as pool:
        pool.reset([0, 1, 2, 3])
        before = pool.step(actions(pool, 1)[0])
        kept = before.observation.copy()
        after = pool.reset_where([False, True, False, True], [9, 1, 9, 3])
        np.testing.assert_array_equal(before.observation, kept)  # A result belongs to the caller.
        np.testing.assert_array_equal(after[[0, 2]], kept[[0, 2]])
        np.testing.assert_array_equal(after[[1, 3]], pool.reset([0, 1, 2, 3])[[1, 3]])


def test_lanes_end_apart_and_a_finished_lane_must_be_reset() -> None:
    with EnvPool(SHORT, 2, workers=1) as pool:
        zero = np.zeros((2, 1), np.float32)
        pool.reset([0, 1])
        pool.step(zero)
        pool.reset_where([False, True], [0, 2])
        last = [pool.step(zero).last.tolist() for _ in range(3)]
        assert last == [[False, False], [False, False], [True, False]]
        with pytest.raises(
            A2lError, match=r"environment 0 of cartpole-swingup failed: the episode .* is over"
        ):
            pool.step(zero)


def test_a_diverged_policy_disturbs_its_own_lane_only() -> None:
    with EnvPool(SHORT, 2, workers=1) as pool:
        pool.reset([0, 1])
        result = pool.step([[np.nan], [0.5]])
        assert result.last.tolist() == [True, False]
        assert result.reward[0] == 0.0
        assert np.isfinite(result.observation).all()


def test_misuse_is_explained() -> None:
    with EnvPool(SHORT, 2, workers=1) as pool:
        with pytest.raises(A2lError, match="no step to wait for"):
            pool.wait()
        with pytest.raises(A2lError, match=r"seeds must have the shape \(2,\).*got \(3,\)"):
            pool.reset([1, 2, 3])
        for seeds in ([-1, 0], [0.5, 1.0]):
            with pytest.raises(A2lError, match="seeds must be integers from 0"):
                pool.reset(seeds)
        pool.reset([0, 1])
        with pytest.raises(A2lError, match=r"actions must have the shape \(2, 1\)"):
            pool.start(np.zeros(2))
        pool.start(np.zeros((2, 1)))
        for again in (lambda: pool.start(np.zeros((2, 1))), lambda: pool.reset([0, 1])):
            with pytest.raises(A2lError, match="a step has begun"):
                again()
        assert not pool.wait().last.any()
    pool.close()
    with pytest.raises(A2lError, match="this environment pool is closed"):
        pool.reset([0, 1])


@pytest.mark.parametrize(("size", "workers"), [(0, None), (1, 0)])
def test_an_empty_pool(size: int, workers: int | None) -> None:
    with pytest.raises(A2lError, match="at least one"):
        EnvPool(SHORT, size, workers)


@pytest.mark.parametrize("name", ["cheetah-run", pytest.param("dog-run", marks=pytest.mark.slow)])
def test_the_first_environments_predict_the_memory_of_all(name: str) -> None:
    """Within 15 % of what a process with twelve takes; steps take no more."""
    reports: list[FirstEnvironments] = []
    with EnvPool(find_task(name), 12, workers=1, admit=reports.append) as pool:
        pool.reset(np.arange(12))
        for action in actions(pool, 20):
            pool.step(action)
        taken = memory_of(pool._workers[0].process.pid)
    (first,) = reports
    assert first.process + 12 * first.environment == pytest.approx(taken, rel=0.15)
    assert first.environment == pytest.approx((taken - first.process) / 12, rel=0.15)

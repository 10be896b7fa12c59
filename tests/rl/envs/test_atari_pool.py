"""Games in worker processes: lanes equal single games, lives end episodes, failures are reported."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("ale_py", reason="needs the extra `atari`")

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.rl.envs.atari import AtariEnv
from a2ls_dsl.rl.envs.game import Game
from a2ls_dsl.rl.envs.pool import EnvPool
from a2ls_dsl.rl.envs.tasks import find_task

FOUND = find_task("Breakout")
assert isinstance(FOUND, Game)
BREAKOUT: Game = FOUND
TETRIS = find_task("Tetris")


def test_a_pool_of_games_equals_single_games_past_lives_and_ends() -> None:
    """Lanes are reset where games end, and stepped on where a life was lost."""
    seeds = np.array([5, 0, 2**64 - 1], np.uint64)
    with EnvPool(BREAKOUT, 3, workers=2, life_loss=True) as pool:
        envs = [AtariEnv(BREAKOUT, life_loss=True) for _ in seeds]
        assert (pool.observation_shape, pool.action_size) == ((1, 84, 84), 4)
        first = pool.reset(seeds)
        assert (first.dtype, first.shape) == (np.uint8, (3, 1, 84, 84))
        np.testing.assert_array_equal(
            first, [env.reset(int(seed)) for env, seed in zip(envs, seeds, strict=True)]
        )
        random, lives, games = np.random.default_rng(0), 0, 0
        for _ in range(260):
            action = random.integers(4, size=3)
            result = pool.step(action)
            singles = [env.step(choice) for env, choice in zip(envs, action, strict=True)]
            np.testing.assert_array_equal(result.observation, [single.observation for single in singles])
            for name in ("reward", "terminated", "last", "life_lost"):
                assert getattr(result, name).tolist() == [getattr(single, name) for single in singles]
            over = result.last & ~result.life_lost
            lives, games = lives + result.life_lost.sum(), games + over.sum()
            seeds = seeds + np.uint64(1)
            seen = pool.reset_where(over, seeds)
            for lane in range(3):
                expected = envs[lane].reset(int(seeds[lane])) if over[lane] else singles[lane].observation
                np.testing.assert_array_equal(seen[lane], expected)
        assert lives > 4
        assert games > 1


def test_lives_do_not_end_episodes_of_an_evaluation() -> None:
    with EnvPool(BREAKOUT, 1, workers=1) as pool:
        pool.reset([0])
        results = [pool.step([1])]
        while not results[-1].last[0]:
            results.append(pool.step([len(results) % 4]))
        assert not any(result.life_lost[0] for result in results)
        assert len(results) > 60


@pytest.mark.parametrize("actions", [[0, 99], [-1, 0], [0.5, 0.0]])
def test_invalid_actions_are_refused(actions: list[float]) -> None:
    with EnvPool(TETRIS, 2, workers=1) as pool:
        pool.reset([0, 1])
        with pytest.raises(A2lError, match="actions of Tetris must be whole numbers from 0 to 4"):
            pool.start(actions)
        with pytest.raises(A2lError, match=r"actions must have the shape \(2,\)"):
            pool.start([[0], [1]])


def test_a_killed_worker_is_replaced_and_its_game_goes_on() -> None:
    with EnvPool(TETRIS, 2, workers=2) as pool, EnvPool(TETRIS, 2, workers=2) as untouched:
        for games in (pool, untouched):
            games.reset([0, 1])
            games.step([1, 2])
        os.kill(pool._workers[1].process.pid, signal.SIGKILL)
        pool._workers[1].process.wait()
        for _ in range(3):
            np.testing.assert_array_equal(pool.step([0, 2]).observation, untouched.step([0, 2]).observation)
        assert len(pool.replaced) == 1


def test_a_broken_rom_is_reported_by_the_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tetris.bin").write_bytes(b"")
    monkeypatch.setenv("ALE_ROMS_DIR", str(tmp_path))
    with pytest.raises(A2lError, match="environment 0 of Tetris failed: the ROM of Tetris can't be used"):
        EnvPool(TETRIS, 1)


@pytest.mark.parametrize(("back_end", "extra"), [("ale-py", "atari"), ("atari-py", "atari-py")])
def test_a_missing_package_is_named(
    back_end: str, extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = back_end.replace("-", "_")
    (tmp_path / module).mkdir()
    (tmp_path / module / "__init__.py").write_text(f"raise ModuleNotFoundError(name='{module}')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(A2lError, match=f"the package {back_end}, which is not installed") as caught:
        EnvPool(replace(BREAKOUT, back_end=back_end), 1)
    assert f"pip install 'a2ls-dsl[{extra}]'" in caught.value.fix


def test_workers_of_games_import_no_torch() -> None:
    script = "import sys, a2ls_dsl.rl.envs.atari; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0

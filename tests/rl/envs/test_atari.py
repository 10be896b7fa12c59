"""Atari games against the emulator played by hand, and its own vector environment."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("ale_py", reason="needs the extra `atari`")

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.rl.envs.atari import AtariEnv
from a2ls_dsl.rl.envs.env import Step
from a2ls_dsl.rl.envs.game import Game
from a2ls_dsl.rl.envs.tasks import find_task


def game(name: str, **changes: Any) -> Game:
    task = find_task(name)
    assert isinstance(task, Game)
    return replace(task, **changes)


TETRIS = game("Tetris")  # the ROM that its author gave away
BREAKOUT = game("Breakout")


def emulator(name: str) -> Any:
    """The bare emulator."""
    from ale_py import ALEInterface, LoggerMode
    from ale_py.roms import get_rom_path

    ALEInterface.setLoggerMode(LoggerMode.Error)
    ale = ALEInterface()
    ale.setFloat("repeat_action_probability", 0.0)
    ale.loadROM(get_rom_path(name))
    ale.reset_game()
    return ale


def resized(screen: NDArray[np.uint8], size: int) -> NDArray[np.float64]:
    """The area that each new pixel covers, integrated over the picture: by a summed-area table."""
    table = np.zeros((screen.shape[0] + 1, screen.shape[1] + 1))
    table[1:, 1:] = screen.astype(np.float64).cumsum(0).cumsum(1)
    y, x = (np.linspace(0, side, size + 1) for side in screen.shape)
    rows = np.array([np.interp(y, np.arange(len(table)), column) for column in table.T]).T
    whole = np.array([np.interp(x, np.arange(table.shape[1]), row) for row in rows])
    cells = np.diff(np.diff(whole, axis=0), axis=1)
    return np.asarray(cells / (screen.size / size**2))


def play(env: AtariEnv, seed: int, steps: int, choice: int = 0) -> list[Step]:
    """The first steps of an episode, at most all, under random actions."""
    random = np.random.default_rng(choice)
    env.reset(seed)
    played: list[Step] = []
    while len(played) < steps and not (played and played[-1].last and not played[-1].life_lost):
        played.append(env.step(random.integers(env.action_size)))
    return played


def same(left: list[Step], right: list[Step]) -> bool:
    return len(left) == len(right) and all(
        np.array_equal(a.observation, b.observation) and a[1:] == b[1:]
        for a, b in zip(left, right, strict=True)
    )


@pytest.mark.parametrize("name", ["Tetris", "Seaquest", "MsPacman"])
def test_a_step_is_four_frames_of_the_emulator(name: str) -> None:
    """Rewards are summed; the picture is the maximum of the last two frames, in grey, resized by area."""
    env = AtariEnv(game(name, noops=0))
    ale = emulator(env.task.task.lower().replace("mspacman", "ms_pacman"))
    actions = ale.getMinimalActionSet()
    assert env.action_size == len(actions)
    first = env.reset(0)
    assert (first.shape, first.dtype) == ((1, 84, 84), np.uint8)
    assert np.abs(first[0] - resized(ale.getScreenGrayscale(), 84)).max() <= 0.5 + 1e-4
    random, total = np.random.default_rng(0), 0.0
    for _ in range(120):
        chosen = random.integers(len(actions))
        reward, screens = 0.0, []
        for _ in range(4):
            reward += ale.act(actions[chosen])
            screens.append(ale.getScreenGrayscale())
        step = env.step(chosen)
        expected = resized(np.maximum(screens[2], screens[3]), 84)
        assert np.abs(step.observation[0] - expected).max() <= 0.5 + 1e-4
        assert (step.reward, step.last) == (reward, False)
        total += reward
    assert total > 0 or name != "MsPacman"


def test_pictures_are_those_of_the_emulators_own_vector_environment() -> None:
    """It resizes with OpenCV; pixels may differ by 1 where a mean lies between two whole numbers."""
    from ale_py._ale_py import ALEVectorInterface
    from ale_py.roms import get_rom_path

    vector = ALEVectorInterface(
        get_rom_path("seaquest"), 1, stack_num=1, noop_max=0, use_fire_reset=False, reward_clipping=False
    )
    seen, _ = vector.reset(np.arange(1), np.array([0], np.int32))
    env = AtariEnv(game("Seaquest", noops=0))
    mine = [env.reset(0)]
    its, random = [np.asarray(seen)[0]], np.random.default_rng(3)
    for _ in range(80):
        chosen = random.integers(env.action_size)
        vector.send(np.array([chosen], np.int32), np.ones(1, np.float32))
        seen, *_ = vector.recv()
        its.append(np.asarray(seen)[0].copy())
        mine.append(env.step(chosen).observation)
    difference = np.abs(np.array(mine).astype(int) - np.array(its).astype(int).reshape(np.shape(mine)))
    assert difference.max() <= 1
    assert (difference > 0).mean() < 1e-3


def test_seeds_set_how_many_no_ops_a_game_begins_with() -> None:
    env, ale = AtariEnv(game("Seaquest")), emulator("seaquest")
    screens = []
    for _ in range(30):
        ale.act(0)
        screens.append(resized(ale.getScreenGrayscale(), 84))
    frames = set()
    for seed in range(40):
        apart = np.abs(np.array(screens) - env.reset(seed)).max(axis=(1, 2))
        assert apart.min() <= 0.5 + 1e-4
        frames.add(int(apart.argmin()))
    assert len(frames) > 10


@pytest.mark.parametrize("name", ["Tetris", "Breakout", "Seaquest"])
def test_a_game_is_a_function_of_its_seed_whatever_was_played_before(name: str) -> None:
    env = AtariEnv(game(name))
    first = play(env, 5, 200)
    play(env, 6, 150, choice=1)
    assert same(play(env, 5, 200), first)
    assert same(play(AtariEnv(game(name)), 5, 200), first)


def test_a_lost_life_ends_an_episode_in_training_and_the_game_goes_on() -> None:
    whole, learning = AtariEnv(BREAKOUT), AtariEnv(BREAKOUT, life_loss=True)
    game_over, lives = play(whole, 1, 10_000), play(learning, 1, 10_000)
    assert [step.last for step in game_over] == [False] * (len(game_over) - 1) + [True]
    assert (game_over[-1].terminated, game_over[-1].life_lost) == (True, False)
    lost = [step for step in lives if step.life_lost]
    assert len(lost) == 4  # of five lives; with the last the game is over
    assert all(step.terminated and step.last for step in lost)
    assert not lives[-1].life_lost
    # The same game: only where episodes end differs.
    assert len(lives) == len(game_over)
    for step, expected in zip(lives, game_over, strict=True):
        assert step.reward == expected.reward
        np.testing.assert_array_equal(step.observation, expected.observation)


def test_lives_are_those_of_the_emulator() -> None:
    env, ale = AtariEnv(game("Breakout", noops=0), life_loss=True), emulator("breakout")
    actions, random, lives = ale.getMinimalActionSet(), np.random.default_rng(0), ale.lives()
    env.reset(0)
    for _ in range(400):
        chosen = random.integers(len(actions))
        for _ in range(4):
            if not ale.game_over():
                ale.act(actions[chosen])
        step, left = env.step(chosen), ale.lives()
        assert (step.life_lost, step.terminated) == (0 < left < lives, left < lives)
        lives = left
        if ale.game_over():
            return
    raise AssertionError("the game did not end")


def test_a_game_is_cut_at_its_limit_without_being_terminated() -> None:
    env = AtariEnv(game("Breakout", episode_frames=30))
    env.reset(0)
    steps = [env.step(np.int64(0)) for _ in range(8)]
    assert [step.last for step in steps] == [False] * 7 + [True]
    assert not steps[-1].terminated
    with pytest.raises(A2lError, match="the game of Breakout is over"):
        env.step(np.int64(0))
    assert not (env.reset(0), env.step(np.int64(0)))[1].last


def test_sticky_actions_repeat_the_previous_action() -> None:
    """Played by hand with the same draws; without stickiness the game differs."""
    env, ale = AtariEnv(game("Breakout", noops=0, sticky=0.5)), emulator("breakout")
    env.reset(4)
    drawn = np.random.default_rng(np.random.SeedSequence(4))
    actions, random, pressed = ale.getMinimalActionSet(), np.random.default_rng(1), 0
    for _ in range(60):
        chosen, reward = random.integers(len(actions)), 0.0
        for _ in range(4):
            pressed = pressed if drawn.random() < 0.5 else actions[chosen].value
            reward += ale.act(pressed)
        assert env.step(chosen).reward == reward
    assert not same(play(env, 4, 60), play(AtariEnv(game("Breakout", noops=0)), 4, 60))


def test_a_missing_rom_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALE_ROMS_DIR", str(tmp_path))
    with pytest.raises(A2lError, match="the ROM of Tetris can't be used") as caught:
        AtariEnv(TETRIS)
    assert "ALE_ROMS_DIR" in caught.value.fix
    (tmp_path / "tetris.bin").write_bytes(b"nothing that the emulator should see")
    with pytest.raises(A2lError, match=r"hash of tetris\.bin does not match") as caught:
        AtariEnv(TETRIS)
    assert "pip install --force-reinstall" in caught.value.fix


def test_an_unknown_game_is_explained() -> None:
    with pytest.raises(A2lError, match="ale-py has no ROM of a game Poong"):
        AtariEnv(replace(TETRIS, task="Poong"))

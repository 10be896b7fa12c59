"""Names of tasks, and the conversion between environment frames and agent steps."""

import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.rl.envs.dmc import DmcEnv
from a2ls_dsl.rl.envs.dmc_suite import LEFT_OUT, SUITE, ControlTask
from a2ls_dsl.rl.envs.game import Game
from a2ls_dsl.rl.envs.games import ATARI_100K, GAMES, rom_name
from a2ls_dsl.rl.envs.tasks import all_tasks, find_task


def test_the_table_is_the_suite() -> None:
    DmcEnv(find_task("pendulum-swingup"))  # Imports dm_control without a renderer.
    from dm_control import suite

    ours = {f"{domain}-{task}" for domain, tasks in SUITE.items() for task in tasks}
    assert ours | set(LEFT_OUT) == {f"{domain}-{task}" for domain, task in suite.ALL_TASKS}
    assert not ours & set(LEFT_OUT)


@pytest.mark.parametrize("name", ["walker-walk", "walker_walk", "Walker-Walk", " WALKER-walk "])
def test_names_are_forgiving(name: str) -> None:
    task = find_task(name)
    assert (task.name, task.domain, task.task) == ("walker-walk", "walker", "walk")


@pytest.mark.parametrize(
    ("name", "domain", "task"),
    [
        ("ball_in_cup-catch", "ball_in_cup", "catch"),
        ("ball-in-cup-catch", "ball_in_cup", "catch"),
        ("finger-turn-hard", "finger", "turn_hard"),
        ("humanoid_cmu_run", "humanoid_CMU", "run"),
    ],
)
def test_names_with_underscores(name: str, domain: str, task: str) -> None:
    match = find_task(name)
    assert (match.domain, match.task) == (domain, task)


@pytest.mark.parametrize(
    ("name", "game"),
    [
        ("Pong", "Pong"),
        ("pong", "Pong"),
        ("ALE/Pong-v5", "Pong"),
        ("PongNoFrameskip-v4", "Pong"),
        ("ms-pacman", "MsPacman"),
        ("MsPacman", "MsPacman"),
        ("ms_pacman", "MsPacman"),
        ("ALE/UpNDown-v5", "UpNDown"),
        ("up n down", "UpNDown"),
    ],
)
def test_names_of_games(name: str, game: str) -> None:
    task = find_task(name)
    assert isinstance(task, Game)
    assert (task.name, task.discrete, task.action_repeat, task.episode_frames) == (game, True, 4, 108_000)


def test_the_games_are_those_that_the_emulator_has() -> None:
    roms = pytest.importorskip("ale_py.roms", reason="needs the extra `atari`")
    assert {rom_name(game) for game in GAMES} <= set(roms.get_all_rom_ids())
    assert len(ATARI_100K) == len(set(ATARI_100K)) == 26


def test_every_name_finds_its_task() -> None:
    for task in all_tasks():
        assert find_task(task.name) == task


@pytest.mark.parametrize(
    ("name", "repeat"),
    [("finger-spin", 2), ("walker-run", 2), ("cartpole-swingup", 8), ("cheetah-run", 4), ("reacher-easy", 4)],
)
def test_action_repeat(name: str, repeat: int) -> None:
    assert find_task(name).action_repeat == repeat


@pytest.mark.parametrize(
    ("name", "message", "fix"),
    [
        ("walker-wlak", "there is no task `walker-wlak`", "did you mean `walker-walk`?"),
        (
            "ball-in-cup-cach",
            "there is no task `ball-in-cup-cach`",
            "did you mean `ball_in_cup-catch`?",
        ),
        ("Pnog", "there is no task `Pnog`", "did you mean `Pong`?"),
        ("ALE/MsPackman-v5", "there is no task `ALE/MsPackman-v5`", "did you mean `MsPacman`?"),
        (
            "cheetah",
            "there is no task `cheetah`",
            "did you mean `cheetah-run`?",
        ),
        (
            "walker-somersaulting",
            "there is no task `walker-somersaulting`",
            "there is walker-stand, walker-walk, walker-run",
        ),
        (
            "quadruped-escape",
            "the task `quadruped-escape` can't be used here: it needs a renderer to start an episode, "
            "even for vector observations",
            "choose another task",
        ),
    ],
)
def test_unknown_names(name: str, message: str, fix: str) -> None:
    with pytest.raises(A2lError) as caught:
        find_task(name)
    assert (caught.value.message, caught.value.fix) == (message, fix)


def test_an_unknown_domain_lists_the_domains() -> None:
    with pytest.raises(A2lError, match="there is no task `xyz`") as caught:
        find_task("xyz")
    assert "the domains are acrobot, ball_in_cup," in caught.value.fix
    assert "the games are Alien, Amidar," in caught.value.fix
    with pytest.raises(A2lError, match="there is no task `ALE/xyz-v5`") as caught:
        find_task("ALE/xyz-v5")
    assert caught.value.fix.startswith("the games are Alien,")


def test_frames_and_steps() -> None:
    cartpole = find_task("cartpole-swingup")
    assert cartpole.steps_to_frames(125) == 1000
    assert cartpole.frames_to_steps(1000) == cartpole.episode_steps == 125
    assert cartpole.frames_to_steps(1007) == 125
    for task in all_tasks():
        assert task.frames_to_steps(task.steps_to_frames(12345)) == 12345
    assert ControlTask("walker", "walk", 3).episode_steps == 334


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("Pong?sticky=0", {"sticky": 0.25}), ("Pong?sticky=0&sticky=0.25", {}), ("my_env:make?n=1", {"n": 1})],
)
def test_an_argument_has_one_value(name: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(A2lError, match="of a task is given twice"):
        find_task(name, arguments)


@pytest.mark.parametrize(
    ("task", "frames", "fix"),
    [
        ("gymnasium:Pendulum-v1", -5, "use 1"),
        ("gymnasium:Pendulum-v1", 0, "use 1"),
        ("cartpole-swingup", -9, "use 8"),
        ("cartpole-swingup", 4, "use 8"),
        ("cartpole-swingup", 1_001, "use 1,000 or 1,008"),
    ],
)
def test_a_budget_is_mended_by_the_nearest(task: str, frames: int, fix: str) -> None:
    with pytest.raises(A2lError, match="is not a whole number of agent steps") as caught:
        find_task(task).check_frames("the budget", frames)
    assert caught.value.fix == fix
    assert "one is 1 frames" not in caught.value.message


@pytest.mark.parametrize("repeat", [0, -1, 1001])
def test_an_impossible_action_repeat(repeat: int) -> None:
    with pytest.raises(A2lError, match="does not fit walker-walk"):
        ControlTask("walker", "walk", repeat)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"noops": -1}, "-1 frames of nothing"),
        ({"sticky": 1.0}, "with probability 1.0"),
        ({"back_end": "ale_py"}, "there is no package that emulates Atari `ale_py`"),
        ({"action_repeat": 0}, "does not fit Pong"),
    ],
)
def test_impossible_games(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(A2lError, match=words):
        replace(find_task("Pong"), **changes)


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("tasks", "numpy torch dm_control"),
        ("pool", "torch dm_control"),
        ("worker", "torch dm_control ale_py"),
    ],
)
def test_imports_stay_light(module: str, absent: str) -> None:
    script = (
        f"import sys, a2ls_dsl.rl.envs.{module}; sys.exit(any(m in sys.modules for m in {absent.split()}))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0

"""What is said of environments of Gymnasium and of the user's own that can't be played."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import gymnasium
import pytest

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.rl.envs.pool import EnvPool
from a2ls_dsl.rl.envs.spaces import rendered
from a2ls_dsl.rl.envs.tasks import find_task

pytestmark = pytest.mark.usefixtures("here")


def test_the_fix_for_a_missing_render_says_what_to_write() -> None:
    for render in (gymnasium.Env[Any, Any]().render, lambda: None):
        with pytest.raises(A2lError, match=r"my_env:Blind (has no render|renders NoneType)") as caught:
            rendered("my_env:Blind", render)
        assert "(height, width, 3)" in caught.value.fix


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("gymnasium:Pendulm-v1", "did you mean `gymnasium:Pendulum-v1`?"),
        ("gymnasium:nothing:Pendulum-v1", "needs the module `nothing`"),
        ("gymnasium:Pendulum-v1?gravity=3", "unexpected keyword argument 'gravity'"),
        ("nothing:make", "no module `nothing`"),
        ("my_env:Trakc", "did you mean `my_env:Track`?"),
        ("my_env:nothing", "can't be called"),
        ("my_env:Unlike?which=text", "observations of Text"),
        ("my_env:Unlike?which=both", "a picture `eye`"),
        ("my_env:Unlike?which=unbounded", "actions without bounds"),
        ("my_env:Unlike?which=many", "actions of MultiDiscrete"),
        ("my_env:Unlike?which=none", "action_space is a NoneType"),
        ("my_env:Unlike?colour=blue", "missing a required argument: 'which'"),
        ("my_env:Track?fault=reset", "reset returned a ndarray, not (observation, info)"),
    ],
)
def test_what_can_not_be_made_is_explained(name: str, words: str) -> None:
    with pytest.raises(A2lError) as caught:
        EnvPool(find_task(name), 1, 1)
    assert words in str(caught.value)
    assert caught.value.fix


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("raises", "step raised ZeroDivisionError: three ("),
        ("exits", "step raised SystemExit: enough ("),
        ("four", "step returned 4 values, not (observation, reward, terminated, truncated, info)"),
        ("reward", "the reward 'much'"),
    ],
)
def test_what_goes_wrong_in_play_is_explained(fault: str, words: str) -> None:
    with EnvPool(find_task(f"my_env:Track?fault={fault}"), 1, 1) as pool:
        pool.reset([0])

        def play() -> None:
            for _ in range(3):
                pool.step([[0.0]])

        with pytest.raises(A2lError) as caught:
            play()
    assert words in caught.value.message
    if "raised" in words:
        assert "my_env.py, line " in caught.value.message
        assert "in step)" in caught.value.message


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Hopper-v5", "did you mean `gymnasium:Hopper-v5`?"),
        ("my_env.py", "did you mean `my_env:make`?"),
        ("./lab/my_env.py:World", "did you mean `lab.my_env:World`?"),
        ("nothing", "gymnasium:ID for an environment of Gymnasium"),
        ("my_env:Track?action_repeat=0", "`action_repeat` is 0"),
        ("gymnasium:Pendulum-v1?max_episode_steps=x", "`max_episode_steps` is 'x'"),
    ],
)
def test_names_are_explained(name: str, words: str) -> None:
    with pytest.raises(A2lError) as caught:
        find_task(name)
    assert words in str(caught.value)


def test_without_gymnasium_the_extra_is_named() -> None:
    script = """
import sys
sys.modules["gymnasium"] = None
from a2ls_dsl.rl.envs.tasks import find_task, suite_of
for name in ("gymnasium:Pendulum-v1", "my_env:Track"):
    try:
        task = find_task(name)
        suite_of(task).make(task, None, False)
    except Exception as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.count("need the package gymnasium, which is not installed") == 2
    assert done.stdout.count("pip install 'a2ls-dsl[gymnasium]'") == 2

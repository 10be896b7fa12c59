"""Suites: names with arguments, and a suite of another package."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.rl.envs.game import Game
from a2ls_dsl.rl.envs.task import join_name, read_arguments, split_name, task_values
from a2ls_dsl.rl.envs.tasks import all_tasks, find_task, read_task

SUITE = '''
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from a2ls_dsl.rl.envs.env import Step
from a2ls_dsl.rl.envs.suite import Protocol, Suite
from a2ls_dsl.rl.envs.task import Task


@dataclass(frozen=True)
class Line(Task):
    suite: ClassVar[str] = "line"
    name = property(lambda self: f"line:{self.task}")
    discrete = property(lambda self: False)
    observations = property(lambda self: ("vectors",))


class LineEnv:
    """Walk to the end of a line of 10 steps."""

    observation_shape, action_size, discrete = (1,), 1, False

    def reset(self, seed):
        self.place, self.steps = 0.0, 0
        return np.array([self.place], np.float32)

    def step(self, action):
        self.steps += 1
        self.place += float(action[0])
        return Step(np.array([self.place], np.float32), float(action[0]), False, self.steps == 10)


class Lines(Suite):
    name, title, task_type = "line", "Lines", Line
    protocol = Protocol(frames=1_000, eval_every=500, eval_episodes=1)

    def find(self, name, arguments):
        return Line("line", name, 1, 10) if name == "short" else None

    def nearest(self, name):
        return "line:short" if name.startswith("s") else None

    def make(self, task, rendering, life_loss):
        return LineEnv()
'''
USE = """
import numpy as np
from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.rl.agents import algorithm_for
from a2ls_dsl.rl.envs.pool import EnvPool
from a2ls_dsl.rl.envs.tasks import find_task, suite_of
task = find_task("line:short")
print(task.name, suite_of(task).title, algorithm_for(task).name)
with EnvPool(task, 2, 1) as pool:
    pool.reset([0, 1])
    print(pool.step(np.full((2, 1), 0.5)).reward.tolist())
try:
    find_task("line:shrot")
except A2lError as error:
    print(error.message, error.fix)
"""


def test_a_suite_of_another_package_is_loaded_and_played(tmp_path: Path) -> None:
    (tmp_path / "lines.py").write_text(SUITE)
    about = tmp_path / "lines-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: lines\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[a2ls_dsl.suites]\nline = lines:Lines\n")
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}){USE}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [
        "line:short Lines sac",
        "[0.5, 0.5]",
        "there is no task `shrot` in the suite line did you mean `line:short`?",
    ]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("Pong?sticky=0.25", {"sticky": 0.25}),
        ("Pong?ale=atari-py&noops=0", {"back_end": "atari-py", "noops": 0}),
        ("Pong", {}),
    ],
)
def test_arguments_are_part_of_a_name(name: str, values: dict[str, Any]) -> None:
    task = find_task(name)
    assert isinstance(task, Game)
    assert {key: getattr(task, key) for key in values} == values
    assert (task.name, find_task(task.name)) == (name, task)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Pong?stikcy=0.25", "did you mean `sticky`?"),
        ("Pong?sticky=often", "can't be 'often'"),
        ("walker-walk?sticky=0.25", "walker-walk takes no argument `sticky`"),
    ],
)
def test_arguments_that_mean_nothing_are_refused(name: str, words: str) -> None:
    with pytest.raises(A2lError, match="argument") as caught:
        find_task(name)
    assert words in str(caught.value)


@pytest.mark.parametrize("value", [1, 0.5, True, None, "text", "5", "a&b=c?d", [1, 2], {"a": [True]}, "ü x"])
def test_any_value_survives_in_a_name(value: object) -> None:
    name = join_name("Task", {"other": 1, "value": value})
    assert split_name(name) == ("Task", {"other": 1, "value": value})


def test_arguments_of_the_command_line() -> None:
    assert read_arguments(["a=1", "b=x=y", "c=true"]) == {"a": 1, "b": "x=y", "c": True}
    for wrong in (["a"], ["=1"], ["a=1", "a=2"]):
        with pytest.raises(A2lError, match="argument"):
            read_arguments(wrong)


def test_every_task_reaches_another_process() -> None:
    for task in all_tasks():
        assert read_task(task_values(task)) == task

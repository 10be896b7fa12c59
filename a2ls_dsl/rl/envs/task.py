"""A task of any suite, and the conversion between frames and agent steps.

Everything a user sees is counted in **environment frames**. An agent acts once every `action_repeat` frames:
that is an **agent step**. Nothing here imports an environment package, so naming a task is cheap.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar
from urllib.parse import parse_qsl, quote

from a2ls_dsl.diagnostics import A2lError, unknown
from a2ls_dsl.english import count

VECTORS, PIXELS = "vectors", "pixels"
OBSERVATIONS = (VECTORS, PIXELS)
"""The kinds of observation: vectors of numbers, or frames."""


@dataclass(frozen=True)
class Task(ABC):
    """A task; each suite derives its own class.

    `action_repeat` is the number of frames that an agent step lasts; `episode_frames` the length of a full
    episode, one that doesn't end earlier by the task's rules. Equal tasks are the same task, and
    `find_task(task.name)` returns an equal task.
    """

    suite: ClassVar[str]
    """The name of its suite: see `tasks.find_suite`."""

    domain: str
    task: str
    action_repeat: int
    episode_frames: int = 1000

    def __post_init__(self) -> None:
        if not 1 <= self.action_repeat <= self.episode_frames:
            raise A2lError(
                f"an action repeat of {self.action_repeat} frames does not fit {self.name}",
                f"use 1 to {self.episode_frames} frames",
            )

    @property
    @abstractmethod
    def name(self) -> str:
        """What users and files call the task: `walker-walk`, `Pong`, `gymnasium:Pendulum-v1`."""

    @property
    @abstractmethod
    def discrete(self) -> bool:
        """Whether actions are numbers; otherwise they are vectors in [-1, 1]."""

    @property
    @abstractmethod
    def observations(self) -> tuple[str, ...]:
        """The kinds of observation that it offers, from `OBSERVATIONS`; the first is the default."""

    @property
    def file_name(self) -> str:
        """The name, made fit for a file or a folder."""
        return "".join(letter if letter.isalnum() or letter in "_.=-" else "-" for letter in self.name)

    @property
    def episode_steps(self) -> int:
        """Agent steps of a full episode; the last is cut short if frames don't divide evenly."""
        return -(-self.episode_frames // self.action_repeat)

    def frames_to_steps(self, frames: int) -> int:
        """The whole agent steps that fit in a number of environment frames."""
        return frames // self.action_repeat

    def check_frames(self, what: str, frames: int) -> None:
        """Raise A2lError unless a number of frames, called `what`, is a whole number of agent steps."""
        if frames < 1 or frames % self.action_repeat:
            below = max(frames, 0) // self.action_repeat * self.action_repeat
            choices = [f"{number:,}" for number in (below, below + self.action_repeat) if number > 0]
            raise A2lError(
                f"{what}, {frames:,} frames, is not a whole number of agent steps: one is "
                f"{count(self.action_repeat, 'frame')} of {self.name}",
                f"use {' or '.join(choices)}",
            )

    def steps_to_frames(self, steps: int) -> int:
        """The environment frames that a number of agent steps lasts."""
        return steps * self.action_repeat


def task_values(task: Task) -> dict[str, Any]:
    """A task as JSON values, for `tasks.read_task` in another process."""
    return {"suite": task.suite, "task": asdict(task)}


def check_observations(task: Task, obs: str | None) -> None:
    """Raise `A2lError` if a task has no observations of this kind; None means its default."""
    if obs is not None and obs not in OBSERVATIONS:
        raise unknown("kind of observation", obs, OBSERVATIONS)
    if obs is not None and obs not in task.observations:
        kinds = ("frames" if kind == PIXELS else kind for kind in task.observations)
        raise A2lError(
            f"{task.name} is seen as {' or '.join(kinds)}, not as {obs}", "leave out what is to be seen of it"
        )


Arguments = Mapping[str, Any]
"""Arguments of a task besides its name; values are JSON's, or texts."""


def split_name(text: str) -> tuple[str, dict[str, Any]]:
    """A name and the arguments after it: `Pong` and {"noops": 0} for `Pong?noops=0`. Raises `A2lError` for a
    repeated key."""
    name, _, query = text.strip().partition("?")
    arguments: dict[str, Any] = {}
    for key, value in parse_qsl(query, keep_blank_values=True):
        if key in arguments:
            raise given_twice(key)
        arguments[key] = _value(value)
    return name, arguments


def given_twice(key: str) -> A2lError:
    """The error for an argument that has two values."""
    return A2lError(f"the argument `{key}` of a task is given twice", "give it once")


def join_name(name: str, arguments: Arguments) -> str:
    """The inverse of `split_name`; arguments are sorted by name."""
    readable = ':,.[]{}"'
    pairs = sorted((quote(key), quote(_text(value), readable)) for key, value in arguments.items())
    query = "&".join(f"{key}={value}" for key, value in pairs)
    return f"{name}?{query}" if query else name


def read_arguments(given: list[str]) -> dict[str, Any]:
    """The arguments of `--env-arg key=value`. Raises `A2lError` for a text without `=`, or a repeated key."""
    arguments: dict[str, Any] = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise A2lError(f"`{text}` is not an argument of a task", "write `a2l train --env-arg NAME=VALUE`")
        if key.strip() in arguments:
            raise given_twice(key.strip())
        arguments[key.strip()] = _value(value)
    return arguments


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return {"True": True, "False": False, "None": None}.get(text, text)


def _text(value: Any) -> str:
    """The shortest text that `_value` parses as this value."""
    if isinstance(value, str) and _value(value) == value:
        return value
    return json.dumps(value, separators=(",", ":"))

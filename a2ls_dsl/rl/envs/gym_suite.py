"""Suites of environments with Gymnasium's interface: those of its registry, and the user's own.

`gymnasium:Pendulum-v1`, `my_pkg.my_module:make`. Arguments after a `?` or in --env-arg, except for those in
`_RESERVED`, are passed on to the environment.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.rl.envs.gym_task import GymTask, OwnTask
from a2ls_dsl.rl.envs.suite import Protocol, Suite
from a2ls_dsl.rl.envs.task import Arguments, Task, join_name

if TYPE_CHECKING:
    from a2ls_dsl.rl.envs.gym_env import GymEnv
    from a2ls_dsl.rl.envs.rendering import Rendering

_RESERVED = ("action_repeat", "max_episode_steps", "wrapper")
"""Frames per agent step; the frame limit of an episode; wrappers, separated by commas."""


class _Gym(Suite):
    task_type: ClassVar[type[GymTask]]
    protocol = Protocol(20_000, eval_every=2_000, eval_episodes=5, quick_frames=5_000, quick_eval_every=1_000)

    def tuned(self, task: Task) -> Mapping[str, Mapping[str, Any]]:
        """Smaller networks than for DeepMind Control: most such tasks are small, and run on a CPU."""
        return {"sac": {"hidden": 256}}

    def _task(self, name: str, arguments: Arguments) -> GymTask:
        own = {name: arguments[name] for name in _RESERVED if name in arguments}
        for name_of_number in ("action_repeat", "max_episode_steps"):
            value = own.get(name_of_number, 1)
            if type(value) is not int or value < 1:
                raise A2lError(f"`{name_of_number}` is {value!r}", "give it a whole number from 1")
        wrappers = str(own.get("wrapper", ""))
        return self.task_type(
            self.name,
            name,
            own.get("action_repeat", 1),
            own.get("max_episode_steps", 0),
            join_name("", {key: value for key, value in arguments.items() if key not in _RESERVED})[1:],
            tuple(wrapper.strip() for wrapper in wrappers.split(",") if wrapper.strip()),
        )


class Gymnasium(_Gym):
    """The environments of Gymnasium's registry."""

    name, title, task_type = "gymnasium", "Gymnasium", GymTask

    def find(self, name: str, arguments: Arguments) -> Task | None:
        """The task of an id; a wrong id is noticed when a worker, which imports Gymnasium, makes it."""
        return self._task(name, arguments) if name else None

    def make(self, task: Task, rendering: Rendering | None, life_loss: bool, screen: bool = False) -> GymEnv:
        """See `GymEnv`."""
        assert isinstance(task, GymTask)
        from a2ls_dsl.rl.envs.gym_make import of_registry

        return of_registry(task, rendering, screen)

    def nearest(self, name: str) -> str | None:
        """A name that ends in a version, and is not a game, is an id of Gymnasium."""
        is_id = re.fullmatch(r"[A-Za-z]\w*-v\d+", name) and "NoFrameskip" not in name
        return f"{GymTask.prefix}{name}" if is_id else None

    @property
    def listing(self) -> str:
        """The form of a name."""
        return "gymnasium:ID for an environment of Gymnasium, e.g. gymnasium:Pendulum-v1"


class Own(_Gym):
    """Environments of the user's own: a callable in a module that Python can import."""

    name, title, task_type = "own", "your own", OwnTask
    prefixed = False

    def find(self, name: str, arguments: Arguments) -> Task | None:
        """The task MODULE:CALLABLE; the module is imported when an environment is made."""
        return self._task(name, arguments) if re.fullmatch(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*", name) else None

    def make(self, task: Task, rendering: Rendering | None, life_loss: bool, screen: bool = False) -> GymEnv:
        """See `GymEnv`."""
        assert isinstance(task, GymTask)
        from a2ls_dsl.rl.envs.gym_make import of_callable

        return of_callable(task, rendering, screen)

    def nearest(self, name: str) -> str | None:
        """The name for a Python file: its module and a callable."""
        file = re.fullmatch(r"(?:\./)?([\w/]+)\.py(?::(\w+))?", name)
        return f"{file[1].replace('/', '.')}:{file[2] or 'make'}" if file else None

    @property
    def listing(self) -> str:
        """The form of a name."""
        return "MODULE:CALLABLE for one of your own, e.g. my_env:make"

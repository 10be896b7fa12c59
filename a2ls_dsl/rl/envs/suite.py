"""The interface of a suite of tasks; the suites are registered in `tasks.py`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from a2ls_dsl.rl.envs.task import Arguments, Task

if TYPE_CHECKING:
    from a2ls_dsl.rl.envs.env import Env
    from a2ls_dsl.rl.envs.rendering import Rendering


@dataclass(frozen=True)
class Protocol:
    """Default training length and evaluation times, in environment frames."""

    frames: int
    eval_every: int
    eval_episodes: int = 10
    quick_frames: int = 5_000  # for a candidate in a search of minutes
    quick_eval_every: int = 1_000


@dataclass(frozen=True)
class Way:
    """A way to play a task, to be compared with others; `name` is that of the renderer or emulator.

    observations: their kind; variables: environment variables of its processes.
    """

    name: str
    task: Task
    observations: str
    rendering: Rendering | None = None
    variables: Mapping[str, str] = field(default_factory=dict)


class Suite(ABC):
    """Tasks that one package plays, or that are made in one way.

    Other packages register suites in the entry point group `a2ls_dsl.suites`, under the suite's name; the
    names of their tasks begin with `NAME:`. Only `make` imports the package that plays.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    task_type: ClassVar[type[Task]]
    protocol: ClassVar[Protocol]
    shadows: ClassVar[bool] = False
    """Whether `Rendering.shadow_size` has an effect."""
    prefixed: ClassVar[bool] = True
    """Whether the names of its tasks begin with `NAME:`."""
    diverged_return: ClassVar[float | None] = None
    """The return of a policy that is no longer finite; None: the return that it really gets."""

    @abstractmethod
    def find(self, name: str, arguments: Arguments) -> Task | None:
        """The task of that name, or None. Raises `A2lError` for a known task that can't be used, and for
        arguments that it doesn't take."""

    @abstractmethod
    def make(self, task: Task, rendering: Rendering | None, life_loss: bool, screen: bool = False) -> Env:
        """An environment of a task, in a worker process. Imports the package that plays it.

        rendering: observations are frames that look like this. life_loss: a lost life ends an episode.
        screen: `Env.screen` will be called. Raises `A2lError` with a fix if the task can't be played.
        """

    def tasks(self) -> tuple[Task, ...]:
        """All tasks, if they can be listed."""
        return ()

    def nearest(self, name: str) -> str | None:
        """The name of a task that `name` probably misspells, or None."""
        return None

    def hint(self, name: str) -> str:
        """Which tasks exist, for a name that is near no task but looks like one of this suite."""
        return ""

    @property
    def listing(self) -> str:
        """Which tasks exist, in a few words, for a name that looks like no suite's."""
        return ""

    def ways(self, task: Task) -> tuple[Way, ...]:
        """The ways to play a task: by default one for each kind of observation."""
        from a2ls_dsl.rl.envs.rendering import Rendering

        usual, *others = task.observations
        return (Way(usual, task, usual), *(Way(kind, task, kind, Rendering()) for kind in others))

    def tuned(self, task: Task) -> Mapping[str, Mapping[str, Any]]:
        """Settings that suit a task better than an algorithm's defaults, by the algorithm's name."""
        return {}

    def scores(self, task: Task, mean_return: float) -> dict[str, float]:
        """Further scores of a mean return, by name."""
        return {}

    def conditions(self, task: Task) -> str:
        """The conditions under which the task is played, in words, to be stored with scores."""
        return ""

    def identity(self, task: Task) -> dict[str, Any]:
        """JSON values that a run's results depend on, besides the task's name."""
        return {}

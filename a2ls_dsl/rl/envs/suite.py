"""What a suite of tasks is to everything else: an entry in a registry, see `tasks.py`."""

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
    """How long agents train and when they are scored by default, in environment frames."""

    frames: int
    eval_every: int
    eval_episodes: int = 10
    quick_frames: int = 5_000  # of a candidate in a search of minutes
    quick_eval_every: int = 1_000


@dataclass(frozen=True)
class Way:
    """A way to play a task, to be measured beside others: `name` is of the renderer, or of the emulator.

    observations: the kind that it gives; variables: of the environment of its processes.
    """

    name: str
    task: Task
    observations: str
    rendering: Rendering | None = None
    variables: Mapping[str, str] = field(default_factory=dict)


class Suite(ABC):
    """Tasks that one package plays, or one way to make environments.

    Another package's suite is found by the entry point group `a2ls_dsl.suites`; its name is the suite's, and
    `NAME:` stands before the names of its tasks. Nothing but `make` imports the package that plays.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    task_type: ClassVar[type[Task]]
    protocol: ClassVar[Protocol]
    shadows: ClassVar[bool] = False
    """Whether `Rendering.shadow_size` means anything."""
    prefixed: ClassVar[bool] = True
    """Whether `NAME:` stands before the names of its tasks."""
    diverged_return: ClassVar[float | None] = None
    """The return of a policy that is no longer finite; None: what it gets by whatever it does then."""

    @abstractmethod
    def find(self, name: str, arguments: Arguments) -> Task | None:
        """The task of that name, or None. Raises `A2lError` for one that is known and can't be used, and for
        arguments that mean nothing to it."""

    @abstractmethod
    def make(self, task: Task, rendering: Rendering | None, life_loss: bool, screen: bool = False) -> Env:
        """An environment of a task, in a worker process. Imports the package that plays it.

        rendering: observations are frames that look like this. life_loss: a lost life ends an episode.
        screen: `Env.screen` will be asked for.
        Raises `A2lError`, with the command that mends it, where the task can't be played.
        """

    def tasks(self) -> tuple[Task, ...]:
        """All tasks, where they can be listed."""
        return ()

    def nearest(self, name: str) -> str | None:
        """The name of a task that `name` is probably a misspelling of, or None when none is near."""
        return None

    def hint(self, name: str) -> str:
        """What there is, for a name that is not a task and near to none, but looks like one of this suite."""
        return ""

    @property
    def listing(self) -> str:
        """What there is, in a few words, for a name that looks like nothing."""
        return ""

    def ways(self, task: Task) -> tuple[Way, ...]:
        """The ways to play a task: by default one for each kind of observation that it has."""
        from a2ls_dsl.rl.envs.rendering import Rendering

        usual, *others = task.observations
        return (Way(usual, task, usual), *(Way(kind, task, kind, Rendering()) for kind in others))

    def tuned(self, task: Task) -> Mapping[str, Mapping[str, Any]]:
        """Settings that suit a task better than an algorithm's usual ones, by the name of the algorithm."""
        return {}

    def scores(self, task: Task, mean_return: float) -> dict[str, float]:
        """Further scores of a mean return, by name."""
        return {}

    def conditions(self, task: Task) -> str:
        """Under which conditions the task is played, in words, to be kept beside scores."""
        return ""

    def identity(self, task: Task) -> dict[str, Any]:
        """JSON values that, besides the task's name, say what a run's results depend on."""
        return {}

"""What a learning algorithm is to everything else: an entry in a registry, see `agents.py`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from a2ls_dsl.rl.agent import Agent
from a2ls_dsl.rl.envs.task import Task
from a2ls_dsl.rl.replay.buffer import Replay
from a2ls_dsl.rl.replay.observations import Observations
from a2ls_dsl.rl.settings import PixelSettings


class AgentSettings(Protocol):
    """What the settings of every algorithm have: how one member learns, in a frozen dataclass.

    Steps are agent steps. random_steps: uniform actions first, then updates; hidden: units in the layers of
    actor and critics, or of the value heads; cycle: updates after which it is the same parts' turn again.
    """

    __dataclass_fields__: ClassVar[dict[str, Any]]

    def __hash__(self) -> int: ...

    @property
    def replay_capacity(self) -> int: ...
    @property
    def random_steps(self) -> int: ...
    @property
    def updates_per_step(self) -> int: ...
    @property
    def batch_size(self) -> int: ...
    @property
    def learning_rate(self) -> float: ...
    @property
    def hidden(self) -> int: ...
    @property
    def cycle(self) -> int: ...


S = TypeVar("S", bound=AgentSettings)


class Algorithm(ABC, Generic[S]):
    """A learning algorithm as an entry: its name, its settings, and what it is made of.

    discrete: whether it chooses among numbered actions, else it gives vectors in [-1, 1]. parities: settings
    under which an update is a published code's, by the name of the code. later: settings that came after runs
    were stored: see `agents.identity_of`.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    settings: type[S]
    stack: type[Agent]
    replay: type[Replay]
    discrete: ClassVar[bool]
    presets: Mapping[str, S] = MappingProxyType({})
    parities: Mapping[str, Mapping[str, Any]] = MappingProxyType({})
    later: tuple[str, ...] = ()

    @abstractmethod
    def published(self, task: Task, frames: int, preset: S | None = None) -> S:
        """The settings to begin with on a task, with a budget of that many frames."""

    @abstractmethod
    def quick(self, task: Task, obs: str | None = None) -> S:
        """Small settings, for a search in minutes on a CPU with two cores; obs: as in `pixels`."""

    @abstractmethod
    def observations(self, settings: S, shape: tuple[int, ...], pixels: PixelSettings | None) -> Observations:
        """What an agent sees of observations of this shape, (numbers,) or (channels, size, size).

        pixels: how frames are shown, None for vectors, or for frames that the task itself has.
        """

    @abstractmethod
    def pixels(self, task: Task, obs: str | None) -> PixelSettings | None:
        """How frames are shown to it: `obs` of a task, by default those that it usually has.

        None for vectors, and where the settings of the algorithm say it of frames that the task itself has.
        """

    @abstractmethod
    def stacked_frames(self, settings: S, pixels: PixelSettings | None) -> int:
        """How many frames it sees as one observation at most; 1 for vectors."""

    @abstractmethod
    def scoring(self, settings: S, episodes: int) -> str:
        """How a score of that many episodes comes about, in words."""

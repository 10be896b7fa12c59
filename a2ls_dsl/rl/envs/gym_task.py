"""Environments with Gymnasium's interface as tasks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from a2ls_dsl.rl.envs.facts import AskedTask
from a2ls_dsl.rl.envs.task import join_name, split_name


@dataclass(frozen=True)
class GymTask(AskedTask):
    """An environment of Gymnasium's registry: `task` is its id; arguments: as written after its name."""

    suite: ClassVar[str] = "gymnasium"
    prefix: ClassVar[str] = "gymnasium:"

    arguments: str = ""
    wrappers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "wrappers", tuple(self.wrappers))  # JSON gives a list

    @property
    def name(self) -> str:
        """`gymnasium:Pendulum-v1?g=5`."""
        own: dict[str, Any] = {}
        if self.action_repeat != 1:
            own["action_repeat"] = self.action_repeat
        if self.episode_frames:
            own["max_episode_steps"] = self.episode_frames
        if self.wrappers:
            own["wrapper"] = ",".join(self.wrappers)
        return join_name(self.prefix + self.task, self.given | own)

    @property
    def given(self) -> dict[str, Any]:
        """The arguments that the environment is made with."""
        return split_name(f"?{self.arguments}")[1]


@dataclass(frozen=True)
class OwnTask(GymTask):
    """An environment of the user's own: `task` is MODULE:CALLABLE."""

    suite: ClassVar[str] = "own"
    prefix: ClassVar[str] = ""

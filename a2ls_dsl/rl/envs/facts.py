"""Tasks whose properties only their environments know; a worker process asks them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.rl.envs.task import OBSERVATIONS, PIXELS, Task

AS_IT_SAYS = 0
"""The `episode_frames` of a task whose environment says how long its episodes are."""


@dataclass(frozen=True)
class Facts:
    """Answers of an environment: discrete actions, observations that are frames, frames per episode."""

    discrete: bool
    frames: bool
    episode_frames: int


@dataclass(frozen=True)
class AskedTask(Task):
    """A task that asks its environment for its properties when the first of them is read."""

    episode_frames: int = AS_IT_SAYS

    def __post_init__(self) -> None:
        if self.action_repeat < 1:
            raise A2lError(f"{self.name} can't repeat an action {self.action_repeat} times", "use 1 or more")

    @property
    def discrete(self) -> bool:
        """See `Task.discrete`."""
        return facts_of(self).discrete

    @property
    def observations(self) -> tuple[str, ...]:
        """Only frames if its observations are frames; otherwise it may also be rendered."""
        return (PIXELS,) if facts_of(self).frames else OBSERVATIONS

    @property
    def episode_steps(self) -> int:
        """See `Task.episode_steps`."""
        return -(-(self.episode_frames or facts_of(self).episode_frames) // self.action_repeat)


@cache
def facts_of(task: Task) -> Facts:
    """Make an environment of a task and ask it. Raises `A2lError` if it can't be made or played."""
    from a2ls_dsl.rl.envs.pool import EnvPool  # which imports tasks itself

    with EnvPool(task, 1, 1) as pool:
        return Facts(pool.discrete, len(pool.observation_shape) > 1, pool.episode_frames)

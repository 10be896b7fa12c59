"""Rainbow as an entry of the registry in `rl/agents.py`."""

from __future__ import annotations

from dataclasses import replace

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.rl.algorithm import Algorithm
from a2ls_dsl.rl.envs.task import Task
from a2ls_dsl.rl.envs.tasks import suite_of
from a2ls_dsl.rl.observations import Observations
from a2ls_dsl.rl.rainbow.replay import PrioritisedReplay
from a2ls_dsl.rl.rainbow.settings import EFFICIENT, PRESETS, RainbowSettings
from a2ls_dsl.rl.rainbow.stack import RainbowStack
from a2ls_dsl.rl.settings import PixelSettings


class Rainbow(Algorithm[RainbowSettings]):
    """See `RainbowStack`."""

    name, title = "rainbow", "Rainbow"
    settings, stack, replay = RainbowSettings, RainbowStack, PrioritisedReplay
    discrete = True
    presets = PRESETS

    def published(self, task: Task, frames: int, preset: RainbowSettings | None = None) -> RainbowSettings:
        """Those of Atari-100k. With another budget importance weights reach 1 at its end, too."""
        settings = preset or replace(EFFICIENT, **suite_of(task).tuned(task, self.name))
        learning = task.frames_to_steps(frames) - settings.random_steps
        return replace(settings, priority_updates=max(1, settings.updates_per_step * learning))

    def quick(self, task: Task) -> RainbowSettings:
        """Of frames an update takes much longer than of vectors."""
        return RainbowSettings(
            random_steps=250,
            batch_size=16,
            hidden=64,
            projection=32,
            replay_capacity=1_000,
            priority_updates=250,
        )

    def observations(
        self, settings: RainbowSettings, shape: tuple[int, ...], pixels: PixelSettings | None
    ) -> Observations:
        """See `Algorithm.observations`."""
        if len(shape) != 3:
            raise A2lError("Rainbow sees frames, and this task has vectors", "train it with SAC")
        return Observations(shape, settings.stack, shape[-1], settings.augment, settings.shift)

    def pixels(self, task: Task, obs: str | None) -> PixelSettings | None:
        """How it sees frames is among its own settings."""
        return None

    def stacked_frames(self, settings: RainbowSettings, pixels: PixelSettings | None) -> int:
        """See `Algorithm.stacked_frames`."""
        return settings.stack

    def scoring(self, settings: RainbowSettings, episodes: int) -> str:
        """See `Algorithm.scoring`."""
        return (
            f"return: mean unclipped score of {episodes} whole episodes by the policy of that moment, "
            f"without noise, actions uniform with probability {settings.evaluation_epsilon}"
        )

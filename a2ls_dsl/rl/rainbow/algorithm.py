"""Rainbow as an entry of the registry in `rl/agents.py`."""

from __future__ import annotations

from dataclasses import replace

from a2ls_dsl.rl.algorithm import Algorithm
from a2ls_dsl.rl.envs.rendering import Rendering
from a2ls_dsl.rl.envs.task import PIXELS, Task
from a2ls_dsl.rl.envs.tasks import suite_of
from a2ls_dsl.rl.rainbow.replay import PrioritisedReplay
from a2ls_dsl.rl.rainbow.settings import EFFICIENT, PRESETS, VECTORS, RainbowSettings
from a2ls_dsl.rl.rainbow.stack import RainbowStack
from a2ls_dsl.rl.replay.observations import Observations
from a2ls_dsl.rl.settings import PixelSettings


class Rainbow(Algorithm[RainbowSettings]):
    """See `RainbowStack`."""

    name, title = "rainbow", "Rainbow"
    settings, stack, replay = RainbowSettings, RainbowStack, PrioritisedReplay
    discrete = True
    presets = PRESETS

    def published(self, task: Task, frames: int, preset: RainbowSettings | None = None) -> RainbowSettings:
        """Those of Atari-100k, or for vectors; with any budget importance weights reach 1 at its end."""
        usual = EFFICIENT if task.observations[0] == PIXELS else VECTORS
        settings = preset or replace(usual, **suite_of(task).tuned(task).get(self.name, {}))
        learning = task.frames_to_steps(frames) - settings.random_steps
        return replace(settings, priority_updates=max(1, settings.updates_per_step * learning))

    def quick(self, task: Task, obs: str | None = None) -> RainbowSettings:
        """Of frames an update takes much longer than of vectors."""
        if (obs or task.observations[0]) != PIXELS:
            return replace(VECTORS, hidden=64)
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
        if len(shape) == 1:
            return Observations(shape)
        random = settings.augment or (pixels is not None and pixels.random_crops)
        return Observations(shape, settings.stack, shape[-1], random, settings.shift)

    def pixels(self, task: Task, obs: str | None) -> PixelSettings | None:
        """How it sees frames is among its own settings; those that the task has are as large as it says."""
        if obs != PIXELS or task.observations[0] == PIXELS:
            return None
        return PixelSettings(Rendering(size=84), random_crops=False)

    def stacked_frames(self, settings: RainbowSettings, pixels: PixelSettings | None) -> int:
        """See `Algorithm.stacked_frames`."""
        return settings.stack

    def scoring(self, settings: RainbowSettings, episodes: int) -> str:
        """See `Algorithm.scoring`."""
        return (
            f"return: mean unclipped score of {episodes} whole episodes by the policy of that moment, "
            f"without noise, actions uniform with probability {settings.evaluation_epsilon}"
        )

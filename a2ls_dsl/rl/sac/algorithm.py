"""SAC as an entry of the registry in `agents.py`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.rl.algorithm import Algorithm
from a2ls_dsl.rl.envs.task import PIXELS, Task
from a2ls_dsl.rl.replay.buffer import Replay
from a2ls_dsl.rl.replay.observations import Observations
from a2ls_dsl.rl.sac.simba import SimbaSettings, SimbaStack
from a2ls_dsl.rl.sac.stack import SacStack
from a2ls_dsl.rl.settings import PARITIES, PixelSettings, SacSettings, paper_settings


class Sac(Algorithm[SacSettings]):
    """See `SacStack`."""

    name, title = "sac", "SAC"
    settings, stack, replay = SacSettings, SacStack, Replay
    discrete = False
    parities: Mapping[str, Mapping[str, Any]] = PARITIES
    later: tuple[str, ...] = (
        "auxiliary_encoder_steps",
        "actor_encoder",
        "encoder_gradient",
        "target_entropy",
        "weight_decay",
    )

    def published(self, task: Task, frames: int, preset: SacSettings | None = None) -> SacSettings:
        """The paper's."""
        return preset or paper_settings(task)

    def quick(self, task: Task, obs: str | None = None) -> SacSettings:
        """See `Algorithm.quick`."""
        if (obs or task.observations[0]) == PIXELS:
            return SacSettings(hidden=64, batch_size=8, random_steps=200)
        return SacSettings(hidden=128, batch_size=64, random_steps=min(task.episode_steps, 1_000))

    def observations(
        self, settings: SacSettings, shape: tuple[int, ...], pixels: PixelSettings | None
    ) -> Observations:
        """See `Algorithm.observations`."""
        if pixels is None:
            if len(shape) != 1:
                raise A2lError("this task has frames, and SAC was set up for vectors", "train it from pixels")
            return Observations(shape)
        return Observations(shape, pixels.stack, pixels.crop, pixels.random_crops)

    def pixels(self, task: Task, obs: str | None) -> PixelSettings | None:
        """See `Algorithm.pixels`."""
        return PixelSettings() if (obs or task.observations[0]) == PIXELS else None

    def stacked_frames(self, settings: SacSettings, pixels: PixelSettings | None) -> int:
        """See `Algorithm.stacked_frames`."""
        return pixels.stack if pixels else 1

    def scoring(self, settings: SacSettings, episodes: int) -> str:
        """See `Algorithm.scoring`."""
        return f"return: mean of {episodes} episodes by the policy of that moment, with its mean actions"


class Simba(Sac):
    """See `simba.py`."""

    name, title = "simba", "SimBa"
    settings, stack = SimbaSettings, SimbaStack
    parities: Mapping[str, Mapping[str, Any]] = {}
    later: tuple[str, ...] = ()

    def published(self, task: Task, frames: int, preset: SacSettings | None = None) -> SacSettings:
        """Its authors', but for what `simba.py` names."""
        return preset or SimbaSettings.published(task.episode_steps)

    def quick(self, task: Task, obs: str | None = None) -> SacSettings:
        """See `Algorithm.quick`."""
        return SimbaSettings(
            random_steps=min(task.episode_steps, 1_000),
            batch_size=64,
            learning_rate=1e-3,
            hidden=64,
            actor_hidden=32,
            features=32,
            replay_ratio=1,
        )

    def pixels(self, task: Task, obs: str | None) -> PixelSettings | None:
        """None: it sees vectors. Raises `A2lError` where there are none."""
        if (obs or task.observations[0]) == PIXELS:
            raise A2lError("SimBa sees vectors, not frames", "let it see vectors, or train SAC")
        return None

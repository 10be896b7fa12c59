"""The learning algorithms by their settings: the one place that knows which settings mean which agent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from typing import Any

import torch

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.lang.ast import Loss
from a2ls_dsl.rl.agent import Agent
from a2ls_dsl.rl.envs.tasks import Task
from a2ls_dsl.rl.observations import Observations
from a2ls_dsl.rl.rainbow.replay import PrioritisedReplay
from a2ls_dsl.rl.rainbow.settings import EFFICIENT, RainbowSettings
from a2ls_dsl.rl.rainbow.stack import RainbowStack
from a2ls_dsl.rl.replay import Replay
from a2ls_dsl.rl.sac import SacStack
from a2ls_dsl.rl.settings import Computation, PixelSettings, SacSettings, paper_settings

AgentSettings = SacSettings | RainbowSettings

_LATER = ("auxiliary_encoder_steps", "actor_encoder")


def published_settings(task: Task, frames: int, rainbow: RainbowSettings = EFFICIENT) -> AgentSettings:
    """The settings to begin with on a task: the paper's for SAC, and for games those of Atari-100k.

    With another budget of frames Rainbow's importance weights reach 1 at its end, too.
    """
    if not task.discrete:
        return paper_settings(task)
    learning = task.frames_to_steps(frames) - rainbow.random_steps
    return replace(rainbow, priority_updates=max(1, rainbow.updates_per_step * learning))


def make_agent(
    settings: AgentSettings,
    losses: Sequence[Loss | None],
    seeds: Sequence[int],
    observations: Observations,
    action: int,
    device: torch.device | str = "cpu",
    computation: Computation | None = None,
) -> Agent:
    """A stack of members that learn by these settings; action: size of an action (see `Agent`)."""
    given = losses, seeds, observations, action
    if isinstance(settings, RainbowSettings):
        return RainbowStack(*given, settings, device, computation)
    return SacStack(*given, settings, device, computation)


def told(settings: AgentSettings) -> dict[str, Any]:
    """Settings as values that name a run. Those that came later are left out where they have their default.

    So what was stored before they came is still what the same settings name now.
    """
    values = asdict(settings)
    for setting in fields(settings):
        if setting.name in _LATER and values[setting.name] == setting.default:
            del values[setting.name]
    return values


def metric_names(settings: AgentSettings) -> tuple[str, ...]:
    """The figures that an agent records of its updates."""
    return RainbowStack.METRICS if isinstance(settings, RainbowSettings) else SacStack.METRICS


def acting_names(settings: AgentSettings) -> tuple[str, ...]:
    """The names of an agent's networks that act."""
    return RainbowStack.ACTING if isinstance(settings, RainbowSettings) else SacStack.ACTING


def replay_bytes(
    settings: AgentSettings, members: int, rows: int, observations: Observations, action: int
) -> int:
    """Bytes that the replay of a stack takes."""
    kind = PrioritisedReplay if isinstance(settings, RainbowSettings) else Replay
    return kind.bytes_needed(members, rows, observations, action)


def observations_of(
    settings: AgentSettings, shape: tuple[int, ...], pixels: PixelSettings | None
) -> Observations:
    """What an agent sees of observations of this shape. pixels: how SAC sees frames, None for vectors."""
    if isinstance(settings, RainbowSettings):
        if len(shape) != 3:
            raise A2lError("Rainbow sees frames, and this task has vectors", "train it with SAC")
        return Observations(shape, settings.stack, shape[-1], settings.augment, settings.shift)
    if pixels is None:
        if len(shape) != 1:
            raise A2lError("this task has frames, and SAC was told of vectors", "train it with Rainbow")
        return Observations(shape)
    return Observations(shape, pixels.stack, pixels.crop, pixels.random_crops)

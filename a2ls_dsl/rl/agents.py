"""The learning algorithms: the one place that knows which there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

import torch

from a2ls_dsl.diagnostics import A2lError, unknown
from a2ls_dsl.lang.syntax.tree import Loss
from a2ls_dsl.rl.agent import Agent
from a2ls_dsl.rl.algorithm import AgentSettings, Algorithm
from a2ls_dsl.rl.envs.tasks import Task
from a2ls_dsl.rl.rainbow.algorithm import Rainbow
from a2ls_dsl.rl.replay.observations import Observations
from a2ls_dsl.rl.sac.algorithm import Sac, Simba
from a2ls_dsl.rl.settings import Computation, PixelSettings

__all__ = ["ALGORITHMS", "AgentSettings", "algorithm_for", "algorithm_of", "identity_of", "make_agent"]

ALGORITHMS: dict[str, Algorithm[Any]] = {made.name: made for made in (Sac(), Rainbow(), Simba())}
"""Every algorithm by name. The first that takes the actions of a task is the usual one there."""


def algorithm_of(settings: AgentSettings) -> Algorithm[Any]:
    """The algorithm that these settings are of."""
    return next(algorithm for algorithm in ALGORITHMS.values() if type(settings) is algorithm.settings)


def algorithm_for(task: Task) -> Algorithm[Any]:
    """The usual algorithm on a task."""
    return next(algorithm for algorithm in ALGORITHMS.values() if algorithm.discrete == task.discrete)


def algorithm_named(name: str | None, task: Task) -> Algorithm[Any]:
    """The algorithm of a name, by default the usual one on a task. Raises `A2lError` where it doesn't fit."""
    if name is None:
        return algorithm_for(task)
    if name not in ALGORITHMS:
        raise unknown("agent", name, ALGORITHMS)
    _check_actions(ALGORITHMS[name], task)
    return ALGORITHMS[name]


def check_actions(settings: AgentSettings, task: Task) -> None:
    """Raise `A2lError` where an algorithm can't give the actions that a task takes."""
    _check_actions(algorithm_of(settings), task)


def _check_actions(algorithm: Algorithm[Any], task: Task) -> None:
    if algorithm.discrete == task.discrete:
        return
    kinds = ("vectors", "numbers")
    wanted, given = kinds[task.discrete], kinds[algorithm.discrete]
    others = [other.title for other in ALGORITHMS.values() if other.discrete == task.discrete]
    raise A2lError(
        f"{algorithm.title} can't act in {task.name}, whose actions are {wanted}, not {given}",
        f"train {' or '.join(others)} there, or on a task whose actions are {given}",
    )


def published_settings(task: Task, frames: int, preset: AgentSettings | None = None) -> Any:
    """The settings to begin with on a task, by default of the usual algorithm there.

    See `Algorithm.published`; Any: whatever dataclass the algorithm has.
    """
    algorithm = algorithm_of(preset) if preset else algorithm_for(task)
    return algorithm.published(task, frames, preset)


def observations_of(
    settings: AgentSettings, shape: tuple[int, ...], pixels: PixelSettings | None
) -> Observations:
    """What an agent sees of observations of this shape: see `Algorithm.observations`."""
    return algorithm_of(settings).observations(settings, shape, pixels)


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
    stack: Any = algorithm_of(settings).stack
    made: Agent = stack(losses, seeds, observations, action, settings, device, computation)
    return made


def identity_of(settings: AgentSettings) -> dict[str, Any]:
    """Settings as values that name a run. Those that came later are left out where they have their default.

    So what was stored before they came is still what the same settings name now.
    """
    later, values = algorithm_of(settings).later, asdict(settings)
    for setting in fields(settings):
        if setting.name in later and values[setting.name] == setting.default:
            del values[setting.name]
    return values


def tagged(settings: AgentSettings) -> dict[str, Any]:
    """Settings as JSON values together with the name of their algorithm."""
    return {"algorithm": algorithm_of(settings).name, **asdict(settings)}


def read_tagged(values: Mapping[str, Any]) -> AgentSettings:
    """The settings that `tagged` wrote down. Raises `A2lError` for an algorithm that there isn't."""
    name = str(values["algorithm"])
    if name not in ALGORITHMS:
        raise unknown("learning algorithm", name, ALGORITHMS)
    rest = {key: value for key, value in values.items() if key != "algorithm"}
    settings: AgentSettings = ALGORITHMS[name].settings(**rest)
    return settings

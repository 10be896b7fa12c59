"""Ready settings of searches. On a CPU they take the scales at which scores were found to mean something."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from a2ls_dsl.rl.agents import algorithm_for
from a2ls_dsl.rl.envs.tasks import find_task, suite_of
from a2ls_dsl.rl.settings import SCALES, EvaluationSettings
from a2ls_dsl.search import signal
from a2ls_dsl.search.settings import SearchSettings
from a2ls_dsl.search.signal import Signal

CLEAR = 0.7
"""An intraclass correlation at which random losses, closer together than published ones, are told apart."""


def paper(env: str) -> SearchSettings:
    """The search of the paper for a task: 7 generations of 100 candidates, 500,000 frames each.

    On a suite that the paper didn't search on, as many frames as its protocol says: 400,000 of a game.
    """
    task = find_task(env)
    usual = suite_of(task).protocol
    evaluation = EvaluationSettings(usual.eval_every, usual.eval_episodes)
    return SearchSettings(task.name, frames=usual.frames, evaluation=evaluation)


def quick(env: str) -> SearchSettings:
    """A search in under ten minutes on a CPU with two cores.

    On a task where a measured scale tells losses apart, the cheapest such; on others small networks and few
    frames, with scores that are mostly noise.
    """
    scale = signal.cheapest(signal.read(), find_task(env).name)
    return _measured(env, scale, 8, 2) if scale else _small(env, 6, 2)


def laptop(env: str) -> SearchSettings:
    """A search of about two hours on two cores, at the cheapest scale that tells losses well apart."""
    rows, name = signal.read(), find_task(env).name
    scale = signal.cheapest(rows, name, CLEAR) or signal.cheapest(rows, name)
    return _measured(env, scale, 20, 10) if scale else _small(env, 20, 10)


PRESETS: dict[str, Callable[[str], SearchSettings]] = {"quick": quick, "laptop": laptop, "paper": paper}

_LENGTH = {
    "quick": "minutes on two cores",
    "laptop": "about two hours on two cores",
    "paper": "He et al. 2022, for a GPU",
}


def introduction(preset: str, settings: SearchSettings, rows: Sequence[Signal] | None = None) -> str:
    """What is to be known of a preset before its search begins: whether scores on its task mean anything."""
    rows = signal.read() if rows is None else rows
    begin = f"preset {preset}: {_LENGTH[preset]}"
    if preset == "paper":
        return begin
    task = settings.task.name
    if any(is_at(row, settings) and row.separates for row in rows):
        return f"{begin}; one seed tells published losses apart on {task} at this scale (a2l tasks {task})"
    own = [row for row in rows if row.task == task]
    if not own:
        why = "no scale is measured"
    elif any(row.separates for row in own):
        why = f"this scale is not one that is known to tell losses apart (a2l tasks {task})"
    else:
        why = "no measured scale tells losses apart"
    others = sorted({row.task for row in rows if row.separates} - {task})
    there = f"; they do on {', '.join(others)} (a2l tasks)" if others else ""
    return f"{begin}; on {task} {why}: take them for noise{there}"


def is_at(row: Signal, settings: SearchSettings) -> bool:
    """Whether a search trains at the scale of a row."""
    agent = settings.agent
    size = (getattr(agent, "hidden", None), agent.batch_size, agent.learning_rate)
    asked = (settings.task.name, settings.frames, *size)
    return asked == (row.task, row.frames, row.hidden, row.batch_size, row.learning_rate)


def _measured(env: str, scale: Signal, population: int, generations: int) -> SearchSettings:
    base = SCALES["laptop"]
    size = {name: getattr(scale, name) for name in ("hidden", "batch_size", "learning_rate")}
    return SearchSettings(
        find_task(env).name,
        population=population,
        generations=generations,
        frames=scale.frames,
        stack=16,
        agent=replace(base.sac, **size),
        evaluation=base.evaluation,
    )


def _small(env: str, population: int, generations: int) -> SearchSettings:
    task = find_task(env)
    usual = suite_of(task).protocol
    return SearchSettings(
        task.name,
        population=population,
        generations=generations,
        frames=usual.quick_frames,
        stack=8,
        agent=algorithm_for(task).quick(task),
        evaluation=EvaluationSettings(every_frames=usual.quick_eval_every, episodes=1),
    )

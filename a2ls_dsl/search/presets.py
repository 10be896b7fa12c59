"""Ready-made settings of searches. On a CPU they use scales at which scores were measured to mean
something."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from a2ls_dsl.rl.agents import algorithm_for, algorithm_of
from a2ls_dsl.rl.envs.task import PIXELS
from a2ls_dsl.rl.envs.tasks import Task, find_task, suite_of
from a2ls_dsl.rl.settings import SCALES, EvaluationSettings
from a2ls_dsl.search import signal
from a2ls_dsl.search.settings import SearchSettings
from a2ls_dsl.search.signal import Signal

CLEAR = 0.7
"""An intraclass correlation at which random losses, closer together than published ones, are told apart."""
QUICK, LAPTOP = 125.0, 4_200.0
"""Processor-seconds that published losses would take in a population of `quick`, in all of `laptop`.

With it, `quick` took 7 min 18 s and 8 min 41 s of two cores on cheetah-run: the losses of a search are
larger, and its references come on top.
"""

_IMAGE_GENERATIONS = {"walker-walk": 4}
"""Generations of the paper's searches from images: 7 on cheetah-run and reacher-easy."""

_IMAGE_STACK = 8
"""Members from images at once: replays of 3 GB each and their batches are in the memory of one GPU."""


def paper(env: str, obs: str | None = None) -> SearchSettings:
    """The search of the paper for a task: 7 generations of 100 candidates, 500,000 frames each.

    obs: what candidates see, as `Algorithm.pixels` takes it. The paper searched on cheetah-run, reacher-easy
    and walker-walk (4 generations) from images, and on cheetah-run from vectors. On other suites, candidates
    train for as many frames as the suite's protocol says: 400,000 on a game.
    """
    task = find_task(env)
    usual = suite_of(task).protocol
    evaluation = EvaluationSettings(usual.eval_every, usual.eval_episodes)
    settings = SearchSettings(task.name, frames=usual.frames, evaluation=evaluation)
    if not _rendered(task, obs):
        return settings
    generations = _IMAGE_GENERATIONS.get(task.name, settings.generations)
    return _from_pixels(replace(settings, generations=generations, stack=_IMAGE_STACK))


def quick(env: str, obs: str | None = None) -> SearchSettings:
    """A search in under ten minutes on a CPU with two cores.

    On a task where a measured scale tells losses apart, the cheapest such; on others, and from pixels, small
    networks and few frames, with scores that are mostly noise.
    """
    task = find_task(env)
    if _rendered(task, obs):
        return _small_from_pixels(task, 4, 2, 400)
    scale = signal.cheapest(signal.read(), task.name)
    return _measured(env, scale, max(4, int(QUICK / scale.seconds)), 2) if scale else _small(env, 6, 2)


def laptop(env: str, obs: str | None = None) -> SearchSettings:
    """A search of about two hours on two cores, at the cheapest scale that tells losses well apart."""
    task = find_task(env)
    if _rendered(task, obs):
        return _small_from_pixels(task, 12, 5, 800)
    rows = signal.read()
    scale = signal.cheapest(rows, task.name, CLEAR) or signal.cheapest(rows, task.name)
    if not scale:
        return _small(env, 20, 10)
    return _measured(env, scale, 20, max(3, int(LAPTOP / 20 / scale.seconds)))


PRESETS: dict[str, Callable[..., SearchSettings]] = {"quick": quick, "laptop": laptop, "paper": paper}

_LENGTH = {
    "quick": "minutes on two cores",
    "laptop": "about two hours on two cores",
    "paper": "He et al. 2022, for a GPU",
}


_MINIATURE = (
    "shows that all works, and no more: in so few updates nothing is learned, so scores are noise. For "
    "scores that mean something take a GPU, and the preset paper"
)
_OF_PIXELS = {
    "quick": f"a search in miniature; it {_MINIATURE}",
    "laptop": f"a longer search in miniature; it {_MINIATURE}",
    "paper": "He et al. 2022, who took 16,000 hours of a P100 an environment",
}


def introduction(preset: str, settings: SearchSettings, rows: Sequence[Signal] | None = None) -> str:
    """What to know about a preset before its search begins: whether scores on its task mean anything."""
    rows = signal.read() if rows is None else rows
    begin = f"preset {preset}: {_LENGTH[preset]}"
    if settings.pixels is not None:
        return f"preset {preset} from pixels: {_OF_PIXELS[preset]}"
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
    there = f"; they aren't on {', '.join(others)} (a2l tasks)" if others else ""
    return f"{begin}; on {task} {why}: take scores for noise{there}"


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


def _rendered(task: Task, obs: str | None) -> bool:
    """Whether candidates see frames where the task usually gives vectors."""
    return obs == PIXELS and task.observations[0] != PIXELS


def _from_pixels(settings: SearchSettings) -> SearchSettings:
    return replace(settings, pixels=algorithm_of(settings.agent).pixels(settings.task, PIXELS))


def _small_from_pixels(task: Task, population: int, generations: int, steps: int) -> SearchSettings:
    """steps: agent steps of a candidate; there is an evaluation after half of them, and one at the end."""
    agent = algorithm_for(task).quick(task, PIXELS)
    settings = SearchSettings(
        task.name,
        population=population,
        generations=generations,
        frames=task.steps_to_frames(steps),
        stack=8,
        agent=agent,
        evaluation=EvaluationSettings(task.steps_to_frames(steps // 2), episodes=1),
    )
    return _from_pixels(settings)


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

"""Trains the best losses of a study again, with fresh seeds and on other environments, beside published ones.

A validation is an experiment like any other, with a table written from the study:
`STUDY/validation/experiment.toml`. So it can be resumed, its results are files, and `a2l experiment status`
reads it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from a2ls_dsl.diagnostics import A2lError, Source
from a2ls_dsl.experiment.plan import Experiment, read
from a2ls_dsl.experiment.run import SAVE_SECONDS, Event, PieceEnded
from a2ls_dsl.experiment.run import run as run_missing
from a2ls_dsl.experiment.store import load
from a2ls_dsl.lang.files import unwritable, write
from a2ls_dsl.lang.load import load_one
from a2ls_dsl.lang.rules.canonical import key
from a2ls_dsl.lang.syntax.layout import format_file
from a2ls_dsl.rl.agents import algorithm_for, algorithm_of
from a2ls_dsl.rl.envs.task import PIXELS
from a2ls_dsl.rl.envs.tasks import find_task
from a2ls_dsl.search.candidates import FOUND, NO_LOSS, Candidate
from a2ls_dsl.search.settings import FRESH, SearchSettings
from a2ls_dsl.search.study import validation
from a2ls_dsl.search.study.hall_of_fame import write_hall_of_fame
from a2ls_dsl.search.study.records import Records
from a2ls_dsl.search.study.validation import Score, Validation

PUBLISHED = ("curl", "spr", "a2_winner", "a2_winner_v")
"""The losses that those of the search are compared with, besides no auxiliary loss."""

TABLE, RUNS, LOSSES = "experiment.toml", "runs", "losses"


def plan(folder: Path, top: int, envs: Sequence[str], seeds: int, frames: int | None = None) -> Experiment:
    """Write the table of a validation, and the losses it trains, into a study's folder.

    Agents learn with the settings of the study, or the paper's for an environment where the study has those.
    No run has a seed that the study has trained with. Raises `A2lError`.
    """
    with Records(folder, validated=False) as study:  # earlier validations don't change which losses are best
        settings = study.settings
        best = [candidate for candidate in study.leaderboard(top) if not candidate.is_reference]
    if not best:
        raise A2lError(f"the study {folder} has nothing to validate", "let it score a candidate first")
    here = folder / validation.FOLDER
    try:
        (here / LOSSES).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(here, error) from None
    published = {key(load_one(name)[1]): name for name in PUBLISHED}
    arms = {NO_LOSS: NO_LOSS} | {name: name for name in PUBLISHED}
    for candidate in best:
        if candidate.key not in published:
            arms[FOUND + candidate.key[:8]] = _written(here, candidate)
    names = [find_task(env).name for env in envs]
    write(here / TABLE, _table(settings, list(dict.fromkeys(names)), seeds, frames or settings.frames, arms))
    return read(here / TABLE)


def validate(
    folder: Path,
    experiment: Experiment,
    on_event: Callable[[Event], None] = lambda event: None,
    device: str | None = None,
    workers: int | None = None,
    save_seconds: float = SAVE_SECONDS,
    stopping: Callable[[], bool] = lambda: False,
    hours: float | None = None,
) -> bool:
    """Run what is missing of a plan and keep all results with the study; False if it was stopped before.

    See `experiment.run`. Raises `A2lError`.
    """
    before = validation.load(folder)
    with Records(folder, validated=False) as study:
        training = study.settings.counts_training

    def stored(event: Event) -> None:
        if isinstance(event, PieceEnded):
            validation.store(folder, collected(experiment, before, training))
        on_event(event)

    ended = run_missing(experiment, stored, device, workers, save_seconds, stopping, hours)
    validation.store(folder, collected(experiment, before, training))
    with Records(folder) as study:
        write_hall_of_fame(study)
    return ended


def collected(experiment: Experiment, before: Validation | None = None, training: bool = True) -> Validation:
    """The results so far, and those of an earlier validation with the same budget that are not of this plan:
    on other environments, with other losses or more seeds. training: whether the study's scores count it."""
    scores = [
        Score(
            *(run.env, run.arm.name, run.arm.name.startswith(FOUND), run.seed),
            result.score if training else result.area,
        )
        for run in experiment.runs
        if (result := load(experiment, run)) is not None
    ]
    losses = {arm.name: arm.text for arm in experiment.arms}
    kept: list[Score] = []
    if before is not None and before.frames == experiment.frames:
        losses = before.losses | losses
        planned = {(run.env, run.arm.name, run.seed) for run in experiment.runs}
        kept = [
            score
            for score in before.scores
            if (score.env, score.arm, score.seed) not in planned
            and before.losses[score.arm] == losses[score.arm]
        ]
    return Validation(experiment.frames, len(experiment.runs) + len(kept), losses, (*scores, *kept))


def _written(here: Path, candidate: Candidate) -> str:
    """Write the loss as a file; its path from the table's folder."""
    name = FOUND + candidate.key[:8]
    text = format_file(Source(name, f"loss {name} = {candidate.text}\n"))
    write(here / LOSSES / f"{name}.a2l", text)
    return f"{LOSSES}/{name}.a2l"


def _table(
    settings: SearchSettings, envs: Sequence[str], seeds: int, frames: int, arms: dict[str, str]
) -> str:
    """The experiment as TOML."""
    algorithm = algorithm_of(settings.agent)
    usual = asdict(algorithm.published(settings.task, settings.frames))
    own = {name: value for name, value in asdict(settings.agent).items() if value != usual[name]}
    if algorithm is not algorithm_for(settings.task):
        own["agent"] = algorithm.name
    if settings.pixels is not None:
        own |= {"obs": PIXELS, "random_crops": settings.pixels.random_crops}
        if settings.pixels.rendering.shadow_size is not None:
            own["shadow_size"] = settings.pixels.rendering.shadow_size
    own |= {"eval_every": settings.evaluation.every_frames, "eval_episodes": settings.evaluation.episodes}
    lines = [
        "# Written by `a2l validate`, which goes on where it was stopped.",
        f'name = "{RUNS}"',
        'question = "Are the losses that the search found better when trained again?"',
        f"envs = {json.dumps(list(envs))}",
        f"seeds = {seeds}",
        f"first_seed = {settings.seed + 2 * FRESH}",
        f"frames = {frames}",
        "",
        "[arms]",
        *(f'{name} = "{loss}"' for name, loss in arms.items()),
        "",
        "[settings]",
        *(f"{name} = {_toml(value)}" for name, value in own.items()),
    ]
    return "\n".join(lines) + "\n"


def _toml(value: object) -> str:
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value)

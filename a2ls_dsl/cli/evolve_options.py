"""The options of `a2l evolve`: their types, what they mean together, and which would have no effect."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from a2ls_dsl.search.race import MOST_RACED, SHARE
from a2ls_dsl.search.strategies.registry import STRATEGIES

if TYPE_CHECKING:
    from a2ls_dsl.diagnostics import A2lError
    from a2ls_dsl.rl.envs.tasks import Task
    from a2ls_dsl.search.settings import SearchSettings


class Preset(StrEnum):
    """The presets of `search/presets.py`, which is not imported here as it would slow `--help` down."""

    QUICK = "quick"
    LAPTOP = "laptop"
    PAPER = "paper"


Population = Annotated[int | None, typer.Option(min=1, help="Candidates per generation.")]
Generations = Annotated[int | None, typer.Option(min=1, help="How many; a larger number extends a study.")]
GrammarName = Annotated[str, typer.Option(metavar="GRAMMAR", help="A .a2g file, or a shipped one by name.")]
Frames = Annotated[int | None, typer.Option(min=1, help="Environment frames per candidate.")]
Stack = Annotated[int | None, typer.Option(min=1, help="How many members are trained together at most.")]
PresetName = Annotated[
    Preset,
    typer.Option(
        help="quick: minutes on two cores; laptop: two hours; both at a scale that tells losses apart, if "
        "one is known (a2l tasks); paper: the search of He et al. 2022."
    ),
]
StrategyName = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="What is proposed. "
        + "; ".join(f"{name}: {entry.proposes}" for name, entry in STRATEGIES.items())
        + "; module:Class: what a class of your own proposes.",
    ),
]
Without = Annotated[
    list[str] | None,
    typer.Option(
        "--without", metavar="GATE", help="Leave out `duplicates`, `batch` or `rungs` (async; repeatable)."
    ),
]
Race = Annotated[
    float | None,
    typer.Option(
        min=0.0,
        max=MOST_RACED,
        help=f"Share of the budget for a race of the best over fresh seeds at the end; by default {SHARE:g}.",
    ),
]
Confirm = Annotated[
    int | None,
    typer.Option(min=0, help="This many of the best get fresh seeds beyond the race; by default 0."),
]
ConfirmSeeds = Annotated[int | None, typer.Option(min=1, help="Fresh seeds for each of these; by default 3.")]
Operator = Annotated[
    str | None,
    typer.Option(
        help="The operator to search with, or `any`: by default mse with a2ls, any with other grammars."
    ),
]
Deterministic = Annotated[bool, typer.Option("--deterministic", help="Repeatable bit for bit; slower.")]
StudyFolder = Annotated[
    Path | None, typer.Option("--study", metavar="DIR", help="Folder of the study; by default in studies/.")
]
Fresh = Annotated[
    bool, typer.Option("--fresh", help="Begin anew; an older study in DIR is kept as DIR.1, DIR.2, ...")
]
Workers = Annotated[int | None, typer.Option(min=1, help="Processes for physics; by default one per core.")]

Ray = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="Train on a Ray cluster: HOST:PORT, or `local` to start one here."),
]
Gpus = Annotated[
    int | None, typer.Option(min=0, help="Ray: stacks on this many GPUs, one each; by default on CPUs.")
]
Stacks = Annotated[int | None, typer.Option(min=1, help="Ray without GPUs: how many stacks; by default one.")]
StartFrom = Annotated[
    list[str] | None,
    typer.Option(
        "--start-from",
        metavar="FILE",
        help="Losses to put first in the first population: all of a .a2l file, or a shipped one by name "
        "(repeatable).",
    ),
]


def given_losses(names: list[str]) -> tuple[str, ...]:
    """The losses that --start-from names, as settings hold them. Raises `A2lError`."""
    from a2ls_dsl.lang.load import load
    from a2ls_dsl.search.strategies.proposals import texts_of

    return texts_of(loss for name in names for loss in load(name).values())


def with_ending(
    settings: SearchSettings,
    folder: Path | None,
    race: float | None,
    confirm: int | None,
    confirm_seeds: int | None,
) -> SearchSettings:
    """The settings with the end of the search: as asked for, else as in the study that is there."""
    from dataclasses import replace

    from a2ls_dsl.search.study.reader import stored_settings

    stored = stored_settings(folder) if folder else None
    asked = {"race": race, "confirm": confirm, "confirm_seeds": confirm_seeds}
    ending = {name: value for name, value in asked.items() if value is not None}
    settings = replace(
        settings, **({name: getattr(stored, name) for name in asked} if stored else {}) | ending
    )
    if confirm_seeds is not None and not settings.confirm:
        raise idle("--confirm-seeds", "nothing is confirmed", "add --confirm 3")
    return settings


def cascade_of(task: Task, frames: bool, strategy: str, without: list[str]) -> dict[str, Any]:
    """The gates and rungs of a search, by default all of them with a strategy that has them.

    frames: whether candidates see frames.
    """
    from a2ls_dsl.diagnostics import A2lError, unknown
    from a2ls_dsl.search.rungs import Rungs
    from a2ls_dsl.search.settings import GATES

    for gate in without:
        if gate not in (*GATES, "rungs"):
            raise unknown("gate", gate, (*GATES, "rungs"))
    # The gate `batch` trains on vectors.
    cascade = strategy in STRATEGIES and STRATEGIES[strategy].cascade
    lacks = "batch" if cascade and frames else None
    has = [gate for gate in (*GATES, "rungs") if cascade and gate != lacks]
    seen = " from frames" * frames
    for gate in without:
        if gate not in has:
            raise A2lError(
                f"a search with the strategy {strategy} on {task.name}{seen} has no `{gate}`",
                f"leave out --without {gate}",
            )
    if not cascade:
        return {}
    return {
        "gates": tuple(gate for gate in GATES if gate in has and gate not in without),
        "rungs": None if "rungs" in without else Rungs(),
    }


def refuse_idle(
    ray: str | None,
    gpus: int | None,
    stacks: int | None,
) -> None:
    """Refuse options that would do nothing: a user who gives one expects an effect."""
    options = (
        ("--gpus", gpus is not None and ray is None, "the search is not on a Ray cluster", "add --ray local"),
        (
            "--stacks",
            stacks is not None and ray is None,
            "the search is not on a Ray cluster",
            "add --ray local",
        ),
        ("--stacks", bool(stacks and gpus), "every GPU has a stack of its own", ""),
    )
    for option, does_nothing, why, otherwise in options:
        if does_nothing:
            raise idle(option, why, otherwise)


def idle(option: str, why: str, otherwise: str) -> A2lError:
    from a2ls_dsl.diagnostics import A2lError

    fix = ", or ".join(filter(None, ["leave it out", otherwise]))
    return A2lError(f"{option} would do nothing: {why}", fix)

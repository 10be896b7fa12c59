"""`a2l evolve`: search for losses. `a2l best`: what a search has found so far."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from a2ls_dsl.cli import app
from a2ls_dsl.cli.stopping import Hours, exit_code, interrupts
from a2ls_dsl.cli.train import Env, EnvArguments, NoCapture, refuse_idle_capture
from a2ls_dsl.search.race import MOST_RACED, SHARE
from a2ls_dsl.search.strategies import STRATEGIES

if TYPE_CHECKING:
    from a2ls_dsl.diagnostics import A2lError
    from a2ls_dsl.rl.envs.tasks import Task
    from a2ls_dsl.search.candidates import Candidate
    from a2ls_dsl.search.scale_out import Cluster
    from a2ls_dsl.search.settings import SearchSettings


class Preset(StrEnum):
    """The presets of `search/settings.py`, whose import would be felt in `--help`."""

    QUICK = "quick"
    PAPER = "paper"


Population = Annotated[int | None, typer.Option(min=1, help="Candidates a generation.")]
Generations = Annotated[int | None, typer.Option(min=1, help="More of them extend a study.")]
GrammarName = Annotated[str, typer.Option(metavar="GRAMMAR", help="A .a2g file, or a shipped one by name.")]
Frames = Annotated[int | None, typer.Option(min=1, help="Environment frames a candidate.")]
Stack = Annotated[int | None, typer.Option(min=1, help="Members trained together at most.")]
PresetName = Annotated[
    Preset, typer.Option(help="quick: minutes on a CPU, noisy scores; paper: the search of He et al. 2022.")
]
StrategyName = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="What is proposed. "
        + "; ".join(f"{name}: {each.proposes}" for name, each in STRATEGIES.items())
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
        help=f"The share of the budget for a race of the best over fresh seeds at the end; {SHARE:g}.",
    ),
]
Confirm = Annotated[
    int | None, typer.Option(min=0, help="So many of the best get fresh seeds beyond the race; by default 0.")
]
ConfirmSeeds = Annotated[int | None, typer.Option(min=1, help="Fresh seeds each of these has; 3.")]
Operator = Annotated[
    str | None,
    typer.Option(
        help="The operator to search with, or `any`: by default mse with a2ls, any with other grammars."
    ),
]
Deterministic = Annotated[bool, typer.Option("--deterministic", help="Repeatable bit by bit; slower.")]
StudyFolder = Annotated[
    Path | None, typer.Option("--study", metavar="DIR", help="Where all is kept; by default under studies/.")
]
Fresh = Annotated[
    bool, typer.Option("--fresh", help="Begin anew; a study that is there is kept as DIR.1, DIR.2, ...")
]
Workers = Annotated[int | None, typer.Option(min=1, help="Processes of physics; by default one a core.")]

Ray = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="Train on a Ray cluster: HOST:PORT, or `local` to start one here."),
]
Gpus = Annotated[
    int | None, typer.Option(min=0, help="Ray: stacks on so many GPUs, one each; by default on CPUs.")
]
Stacks = Annotated[int | None, typer.Option(min=1, help="Ray without GPUs: how many stacks; by default one.")]
Ale = Annotated[str | None, typer.Option(help="What emulates Atari: ale-py (the default) or atari-py.")]
Device = Annotated[str | None, typer.Option(help="cpu, cuda; the GPU where there is one.")]


@app.command()
def evolve(
    env: Env,
    env_arg: EnvArguments = None,
    grammar: GrammarName = "a2ls",
    preset: PresetName = Preset.QUICK,
    population: Population = None,
    generations: Generations = None,
    frames: Frames = None,
    strategy: StrategyName = "paper",
    operator: Operator = None,
    seed: Annotated[int, typer.Option(min=0, max=2**31, help="Of the search and of every training.")] = 0,
    stack: Stack = None,
    without: Without = None,
    race: Race = None,
    confirm: Confirm = None,
    confirm_seeds: ConfirmSeeds = None,
    deterministic: Deterministic = False,
    study: StudyFolder = None,
    fresh: Fresh = False,
    workers: Workers = None,
    device: Device = None,
    no_capture: NoCapture = False,
    ale: Ale = None,
    ray: Ray = None,
    gpus: Gpus = None,
    stacks: Stacks = None,
    hours: Hours = None,
) -> None:
    """Search for losses that make an agent learn faster. The same command resumes a stopped search."""
    from dataclasses import replace

    from a2ls_dsl.rl.agents import published_settings
    from a2ls_dsl.rl.envs.atari_suite import emulated_by
    from a2ls_dsl.rl.envs.task import read_arguments
    from a2ls_dsl.rl.envs.tasks import find_task
    from a2ls_dsl.search.reader import require_plugins
    from a2ls_dsl.search.settings import ANY, PRESETS, default_operator

    given: dict[str, Any] = {
        "population": population,
        "generations": generations,
        "frames": frames,
        "stack": stack,
    }
    task = emulated_by(find_task(env, read_arguments(env_arg or [])), ale)
    begin = PRESETS[preset](task.name)
    _refuse_idle(ray, gpus, stacks)
    if frames is not None:
        given["agent"] = published_settings(task, frames, begin.agent)
    if not fresh:
        named = replace(begin, grammar=grammar, strategy=strategy, operator=ANY, seed=seed)
        require_plugins(study or _default_folder(named, preset))
    settings = replace(
        begin,
        grammar=grammar,
        strategy=strategy,
        operator=operator or default_operator(grammar),
        seed=seed,
        deterministic=deterministic,
        **_cascade(task, strategy, without or []),
        **{name: value for name, value in given.items() if value is not None},
    )
    cluster = None
    if ray is not None:
        from a2ls_dsl.search.scale_out import Cluster

        cluster = Cluster(ray, gpus or stacks or 1, min(gpus or 0, 1))
    if no_capture:
        from a2ls_dsl.rl.device import choose_device

        on_cpu = deterministic or (cluster is not None and not cluster.gpus)
        refuse_idle_capture(False, "cpu" if on_cpu else "cuda" if cluster else choose_device(device))
    folder = study or _default_folder(settings, preset)
    settings = _with_ending(settings, None if fresh else folder, race, confirm, confirm_seeds)
    if fresh:
        _set_aside(folder, settings)
    _run(settings, preset, folder, workers, device, not no_capture, cluster, hours)


@app.command()
def best(
    study: Annotated[Path, typer.Argument(metavar="STUDY", help="The folder of a study.")],
    number: Annotated[int, typer.Option("-n", "--number", min=1, help="How many candidates.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Machine readable.")] = False,
) -> None:
    """Print the leaderboard of a study, also while it runs."""
    import json

    from a2ls_dsl.report.standing import BOARD
    from a2ls_dsl.search.reader import StudyReader

    with StudyReader(study) as reader:
        board, counts, settings = reader.leaderboard(max(number, BOARD)), reader.counts(), reader.settings
    if as_json:
        print(json.dumps(_as_data(board, settings, number), indent=2))
        return
    from rich.console import Console

    from a2ls_dsl.cli.evolve_view import leaderboard, ranking
    from a2ls_dsl.cli.tables import show

    told = ", ".join(f"{number} {status}" for status, number in counts.items() if number)
    print("; ".join(filter(None, [f"{settings.env}, {settings.frames:,} frames: {told}", ranking(board)])))
    show(Console(highlight=False), leaderboard(board, number))


_SAID = {
    Preset.QUICK: "preset quick: small networks, few frames, scores that are mostly noise; for the search of "
    "the paper: --preset paper",
    Preset.PAPER: "preset paper: He et al. 2022; on one GPU, not on a CPU",
}


def _default_folder(settings: SearchSettings, preset: str) -> Path:
    """A folder of the settings that one varies, so that the same command finds its study again."""
    parts = [settings.task.file_name, Path(settings.grammar).stem, preset, f"seed{settings.seed}"]
    strategy = settings.strategy.replace(":", "-")
    return Path("studies") / "-".join(parts + [strategy] * (strategy != "paper"))


def _with_ending(
    settings: SearchSettings,
    folder: Path | None,
    race: float | None,
    confirm: int | None,
    confirm_seeds: int | None,
) -> SearchSettings:
    """The settings with what a search ends with: as asked for, else as the study that is there has it."""
    from dataclasses import replace

    from a2ls_dsl.search.reader import stored_settings

    stored = stored_settings(folder) if folder else None
    asked = {"race": race, "confirm": confirm, "confirm_seeds": confirm_seeds}
    ending = {name: value for name, value in asked.items() if value is not None}
    settings = replace(
        settings, **({name: getattr(stored, name) for name in asked} if stored else {}) | ending
    )
    if confirm_seeds is not None and not settings.confirm:
        raise _idle("--confirm-seeds", "nothing is confirmed", "add --confirm 3")
    return settings


def _set_aside(folder: Path, settings: SearchSettings) -> None:
    """Keep an older study under another name, but not for a search that could not begin."""
    from a2ls_dsl.search.store import set_aside

    settings.space()
    if kept := set_aside(folder):
        print(f"the study that was there is kept as {kept}")


def _run(
    settings: SearchSettings,
    preset: Preset,
    folder: Path,
    workers: int | None,
    device: str | None,
    capture: bool,
    cluster: Cluster | None,
    hours: float | None,
) -> None:
    import time

    from rich.console import Console

    from a2ls_dsl.cli.console import duration
    from a2ls_dsl.cli.evolve_view import SearchView, leaderboard
    from a2ls_dsl.cli.tables import show
    from a2ls_dsl.report.standing import BOARD
    from a2ls_dsl.search.reader import StudyReader
    from a2ls_dsl.search.run import evolve as run

    console, began = Console(highlight=False), time.monotonic()
    view = SearchView(console)
    view.say(_SAID[preset])
    what = "what was scored and where the runs in training stand" if cluster is None else "what was scored"
    drains = "stopping when the runs in training have ended; Ctrl-C again stops now"
    interrupted = False
    try:
        with interrupts(lambda: view.say(drains) if cluster else None) as stopping, view:
            ended = run(
                settings, folder, view, workers, device, stopping, cluster, hours=hours, capture=capture
            )
            interrupted = stopping()
    except KeyboardInterrupt:
        ended, interrupted, what = False, True, "what was scored"
    with StudyReader(folder) as reader:
        board = reader.leaderboard(BOARD)
        seconds = duration(time.monotonic() - began)
        spent = f"spent: {reader.frames():,} frames in all; {seconds} in this session"
        if not ended:
            view.finish()
            view.say(spent)
            view.say(f"stopped: {what} is stored in {folder}, and the same command resumes")
            raise typer.Exit(exit_code(interrupted))
        console.print()
        show(console, leaderboard(board, 10))
        console.print()
        view.say(spent)
        view.say(f"as files: {reader.hall_of_fame}")
    if not any(each.fresh for each in board):
        view.say(
            "one seed a candidate: the best of many is partly luck; the same command with --confirm 3 trains "
            "the best three with fresh seeds"
        )
    view.say(f"what can be said, and what to run to know more: a2l report {folder}")
    if not settings.deterministic:
        view.say(
            "the same seed gives the same proposals, and scores up to rounding; --deterministic: exactly"
        )


def _cascade(task: Task, strategy: str, without: list[str]) -> dict[str, Any]:
    """The gates and rungs of a search, by default all of them with a strategy that has them."""
    from a2ls_dsl.diagnostics import A2lError, unknown
    from a2ls_dsl.rl.envs.task import PIXELS
    from a2ls_dsl.search.rungs import Rungs
    from a2ls_dsl.search.settings import GATES

    for each in without:
        if each not in (*GATES, "rungs"):
            raise unknown("gate", each, (*GATES, "rungs"))
    # The gate `batch` trains on vectors.
    cascade = strategy in STRATEGIES and STRATEGIES[strategy].cascade
    lacks = "batch" if cascade and task.observations[0] == PIXELS else None
    has = [gate for gate in (*GATES, "rungs") if cascade and gate != lacks]
    for each in without:
        if each not in has:
            raise A2lError(
                f"a search with the strategy {strategy} on {task.name} has no `{each}`",
                f"leave out --without {each}",
            )
    if not cascade:
        return {}
    return {
        "gates": tuple(gate for gate in GATES if gate in has and gate not in without),
        "rungs": None if "rungs" in without else Rungs(),
    }


def _refuse_idle(
    ray: str | None,
    gpus: int | None,
    stacks: int | None,
) -> None:
    """Refuse options that would do nothing: who gives one expects something of it."""
    idle = (
        ("--gpus", gpus is not None and ray is None, "the search is not on a Ray cluster", "add --ray local"),
        (
            "--stacks",
            stacks is not None and ray is None,
            "the search is not on a Ray cluster",
            "add --ray local",
        ),
        ("--stacks", bool(stacks and gpus), "every GPU has a stack of its own", ""),
    )
    for option, does_nothing, why, otherwise in idle:
        if does_nothing:
            raise _idle(option, why, otherwise)


def _idle(option: str, why: str, otherwise: str) -> A2lError:
    from a2ls_dsl.diagnostics import A2lError

    fix = ", or ".join(filter(None, ["leave it out", otherwise]))
    return A2lError(f"{option} would do nothing: {why}", fix)


def _as_data(board: list[Candidate], settings: SearchSettings, number: int) -> dict[str, Any]:
    """The leaderboard as plain data; a reference has no rank."""
    from a2ls_dsl.search.candidates import ranked

    rows = [
        {
            "rank": rank,
            "score": each.score,
            "training_score": each.training_score,
            "fresh_score": each.fresh_score,
            "fresh_error": each.fresh_error,
            "fresh_runs": each.fresh_runs,
            "generation": each.generation,
            "origin": each.origin,
            "parents": each.parents,
            "key": each.key,
            "name": each.name or None,
            "loss": each.text,
        }
        for rank, each in ranked(board, number)
    ]
    about = ("env", "grammar", "strategy", "operator", "frames", "seed", "deterministic")
    return {name: getattr(settings, name) for name in about} | {"leaderboard": rows}

"""`a2l evolve`: search for losses."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from a2ls_dsl.cli.agent_options import (
    AgentName,
    Ale,
    Device,
    Env,
    EnvArguments,
    NoCapture,
    Obs,
    Set,
    ShadowSize,
    pixels_of,
    with_set,
)
from a2ls_dsl.cli.application import app
from a2ls_dsl.cli.evolve_options import (
    Confirm,
    ConfirmSeeds,
    Deterministic,
    Frames,
    Fresh,
    Generations,
    Gpus,
    GrammarName,
    Operator,
    Population,
    Preset,
    PresetName,
    Race,
    Ray,
    Stack,
    Stacks,
    StartFrom,
    StrategyName,
    StudyFolder,
    Without,
    Workers,
    cascade_of,
    given_losses,
    refuse_idle,
    with_ending,
)
from a2ls_dsl.cli.stopping import Hours, exit_code, interrupts
from a2ls_dsl.cli.train import refuse_idle_capture
from a2ls_dsl.english import count

if TYPE_CHECKING:
    from a2ls_dsl.search.scale_out import Cluster
    from a2ls_dsl.search.settings import SearchSettings


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
    seed: Annotated[
        int, typer.Option(min=0, max=2**31, help="Seed of the search and of every training.")
    ] = 0,
    stack: Stack = None,
    start_from: StartFrom = None,
    obs: Obs = None,
    shadow_size: ShadowSize = None,
    agent: AgentName = None,
    set_: Set = None,
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

    from a2ls_dsl.rl.agents import algorithm_named, algorithm_of, published_settings
    from a2ls_dsl.rl.envs.atari_suite import emulated_by
    from a2ls_dsl.rl.envs.task import PIXELS, read_arguments
    from a2ls_dsl.rl.envs.tasks import find_task
    from a2ls_dsl.search.presets import PRESETS
    from a2ls_dsl.search.settings import ANY, default_operator
    from a2ls_dsl.search.study.reader import require_plugins

    given: dict[str, Any] = {
        "population": population,
        "generations": generations,
        "frames": frames,
        "stack": stack,
    }
    task = emulated_by(find_task(env, read_arguments(env_arg or [])), ale)
    algorithm = algorithm_named(agent, task)
    pixels = pixels_of(task, obs, shadow_size, algorithm)
    begin = PRESETS[preset](task.name, obs)
    refuse_idle(ray, gpus, stacks)
    own = begin.agent
    if algorithm is not algorithm_of(own):
        own = (
            algorithm.published(task, begin.frames) if preset == Preset.PAPER else algorithm.quick(task, obs)
        )
    own = own if frames is None else published_settings(task, frames, own)
    own, evaluation, pixels = with_set(own, begin.evaluation, pixels, set_ or [])
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
        agent=own,
        evaluation=evaluation,
        pixels=pixels,
        **cascade_of(task, (obs or task.observations[0]) == PIXELS, strategy, without or []),
        start_from=given_losses(start_from or []),
        **{name: value for name, value in given.items() if value is not None},
    )
    cluster = None
    if ray is not None:
        from a2ls_dsl.search.scale_out import Cluster

        cluster = Cluster(ray, gpus or stacks or 1, min(gpus or 0, 1))
    if no_capture:
        from a2ls_dsl.rl.compute.device import choose_device

        on_cpu = deterministic or (cluster is not None and not cluster.gpus)
        refuse_idle_capture(False, "cpu" if on_cpu else "cuda" if cluster else choose_device(device))
    folder = study or _default_folder(settings, preset)
    settings = with_ending(settings, None if fresh else folder, race, confirm, confirm_seeds)
    notes = _about_given(settings)
    if fresh:
        _set_aside(folder, settings)
    for line in notes:
        print(line)
    _run(settings, preset, folder, workers, device, not no_capture, cluster, hours)


def _default_folder(settings: SearchSettings, preset: str) -> Path:
    """A folder named by the settings that usually vary, so that the same command finds its study again."""
    task = settings.task.file_name + "-pixels" * (settings.pixels is not None)
    parts = [task, Path(settings.grammar).stem, preset, f"seed{settings.seed}"]
    strategy = settings.strategy.replace(":", "-")
    return Path("studies") / "-".join(parts + [strategy] * (strategy != "paper"))


def _about_given(settings: SearchSettings) -> list[str]:
    """Notes on the losses that a search starts from. Raises `A2lError` if one can't be trained."""
    from a2ls_dsl.search.candidates import references
    from a2ls_dsl.search.strategies.proposals import check_from_outside, given

    losses, space = given(settings, ()), settings.space()
    check_from_outside(settings, losses)
    names = {reference.key: reference.name for reference in references()}
    notes = [
        f"`{names[proposal.key]}` is a reference, so it is trained anyway"
        for proposal in losses
        if proposal.key in names
    ]
    outside = [
        proposal for proposal in losses if proposal.key not in names and not space.contains(proposal.loss)
    ]
    if outside:
        notes.append(
            f"{len(outside)} of {count(len(losses), 'given loss', 'given losses')} not in the grammar "
            f"{settings.grammar}: trained and ranked with the others, but without children"
        )
    return notes


def _set_aside(folder: Path, settings: SearchSettings) -> None:
    """Keep an older study under another name, unless the new search could not begin."""
    from a2ls_dsl.search.study.store import set_aside

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
    from a2ls_dsl.search.presets import introduction
    from a2ls_dsl.search.run import evolve as run
    from a2ls_dsl.search.study.reader import StudyReader

    console, began = Console(highlight=False), time.monotonic()
    view = SearchView(console)
    view.say(introduction(preset, settings))
    what = "what was scored and where the runs in training stand"
    notice = "stopping once all stacks have taken their steps; Ctrl-C again stops now"
    interrupted = False
    try:
        with interrupts(lambda: view.say(notice) if cluster else None) as stopping, view:
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
    if not any(candidate.fresh for candidate in board):
        view.say(
            "one seed a candidate: the best of many is partly luck; the same command with --confirm 3 trains "
            "the best three with fresh seeds"
        )
    view.say(f"what can be said, and what to run to know more: a2l report {folder}")
    if not settings.deterministic:
        view.say(
            "the same seed gives the same proposals, and scores up to rounding; --deterministic: exactly"
        )

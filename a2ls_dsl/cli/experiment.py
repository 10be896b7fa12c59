"""`a2l experiment`: run a table of arms, environments and seeds; see which results there are; collect
them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from a2ls_dsl.cli.agent_options import Device
from a2ls_dsl.cli.application import app
from a2ls_dsl.cli.plugin import Commands
from a2ls_dsl.cli.stopping import Hours, follow
from a2ls_dsl.english import count

if TYPE_CHECKING:
    from a2ls_dsl.cli.console import StatusLine
    from a2ls_dsl.experiment.plan import Experiment
    from a2ls_dsl.experiment.run import Event

commands = Commands(help="Run experiments (a .toml file each), and collect their results.")
app.add_typer(commands, name="experiment", no_args_is_help=True)

File = Annotated[Path, typer.Argument(metavar="FILE.toml", help="The experiment; its results lie beside it.")]


@commands.command()
def run(
    file: File,
    device: Device = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes for physics.")] = None,
    save_seconds: Annotated[
        float, typer.Option(min=0.0, help="The time between two checkpoints, if no evaluation lies there.")
    ] = 60.0,
    hours: Hours = None,
) -> None:
    """Run what is missing of an experiment; stop it whenever you like, the same command continues."""
    from a2ls_dsl.cli.console import StatusLine
    from a2ls_dsl.experiment.plan import read
    from a2ls_dsl.experiment.run import run as run_missing
    from a2ls_dsl.experiment.store import missing

    experiment, line = read(file), StatusLine()
    _announce(experiment, len(missing(experiment)))
    _report_other_settings(experiment)
    train(
        lambda tell, stop: run_missing(experiment, tell, device, workers, save_seconds, stop, hours),
        line,
    )
    line.say(f"complete: {count(len(experiment.runs), 'run')} in {experiment.folder}")


@commands.command()
def status(file: File) -> None:
    """Say which runs of an experiment are there and which are missing."""
    from a2ls_dsl.experiment.plan import read
    from a2ls_dsl.experiment.store import load

    experiment = read(file)
    done = {run for run in experiment.runs if load(experiment, run) is not None}
    runs = count(len(experiment.runs), "run")
    print(f"{experiment.name}: {len(done)} of {runs}, {experiment.frames:,} frames each")
    width = max(len(arm.name) for arm in experiment.arms)
    for env in experiment.envs:
        print(env)
        for arm in experiment.arms:
            own = [run for run in experiment.runs if (run.env, run.arm) == (env, arm)]
            marks = "".join("+" if run in done else "." for run in own)
            seeds = count(len(own), "seed")
            print(f"  {arm.name:{width}}  {marks}  {sum(run in done for run in own)} of {seeds}")
    _report_other_settings(experiment)


@commands.command()
def collect(
    files: Annotated[list[Path], typer.Argument(metavar="FILE.toml...", help="Experiments, in this order.")],
    to: Annotated[Path, typer.Option(metavar="FILE.md", help="The page.")] = Path("docs/results.md"),
) -> None:
    """Write a page on what experiments show: verdicts, tables with intervals, curves, what is missing."""
    from a2ls_dsl.experiment.collect import collect as collected
    from a2ls_dsl.experiment.page import write
    from a2ls_dsl.experiment.plan import read

    experiments = [collected(read(file)) for file in files]
    for path in write(to, experiments):
        print(path)


def _report_other_settings(experiment: Experiment) -> None:
    """Say which results are kept, but are of other settings than the experiment has now."""
    from a2ls_dsl.experiment.run import unwanted
    from a2ls_dsl.experiment.store import of_other_settings

    if half := unwanted(experiment):
        print(f"half-trained runs of other settings are kept, and go on with those settings: {half[0]}")
    if kept := of_other_settings(experiment):
        are = "result of other settings is kept, and counts", "results of other settings are kept, and count"
        print(
            f"{count(len(kept), *are)} again with those settings: {kept[0]}"
            + (", ..." if len(kept) > 1 else "")
        )


def _announce(experiment: Experiment, left: int) -> None:
    print(
        f"{experiment.name}: {count(len(experiment.arms), 'arm')} on "
        f"{count(len(experiment.envs), 'environment')} with {count(experiment.seeds, 'seed')}, "
        f"{experiment.frames:,} frames each: {left} of "
        f"{count(len(experiment.runs), 'run is', 'runs are')} missing"
    )


def train(run: Callable[[Callable[[Event], None], Callable[[], bool]], bool], line: StatusLine) -> None:
    """Run an experiment and show its progress; if stopped, end with a note on how to continue.

    run: takes a callback for events and one that says whether to stop; returns whether it ran to the end.
    """
    from a2ls_dsl.experiment.run import PieceStarted
    from a2ls_dsl.rl.runs.keeping import Stored

    frames = 0

    def tell(event: Event) -> None:
        nonlocal frames
        if isinstance(event, (PieceStarted, Stored)):
            frames = event.frames
        _show(event, line)

    again = "stopped; run the same command again to go on from {:,} frames of these runs"
    follow(lambda stop: run(tell, stop), line.say, lambda: again.format(frames))


def _show(event: Event, line: StatusLine) -> None:
    from a2ls_dsl.cli.console import duration
    from a2ls_dsl.experiment.run import PieceEnded, PieceStarted
    from a2ls_dsl.rl.runs.trainer import Evaluation, Progress
    from a2ls_dsl.rl.slots.slots import Replaced

    if isinstance(event, PieceStarted):
        again = f", from {event.frames:,} frames" if event.frames else ""
        line.say(f"{event.runs[0].env}: {len(event.runs)} of {event.left} missing runs as one stack{again}")
    elif isinstance(event, PieceEnded):
        line.say(f"  stored {count(len(event.runs), 'run')} after {duration(event.seconds)}")
    elif isinstance(event, Replaced):
        line.say(f"  {event.text}")
    elif isinstance(event, Progress):
        line.show(
            f"  {event.frames:,}/{event.total_frames:,} frames  {event.frames_per_second:,.0f} frames/s a run"
            f"  {duration(event.seconds_left)} to go"
        )
    elif isinstance(event, Evaluation):
        line.say(f"  {event.frames:>9,} frames  mean return {event.mean_return.mean():6.1f}")

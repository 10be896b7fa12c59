"""`a2l validate`: train the losses of a search again, with fresh seeds and on other environments."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from a2ls_dsl.cli.agent_options import Device
from a2ls_dsl.cli.application import app
from a2ls_dsl.cli.stopping import Hours
from a2ls_dsl.english import count


@app.command()
def validate(
    study: Annotated[Path, typer.Argument(metavar="STUDY", help="The folder of a study.")],
    envs: Annotated[str, typer.Option(metavar="TASK,TASK...", help="The environments, separated by commas.")],
    top: Annotated[int, typer.Option(min=1, help="How many of the best losses to train.")] = 5,
    seeds: Annotated[int, typer.Option(min=2, help="Fresh seeds per loss and environment.")] = 10,
    frames: Annotated[int | None, typer.Option(min=1, help="Per run; by default as in the search.")] = None,
    device: Device = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes for physics.")] = None,
    save_seconds: Annotated[
        float, typer.Option(min=0.0, help="The time between two checkpoints, if no evaluation lies there.")
    ] = 60.0,
    hours: Hours = None,
) -> None:
    """Train the best losses of a study beside none, CURL, SPR and the published winners; resumes."""
    from rich.console import Console
    from rich.text import Text

    from a2ls_dsl.cli.console import StatusLine
    from a2ls_dsl.cli.experiment import train
    from a2ls_dsl.cli.tables import fitted, show
    from a2ls_dsl.diagnostics import A2lError
    from a2ls_dsl.experiment.store import missing
    from a2ls_dsl.experiment.validate import plan
    from a2ls_dsl.experiment.validate import validate as run
    from a2ls_dsl.report.gather import validation_tables

    names = [name.strip() for name in envs.split(",") if name.strip()]
    if not names:
        raise A2lError("there is no environment to validate on", "name some: --envs cartpole-swingup")
    experiment, line = plan(study, top, names, seeds, frames), StatusLine()
    left = len(missing(experiment))
    print(
        f"{count(len(experiment.arms), 'loss', 'losses')} on "
        f"{count(len(experiment.envs), 'environment')} with {count(seeds, 'fresh seed')}: "
        f"{left} of {count(len(experiment.runs), 'run is', 'runs are')} missing, "
        f"{left * experiment.frames:,} frames"
    )
    train(
        lambda tell, stop: run(study, experiment, tell, device, workers, save_seconds, stop, hours),
        line,
    )
    table, claims = validation_tables(study)
    console = Console(highlight=False)
    show(console, fitted(table))
    for note in table.notes:
        show(console, Text(note))
    for claim in claims:
        show(console, Text(f"{claim.question} {claim.answer}: {claim.why}."))
    line.say(f"stored in {study}; `a2l report {study}` shows it")

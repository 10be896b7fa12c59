"""`a2l doctor`: what works on this machine, and the commands that fix what doesn't."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Annotated

import typer

from a2ls_dsl.cli.agent_options import EnvArguments
from a2ls_dsl.cli.application import app
from a2ls_dsl.cli.machine import Status, findings
from a2ls_dsl.english import count


@app.command()
def doctor(
    env: Annotated[
        str | None, typer.Option(metavar="TASK", help="Try this task instead: its spaces, its speed.")
    ] = None,
    env_arg: EnvArguments = None,
) -> None:
    """Check this machine: packages, devices, environments, renderers. Exits with 1 if it can't train."""
    if env is not None:
        _try(env, env_arg or [])
        return
    broken, vectors, pixels, games = False, False, True, False
    for finding in findings():
        broken = broken or finding.status is Status.FAIL
        vectors = vectors or (finding.subject == "environments" and finding.status is Status.OK)
        pixels = pixels and finding.subject != "renderer"
        games = games or (finding.subject == "atari" and finding.status is Status.OK and not finding.fix)
        typer.echo(finding.render())  # `echo` drops colours where the output is not a terminal.
    control = ["vector observations"] + ["pixels"] * pixels if vectors else []
    own = ["Gymnasium environments"] * (find_spec("gymnasium") is not None)
    kinds = ", ".join([*control, *["Atari games"] * games, *own])
    ready = (
        f"ready to train on {kinds}" if kinds else "ready to write losses; nothing to train on is installed"
    )
    typer.echo("\nsomething required is broken" if broken else f"\n{ready}")
    if broken:
        raise typer.Exit(1)


def _try(name: str, arguments: list[str]) -> None:
    """Play a task for a moment and print what was seen. Raises `A2lError` if it can't be played."""
    from a2ls_dsl.rl.agents import algorithm_for
    from a2ls_dsl.rl.envs.task import read_arguments
    from a2ls_dsl.rl.envs.tasks import find_task
    from a2ls_dsl.rl.envs.trial import try_task

    task = find_task(name, read_arguments(arguments))
    trial = try_task(task)
    seen = " x ".join(map(str, trial.observation_shape))
    typer.echo(f"{task.name}: learned by {algorithm_for(task).title}")
    shown = (
        count(trial.observation_shape[0], "number") if len(trial.observation_shape) == 1 else f"{seen} pixels"
    )
    typer.echo(f"observations  {shown}")
    acts = f"{trial.action_size} to choose from" if trial.discrete else count(trial.action_size, "number")
    typer.echo(f"actions       {acts}")
    typer.echo(f"episodes      cut after {trial.episode_frames:,} frames; {task.action_repeat} an agent step")
    if trial.returns:
        played = len(trial.returns)
        mean, steps = sum(trial.returns) / played, round(sum(trial.steps) / played)
        typer.echo(
            f"random play   return {mean:.1f}, {count(steps, 'agent step')}, mean of "
            f"{count(played, 'episode')}, of which {trial.terminated} ended by the task's own rules"
        )
    typer.echo(f"speed         {trial.steps_per_second:,.0f} agent steps/s")
    if trial.cut:
        typer.echo(f"warning: {trial.cut}, which cuts it there")
    if not trial.repeats:
        typer.echo("warning: equal seeds and actions give unequal episodes; a run can't be repeated exactly")

"""`a2l compile`: what a loss becomes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from a2ls_dsl.cli.application import app
from a2ls_dsl.english import count

if TYPE_CHECKING:
    from a2ls_dsl.backend.module import Compilation
    from a2ls_dsl.lang.syntax.tree import Loss
    from a2ls_dsl.rl.envs.tasks import Task

DEFAULT_ENVS = ("cartpole-swingup", "walker-walk", "cheetah-run")


@app.command("compile")
def compile_command(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A .a2l file, or the name of a shipped loss.")],
    name: Annotated[str | None, typer.Option(help="Which loss of the file; the last one by default.")] = None,
    env: Annotated[list[str] | None, typer.Option(help="Environments to compile for (repeatable).")] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", allow_dash=True, help="Write a Python file that needs torch only; - prints it."
        ),
    ] = None,
) -> None:
    """Compile a loss for environments and say what was built, or write it as Python for any agent."""
    from a2ls_dsl.backend.window import views_without_effect
    from a2ls_dsl.diagnostics import A2lError
    from a2ls_dsl.lang.load import load_one
    from a2ls_dsl.lang.syntax.printer import print_loss
    from a2ls_dsl.rl.envs.tasks import find_task

    if output is not None and env:
        raise A2lError(
            "--env would do nothing: a file is for any sizes, told when it is used", "leave it out"
        )
    label, loss = load_one(file, name)
    if output is not None:
        _write(output, label, loss)
        return
    tasks = [find_task(task_name) for task_name in env or DEFAULT_ENVS]
    print(f"{label} = {print_loss(loss)}")
    print(f"horizon {loss.horizon}: windows of {count(loss.horizon + 1, 'step')}, t..t+{loss.horizon}")
    for warning in views_without_effect([loss]):
        print(f"warning: {warning}")
    for number, task in enumerate(tasks):
        built = _build(task, loss)
        if number == 0:
            stages = " -> ".join(f"{step} {nodes}" for step, nodes in built.passes)
            print(f"passes (nodes after each): {stages}")
        print(_summary(task, built))


def _write(path: Path, label: str, loss: Loss) -> None:
    from a2ls_dsl.backend.export import export, parameters
    from a2ls_dsl.backend.export_check import check_export
    from a2ls_dsl.diagnostics import A2lError
    from a2ls_dsl.lang.files import write

    to_stdout = path == Path("-")
    if path.suffix != ".py" and not to_stdout:
        raise A2lError(f"`{path}` is not the name of a Python file", "name one that ends in .py with -o")
    text = export(label, loss)
    check_export(label, loss, text)
    if to_stdout:
        print(text, end="")
        return
    write(path, text)
    print(f"{path}: class {parameters(label, loss)}, needs torch only")


def _build(task: Task, loss: Loss) -> Compilation:
    from a2ls_dsl.backend.module import compile_with_report
    from a2ls_dsl.backend.window import Spaces
    from a2ls_dsl.diagnostics import A2lError
    from a2ls_dsl.rl.envs.task import VECTORS
    from a2ls_dsl.rl.envs.tasks import suite_of
    from a2ls_dsl.rl.networks.encoders import HIDDEN_ENCODER

    if task.observations[0] != VECTORS:
        raise A2lError(
            f"sizes are shown for vector observations, but {task.name} has frames",
            "name a task that has vectors, or write the loss as a module with -o loss.py",
        )
    env = suite_of(task).make(task, None, False)
    (observation,) = env.observation_shape
    spaces = Spaces(observation, env.action_size, observation + HIDDEN_ENCODER)
    return compile_with_report(loss, spaces)


def _summary(task: Task, built: Compilation) -> str:
    """A line on one environment: spaces, the shapes of every predictor, parameters, time."""
    from a2ls_dsl.backend.module import shapes

    module = built.module
    spaces = module.spaces
    parameters = sum(parameter.numel() for parameter in module.parameters())
    learned = "; ".join(shapes(module)) or "nothing of its own to learn"
    return (
        f"{task.name}: observation {spaces.observation}, action {spaces.action}, features {spaces.features}; "
        f"{learned}; {parameters:,} parameters; compiled in {built.seconds * 1e3:.1f} ms"
    )

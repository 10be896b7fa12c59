"""`a2l bench`: how fast this machine trains, and how fast it could."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from a2ls_dsl.cli.agent_options import Device, EnvArguments, NoCapture
from a2ls_dsl.cli.application import app
from a2ls_dsl.cli.bench_rows import GAME, Mix, Request, measured

PARTS = ("updates", "convolutions", "search", "environments", "training")
KINDS = ("vectors", "pixels")


@app.command()
def bench(
    part: Annotated[
        list[str] | None,
        typer.Option(
            help="updates, convolutions, search, environments or training (repeatable); all by default."
        ),
    ] = None,
    obs: Annotated[
        list[str] | None, typer.Option(help="vectors or pixels (repeatable); both by default.")
    ] = None,
    batch_size: Annotated[
        list[int] | None,
        typer.Option(
            min=2, help="Repeatable; by default 128 and 512, for a game 32, for the stack of a search 64."
        ),
    ] = None,
    members: Annotated[
        list[int] | None,
        typer.Option(
            min=1,
            help="Sizes of stacks (repeatable); by default doubled while fast enough, for a search 16.",
        ),
    ] = None,
    env: Annotated[str, typer.Option(help="The task to play.")] = "cheetah-run",
    env_arg: EnvArguments = None,
    loss: Annotated[str, typer.Option(help="The auxiliary loss of every member, or none.")] = "a2_winner",
    grammar: Annotated[
        str | None,
        typer.Option(help="The grammar of the random losses in a search's stack: a2ls by default."),
    ] = None,
    hidden: Annotated[
        int | None, typer.Option(min=1, help="Units per layer of a search's agents: 64 by default.")
    ] = None,
    frames: Annotated[
        int | None, typer.Option(min=1, help="Frames per candidate of a search: 50,000 by default.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=0.1, help="About the time for each measurement.")] = 10.0,
    precision: Annotated[str, typer.Option(help="tf32, float32 or bf16.")] = "tf32",
    compile: Annotated[bool, typer.Option("--compile", help="Fuse the losses with torch.compile.")] = False,
    no_capture: NoCapture = False,
    device: Device = None,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable: one object per line.")] = False,
) -> None:
    """Measure updates, environments and training on this machine, beside the least time they can take."""
    from a2ls_dsl.cli.train import computation
    from a2ls_dsl.diagnostics import A2lError
    from a2ls_dsl.lang.load import load_one
    from a2ls_dsl.rl.agents import published_settings
    from a2ls_dsl.rl.compute.device import choose_device
    from a2ls_dsl.rl.envs.task import read_arguments
    from a2ls_dsl.rl.envs.tasks import find_task

    task = find_task(env, read_arguments(env_arg or []))
    kinds = _chosen("kind of observation", obs, KINDS)
    game = task.observations[0] == "pixels" and task.discrete
    if not game:
        kinds = [kind for kind in kinds if kind in task.observations]
    if obs and (game or not kinds):
        raise A2lError(f"--obs would do nothing: {task.name} is seen as frames", "leave it out")
    parts = list(_chosen("part", part, PARTS))
    if task.discrete or "vectors" not in kinds:
        parts = [name for name in parts if name != "search"]
    if game or "pixels" not in kinds:
        if "convolutions" in (part or ()):
            raise A2lError(
                "--part convolutions would do nothing: it measures those of rendered frames",
                "use --obs pixels",
            )
        parts = [name for name in parts if name != "convolutions"]
    of_search = {"--part search": "search" in (part or ()), "--grammar": grammar}
    for option, value in (of_search | {"--hidden": hidden, "--frames": frames}).items():
        if value and "search" not in parts:
            raise A2lError(
                f"{option} would do nothing: it concerns a search's stack, which isn't measured",
                "leave it out, or measure --part search with vectors on a task that has them",
            )
    usual = published_settings(task, 400_000).batch_size
    request = Request(
        parts,
        [GAME] if game else kinds,
        task.discrete,
        batch_size or ([128, 512] if usual in (128, 512) else [usual]),
        Mix(
            grammar or "a2ls", hidden or 64, frames or 50_000, (batch_size or [64])[-1], (members or [16])[-1]
        ),
        members,
        task.name,
        None if loss == "none" else load_one(loss)[1],
        loss,
        seconds,
        computation(precision, compile, not no_capture, choose_device(device)),
        choose_device(device),
    )
    machine = _machine(request)
    if as_json:
        _print_data("machine", machine)
    else:
        print("\n".join(f"{name}: {value}" for name, value in machine.items()))
    for title, rows in measured(request):
        if not as_json:
            print(f"\n{title}")
        for row, line in rows:
            if not as_json:
                print(line, flush=True)
            elif row:
                _print_data(title, row)


def _print_data(part: str, row: dict[str, Any]) -> None:
    """Print an object on a line of its own at once, so that it is kept if a later measurement fails."""
    print(json.dumps({"part": part} | row), flush=True)


def _chosen(what: str, given: Sequence[str] | None, names: Sequence[str]) -> Sequence[str]:
    from a2ls_dsl.diagnostics import unknown

    for name in given or ():
        if name not in names:
            raise unknown(what, name, names)
    return [name for name in names if not given or name in given]


def _machine(request: Request) -> dict[str, Any]:
    import torch

    from a2ls_dsl.rl.envs.pool import usable_cores

    on_gpu = request.device != "cpu"
    return {
        "device": torch.cuda.get_device_name(request.device) if on_gpu else "cpu",
        "cores": usable_cores(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "precision": str(request.computation.precision),
        "captured": on_gpu and request.computation.capture,
        "compiled": request.computation.compile,
        "loss": request.loss_name,
        "env": request.env,
    }

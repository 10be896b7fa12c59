"""`a2l bench`: how fast this machine trains, and how fast it could."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from a2ls_dsl.cli import app
from a2ls_dsl.cli.train import EnvArguments, NoCapture

if TYPE_CHECKING:
    from a2ls_dsl.lang.syntax.tree import Loss
    from a2ls_dsl.rl.bench.environments import EnvironmentSpeed
    from a2ls_dsl.rl.bench.floor import Ceilings
    from a2ls_dsl.rl.bench.training import TrainingSpeed
    from a2ls_dsl.rl.bench.updates import UpdateTime
    from a2ls_dsl.rl.settings import Computation

PARTS = ("updates", "convolutions", "search", "environments", "training")
KINDS = ("vectors", "pixels")
GAME = "game"
"""The kind of observation of games, which have no other."""


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
        typer.Option(min=2, help="Repeatable; 128 and 512 by default, of a game 32, of a search 64."),
    ] = None,
    members: Annotated[
        list[int] | None,
        typer.Option(
            min=1,
            help="Sizes of stacks (repeatable); by default doubled until it takes too long, of a search 16.",
        ),
    ] = None,
    env: Annotated[str, typer.Option(help="The task that is played.")] = "cheetah-run",
    env_arg: EnvArguments = None,
    loss: Annotated[str, typer.Option(help="The auxiliary loss of every member, or none.")] = "a2_winner",
    grammar: Annotated[
        str | None,
        typer.Option(help="Whose losses, drawn at random, a search's stack trains: a2ls by default."),
    ] = None,
    hidden: Annotated[
        int | None, typer.Option(min=1, help="Units in the layers of a search's agents: 64 by default.")
    ] = None,
    frames: Annotated[
        int | None, typer.Option(min=1, help="Of training a candidate of a search: 50,000 by default.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=0.1, help="Time for each measurement, about.")] = 10.0,
    precision: Annotated[str, typer.Option(help="tf32, float32 or bf16.")] = "tf32",
    compile: Annotated[bool, typer.Option("--compile", help="Fuse the losses with torch.compile.")] = False,
    no_capture: NoCapture = False,
    device: Annotated[str | None, typer.Option(help="cpu, cuda; the GPU where there is one.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Machine readable: an object a line.")] = False,
) -> None:
    """Measure updates, environments and training on this machine, beside the least time they can take."""
    from a2ls_dsl.cli.train import computation
    from a2ls_dsl.diagnostics import A2lError
    from a2ls_dsl.lang.load import load_one
    from a2ls_dsl.rl.device import choose_device
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
        parts = [each for each in parts if each != "search"]
    if game or "pixels" not in kinds:
        if "convolutions" in (part or ()):
            raise A2lError(
                "--part convolutions would do nothing: they are those of rendered frames", "use --obs pixels"
            )
        parts = [each for each in parts if each != "convolutions"]
    of_search = {"--part search": "search" in (part or ()), "--grammar": grammar}
    for option, value in (of_search | {"--hidden": hidden, "--frames": frames}).items():
        if value and "search" not in parts:
            raise A2lError(
                f"{option} would do nothing: it is of a search's stack, which isn't measured",
                "leave it out, or measure --part search with vectors on a task that has them",
            )
    request = _Request(
        parts,
        [GAME] if game else kinds,
        task.discrete,
        batch_size or ([32] if game else [64] if task.discrete else [128, 512]),
        _Mix(
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
    for title, rows in _measured(request):
        if not as_json:
            print(f"\n{title}")
        for row, line in rows:
            if not as_json:
                print(line, flush=True)
            elif row:
                _print_data(title, row)


def _print_data(part: str, row: dict[str, Any]) -> None:
    """An object on a line of its own, as soon as there is one: what was measured is kept whatever comes."""
    print(json.dumps({"part": part} | row), flush=True)


@dataclass(frozen=True)
class _Mix:
    """The stack of a search."""

    grammar: str
    hidden: int
    frames: int
    batch_size: int
    members: int


@dataclass(frozen=True)
class _Request:
    parts: Sequence[str]
    kinds: Sequence[str]
    discrete: bool
    batch_sizes: Sequence[int]
    mix: _Mix
    members: Sequence[int] | None
    env: str
    loss: Loss | None
    loss_name: str
    seconds: float
    computation: Computation
    device: str


Rows = Iterator[tuple[dict[str, Any], str]]
"""Rows as data and as a line of text, one after the other as they are measured."""


def _measured(request: _Request) -> Iterator[tuple[str, Rows]]:
    from a2ls_dsl.rl.bench.floor import measure_ceilings

    best: dict[tuple[str, int], UpdateTime] = {}
    if "updates" in request.parts:
        ceilings = measure_ceilings(request.device, request.computation.precision)
        yield "ceilings", _ceilings(ceilings)
        yield "updates", _updates(request, ceilings, best)
    if "convolutions" in request.parts:
        yield "convolutions", _convolutions(request)
    if "search" in request.parts:
        yield "search", _search(request, request.mix)
    if "environments" in request.parts:
        yield "environments", _environments(request)
    if "training" in request.parts:
        yield "training", _training(request, best)


def _ceilings(ceilings: Ceilings) -> Rows:
    copy = f"copy {ceilings.bytes_per_second / 1e9:,.1f} GB/s (read and written)"
    yield asdict(ceilings), f"  {copy}, product {ceilings.operations_per_second / 1e12:,.3f} Tflop/s"


def _updates(request: _Request, ceilings: Ceilings, best: dict[tuple[str, int], UpdateTime]) -> Rows:
    from a2ls_dsl.rl.bench.updates import Case, measure_updates

    yield {}, "  observations  batch  members   ms/member-update     floor   ratio"
    for kind in request.kinds:
        for batch in request.batch_sizes:
            sizes = request.members or [2**power for power in range(8)]
            cases = [Case(kind, batch, size, request.discrete) for size in sizes]
            for row in measure_updates(
                cases, request.loss, ceilings, request.device, request.computation, request.seconds
            ):
                head = f"  {kind:<12}  {batch:>5}  {row.case.members:>7}"
                if row.failed:
                    yield _data(row), f"{head}   fails: {row.failed}"
                    continue
                if row.left_out:
                    yield _data(row), f"{head}   {row.left_out}"
                    if request.members is None:
                        break  # larger stacks would be left out as well
                    continue
                known = best.get((kind, batch))
                if known is None or row.milliseconds < known.milliseconds:
                    best[kind, batch] = row
                times = f"{row.milliseconds:>18.3f}  {row.floor_milliseconds:>8.3f}  {row.ratio:>6.1f}"
                yield _data(row), f"{head}{times}"


def _data(row: UpdateTime) -> dict[str, Any]:
    values = {name: each for name, each in asdict(row).items() if each == each}  # without NaN
    case: dict[str, Any] = values.pop("case")
    return case | values | ({} if row.left_out or row.failed else {"ratio": row.ratio})


def _search(request: _Request, mix: _Mix) -> Rows:
    from dataclasses import replace

    import numpy as np

    from a2ls_dsl.lang.grammar import load_grammar
    from a2ls_dsl.rl.bench.mix import measure_mix
    from a2ls_dsl.rl.envs.tasks import find_task
    from a2ls_dsl.rl.settings import paper_settings
    from a2ls_dsl.search.evolution import first_population
    from a2ls_dsl.search.settings import EvolutionSettings

    task, rng = find_task(request.env), np.random.default_rng(0)
    drawn = first_population(load_grammar(mix.grammar), mix.members, EvolutionSettings(), rng)
    settings = replace(paper_settings(task), batch_size=mix.batch_size, hidden=mix.hidden)
    rows = measure_mix(
        [each.loss for each in drawn],
        *(task, mix.frames, settings, request.device, request.computation, request.seconds),
    )
    sizes = f"hidden {mix.hidden}, batch {mix.batch_size}, {len(drawn)} members"
    yield {}, f"  a first population of {mix.grammar}: {sizes}; candidates of {mix.frames:,} frames"
    yield {}, "  padding  buckets   ms/member-update   ratio  candidates/hour by the updates alone"
    for row in rows:
        ratio, padded = row.milliseconds / rows[0].milliseconds, math.isfinite(row.padding)
        data = asdict(mix) | asdict(row) | {"members": len(drawn), "padding": row.padding if padded else None}
        data |= {"ratio": ratio, "candidates_per_hour": row.candidates_per_hour}
        head = f"  {row.padding if padded else 'any':>7}  {row.buckets:>7}"
        yield data, f"{head}  {row.milliseconds:>17.3f}  {ratio:>6.3f}  {row.candidates_per_hour:>15,.1f}"


def _convolutions(request: _Request) -> Rows:
    from a2ls_dsl.rl.bench.convolutions import measure_convolutions
    from a2ls_dsl.rl.convolutions import Way

    members = request.members or ([1, 8, 32] if request.device != "cpu" else [1])
    yield {}, "  batch  members" + "".join(f"  {way:>9}" for way in Way) + "   ms/member, forward and back"
    sizes = [(batch, size) for batch in request.batch_sizes for size in members]
    for row in measure_convolutions(sizes, request.device, request.computation):
        head = f"  {row.batch_size:>5}  {row.members:>7}"
        if row.failed:
            yield asdict(row), f"{head}   fails: {row.failed}"
        else:
            times = "".join(f"  {row.milliseconds[way]:>9.3f}" for way in Way)
            yield asdict(row) | {"chosen": row.chosen}, f"{head}{times}   {row.chosen}"


def _environments(request: _Request) -> Rows:
    from a2ls_dsl.rl.bench.environments import measure_environments
    from a2ls_dsl.rl.envs.tasks import find_task

    task = find_task(request.env)
    kinds = task.observations if GAME in request.kinds else request.kinds
    for speed in measure_environments(task, kinds, request.seconds / 2):
        yield asdict(speed), f"  {speed.back_end:<10} {_speed(speed, task.action_repeat)}"


def _speed(speed: EnvironmentSpeed, repeat: int) -> str:
    if speed.failed:
        return f"fails: {speed.failed}"
    steps = speed.steps_per_second
    return f"{steps:>9,.0f} agent steps/s = {steps * repeat:>9,.0f} frames/s, {speed.workers} workers"


def _training(request: _Request, best: dict[tuple[str, int], UpdateTime]) -> Rows:
    from dataclasses import replace

    from a2ls_dsl.diagnostics import A2lError
    from a2ls_dsl.rl.agents import algorithm_for, published_settings
    from a2ls_dsl.rl.bench.training import measure_training
    from a2ls_dsl.rl.bench.updates import reason
    from a2ls_dsl.rl.envs.tasks import find_task

    task = find_task(request.env)
    for kind in request.kinds:
        for batch in request.batch_sizes:
            alone = best.get((kind, batch))
            if "updates" in request.parts and alone is None:
                yield {}, f"  {kind}, batch {batch}: left out, as its updates were"
                continue
            size = alone.case.members if alone else (request.members or [1])[-1]
            settings = replace(published_settings(task, 400_000), batch_size=batch)
            try:
                speed = measure_training(
                    task,
                    request.loss,
                    size,
                    settings,
                    algorithm_for(task).pixels(task, None if kind == GAME else kind),
                    request.device,
                    request.computation,
                    request.seconds,
                )
            except (A2lError, RuntimeError) as error:
                why = error.message if isinstance(error, A2lError) else reason(error)
                yield {"observations": kind, "failed": why}, f"  {kind}: fails: {why}"
                continue
            share = alone.milliseconds / speed.milliseconds if alone else None
            data = asdict(speed) | {"candidates_per_hour": speed.candidates_per_hour, "of_learner": share}
            yield data, _trained(speed, share)


def _trained(speed: TrainingSpeed, share: float | None) -> str:
    parts = ", ".join(
        f"{name} {part:.0%}" for name, part in sorted(speed.shares.items(), key=lambda each: -each[1])
    )
    of = f" = {share:.0%} of the updates alone" if share is not None else ""
    return (
        f"  {speed.observations}, batch {speed.batch_size}, {speed.members} members: "
        f"{speed.updates_per_second:,.1f} member-updates/s{of}; "
        f"{speed.candidates_per_hour:,.1f} candidates of 100,000 frames an hour\n    time: {parts}"
    )


def _chosen(what: str, given: Sequence[str] | None, known: Sequence[str]) -> Sequence[str]:
    from a2ls_dsl.diagnostics import unknown

    for each in given or ():
        if each not in known:
            raise unknown(what, each, known)
    return [each for each in known if not given or each in given]


def _machine(request: _Request) -> dict[str, Any]:
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

"""What `a2l bench` measures, as rows of data, each with a line of text."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from a2ls_dsl.lang.syntax.tree import Loss
    from a2ls_dsl.rl.bench.environments import EnvironmentSpeed
    from a2ls_dsl.rl.bench.floor import Ceilings
    from a2ls_dsl.rl.bench.training import TrainingSpeed
    from a2ls_dsl.rl.bench.updates import UpdateTime
    from a2ls_dsl.rl.envs.task import Task
    from a2ls_dsl.rl.settings import Computation, SacSettings


GAME = "game"
"""The one kind of observation that games have."""


@dataclass(frozen=True)
class Mix:
    """The stack of a search."""

    grammar: str
    hidden: int
    frames: int
    batch_size: int
    members: int


@dataclass(frozen=True)
class Request:
    parts: Sequence[str]
    kinds: Sequence[str]
    discrete: bool
    batch_sizes: Sequence[int]
    mix: Mix
    members: Sequence[int] | None
    env: str
    loss: Loss | None
    loss_name: str
    seconds: float
    computation: Computation
    device: str


Rows = Iterator[tuple[dict[str, Any], str]]
"""Rows as data and as a line of text, given as they are measured."""


def measured(request: Request) -> Iterator[tuple[str, Rows]]:
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
        yield "stacks", _stacks(request, request.mix)
    if "environments" in request.parts:
        yield "environments", _environments(request)
    if "training" in request.parts:
        yield "training", _training(request, best)


def _ceilings(ceilings: Ceilings) -> Rows:
    copy = f"copy {ceilings.bytes_per_second / 1e9:,.1f} GB/s (read and written)"
    yield asdict(ceilings), f"  {copy}, product {ceilings.operations_per_second / 1e12:,.3f} Tflop/s"


def _updates(request: Request, ceilings: Ceilings, best: dict[tuple[str, int], UpdateTime]) -> Rows:
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
                fastest = best.get((kind, batch))
                if fastest is None or row.milliseconds < fastest.milliseconds:
                    best[kind, batch] = row
                times = f"{row.milliseconds:>18.3f}  {row.floor_milliseconds:>8.3f}  {row.ratio:>6.1f}"
                yield _data(row), f"{head}{times}"


def _data(row: UpdateTime) -> dict[str, Any]:
    values = {name: value for name, value in asdict(row).items() if value == value}  # without NaN
    case: dict[str, Any] = values.pop("case")
    return case | values | ({} if row.left_out or row.failed else {"ratio": row.ratio})


def _search(request: Request, mix: Mix) -> Rows:
    from a2ls_dsl.rl.bench.mix import measure_mix

    losses, training = _of_search(request, mix)
    rows = measure_mix(losses, *training)
    sizes = f"hidden {mix.hidden}, batch {mix.batch_size}, {len(losses)} members"
    yield {}, f"  a first population of {mix.grammar}: {sizes}; candidates of {mix.frames:,} frames"
    yield {}, "  padding  buckets   ms/member-update   ratio  candidates/hour by the updates alone"
    for row in rows:
        ratio, padded = row.milliseconds / rows[0].milliseconds, math.isfinite(row.padding)
        data = (
            asdict(mix) | asdict(row) | {"members": len(losses), "padding": row.padding if padded else None}
        )
        data |= {"ratio": ratio, "candidates_per_hour": row.candidates_per_hour}
        head = f"  {row.padding if padded else 'any':>7}  {row.buckets:>7}"
        yield data, f"{head}  {row.milliseconds:>17.3f}  {ratio:>6.3f}  {row.candidates_per_hour:>15,.1f}"


def _stacks(request: Request, mix: Mix) -> Rows:
    from a2ls_dsl.rl.bench.stacks import measure_stacks

    losses, training = _of_search(request, mix)
    yield {}, "  processes   ms/member-update   ratio  candidates/hour with physics, without evaluations"
    first = math.nan
    for row in measure_stacks(losses, *training):
        first = row.milliseconds if math.isnan(first) else first
        ratio = row.milliseconds / first
        data = asdict(mix) | asdict(row) | {"members": len(losses)}
        data |= {"ratio": ratio, "candidates_per_hour": row.candidates_per_hour}
        line = f"  {row.stacks:>9}  {row.milliseconds:>17.3f}  {ratio:>6.3f}"
        yield data, f"{line}  {row.candidates_per_hour:>15,.1f}"


def _of_search(
    request: Request, mix: Mix
) -> tuple[list[Loss], tuple[Task, int, SacSettings, str, Computation, float]]:
    """The losses of a search's stack, as `a2l evolve` draws them by default, and how they train."""
    from dataclasses import replace

    import numpy as np

    from a2ls_dsl.rl.envs.tasks import find_task
    from a2ls_dsl.rl.settings import paper_settings
    from a2ls_dsl.search.settings import EvolutionSettings, SearchSettings, default_operator
    from a2ls_dsl.search.strategies.evolution import first_population

    task, rng = find_task(request.env), np.random.default_rng(0)
    search = SearchSettings(request.env, grammar=mix.grammar, operator=default_operator(mix.grammar))
    drawn = first_population(search.space(), mix.members, EvolutionSettings(), rng)
    settings = replace(paper_settings(task), batch_size=mix.batch_size, hidden=mix.hidden)
    training = task, mix.frames, settings, request.device, request.computation, request.seconds
    return [member.loss for member in drawn], training


def _convolutions(request: Request) -> Rows:
    from a2ls_dsl.rl.bench.convolutions import measure_convolutions
    from a2ls_dsl.rl.networks.convolutions import Arrangement

    members = request.members or ([1, 8, 32] if request.device != "cpu" else [1])
    yield (
        {},
        "  batch  members" + "".join(f"  {way:>9}" for way in Arrangement) + "   ms/member, forward and back",
    )
    sizes = [(batch, size) for batch in request.batch_sizes for size in members]
    for row in measure_convolutions(sizes, request.device, request.computation):
        head = f"  {row.batch_size:>5}  {row.members:>7}"
        if row.failed:
            yield asdict(row), f"{head}   fails: {row.failed}"
        else:
            times = "".join(f"  {row.milliseconds[way]:>9.3f}" for way in Arrangement)
            yield asdict(row) | {"chosen": row.chosen}, f"{head}{times}   {row.chosen}"


def _environments(request: Request) -> Rows:
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


def _training(request: Request, best: dict[tuple[str, int], UpdateTime]) -> Rows:
    from dataclasses import replace

    from a2ls_dsl.diagnostics import A2lError, reason
    from a2ls_dsl.rl.agents import algorithm_for, published_settings
    from a2ls_dsl.rl.bench.training import measure_training
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
        f"{name} {part:.0%}" for name, part in sorted(speed.shares.items(), key=lambda item: -item[1])
    )
    of = f" = {share:.0%} of the updates alone" if share is not None else ""
    return (
        f"  {speed.observations}, batch {speed.batch_size}, {speed.members} members: "
        f"{speed.updates_per_second:,.1f} member-updates/s{of}; "
        f"{speed.candidates_per_hour:,.1f} candidates of 100,000 frames an hour\n    time: {parts}"
    )

"""`a2l tasks`: where a score tells something about a loss, and what that costs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from a2ls_dsl.cli.application import app

if TYPE_CHECKING:
    from a2ls_dsl.search.signal import Signal


@app.command()
def tasks(
    env: Annotated[list[str] | None, typer.Argument(help="Tasks; by default all that were measured.")] = None,
    collect: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE.toml", help="Add what these experiments measured (repeatable)."),
    ] = None,
    table: Annotated[
        Path | None, typer.Option(metavar="FILE.csv", help="A table instead of the shipped one.")
    ] = None,
) -> None:
    """Say on which tasks, at which scale, one seed tells losses apart, and what a run costs."""
    from a2ls_dsl.rl.envs.tasks import find_task
    from a2ls_dsl.search.signal import cheapest, path, read

    if collect:
        _collect(collect, table or path())
    rows = read(table)
    wanted = [find_task(name).name for name in env] if env else sorted({row.task for row in rows})
    print("score: area under the curve, one seed; ICC: its correlation with another seed's, over losses")
    for name in wanted:
        own = [row for row in rows if row.task == name]
        chosen = cheapest(rows, name)
        print(f"\n{name}: {_advice(chosen) if own else 'not measured; see docs/search.md for how'}")
        if own:
            print(
                "   frames  hidden  batch  learning rate    ICC        p    none    best"
                "  CPU s a run  runs/hour"
            )
        for row in own:
            mark = "*" if row == chosen else " "
            print(
                f"{mark} {row.frames:>7,}  {row.hidden:>6}  {row.batch_size:>5}  {row.learning_rate:>13g}"
                f"  {row.icc:>5.2f}  {row.p:>7.2g}  {row.none:>6.1f}  {row.best:>6.1f}"
                f"  {row.seconds:>11.1f}  {row.candidates_an_hour:>9,.0f}"
            )


def _advice(chosen: Signal | None) -> str:
    if chosen is None:
        return "one seed doesn't tell losses apart at any measured scale"
    return f"one seed tells losses apart from {chosen.frames:,} frames, {chosen.hidden} hidden units on"


def _collect(files: list[Path], table: Path) -> None:
    """Write what experiments measured into the table, anew where it has a task at that size already.

    Raises `A2lError`, and keeps the table, if an experiment has nothing for it.
    """
    from a2ls_dsl.diagnostics import A2lError
    from a2ls_dsl.experiment.collect import collect
    from a2ls_dsl.experiment.plan import read
    from a2ls_dsl.experiment.signal import signals
    from a2ls_dsl.search import signal

    rows = {file: list(signals(collect(read(file)))) for file in files}
    for file, own in rows.items():
        if not own:
            raise A2lError(
                f"{file} has no seed that all of its arms were trained with", f"run a2l experiment run {file}"
            )
    measured = [row for own in rows.values() for row in own]
    sizes = {row.size for row in measured}
    others = [row for row in signal.read(table) if row.size not in sizes] if table.exists() else []
    signal.store([*others, *measured], table)

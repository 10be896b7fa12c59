"""`a2l study`: what is in a study; its tables for other programs; several of them as one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from a2ls_dsl.cli.application import app
from a2ls_dsl.cli.plugin import Commands
from a2ls_dsl.english import count

if TYPE_CHECKING:
    from a2ls_dsl.report.summary import Summary
    from a2ls_dsl.search.candidates import Candidate

commands = Commands(help="See what is in a study, export it, merge several.")
app.add_typer(commands, name="study", no_args_is_help=True)

StudyFolder = Annotated[Path, typer.Argument(metavar="STUDY", help="The folder of a study.")]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE", help="A file instead of the terminal.")
]
LINEAGE = 12
"""How many of the nearest ancestors of the best are listed."""


class TableName(StrEnum):
    """The tables of a study."""

    CANDIDATES = "candidates"
    RUNS = "runs"
    CURVES = "curves"


class ExportFormat(StrEnum):
    """Machine-readable formats."""

    CSV = "csv"
    JSON = "json"


@commands.command()
def show(
    study: StudyFolder, as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False
) -> None:
    """What is in a study: settings, what became of candidates, gates, slots, cost, the best's ancestors."""
    import json

    from a2ls_dsl.report.summary import summarise
    from a2ls_dsl.search.study.records import Records

    with Records(study) as records:
        summary = summarise(records)
    if as_json:
        print(json.dumps(_as_data(summary), indent=2))
    else:
        print("\n".join(_lines(summary)))


@commands.command()
def export(
    study: StudyFolder,
    table: Annotated[TableName, typer.Option(help="Which table.")] = TableName.CANDIDATES,
    kind: Annotated[
        ExportFormat | None,
        typer.Option("--format", help="csv or json; by default that of a FILE.json, else csv."),
    ] = None,
    output: Output = None,
) -> None:
    """Write candidates, runs or learning curves as CSV or JSON."""
    from a2ls_dsl.report.export import export as write
    from a2ls_dsl.search.study.records import Records

    if kind is None:
        named = output is not None and output.suffix.lower() == ".json"
        kind = ExportFormat.JSON if named else ExportFormat.CSV
    with Records(study) as records, opened(output) as file:
        number = write(records, table, kind, file)
    if output:
        print(f"{count(number, 'row')} in {output}")


@commands.command()
def merge(
    studies: Annotated[list[Path], typer.Argument(metavar="STUDY STUDY...", help="Two or more folders.")],
    into: Annotated[Path, typer.Option("--into", metavar="DIR", help="The new study's folder.")],
) -> None:
    """Merge studies with the same settings but different seeds into a new one; they stay as they are."""
    from a2ls_dsl.search.study.merge import merge as unite

    merged = unite(studies, into)
    print(
        f"{into}: {count(merged.candidates, 'candidate')} and {count(merged.runs, 'run')} "
        f"of {len(merged.parts)} studies"
    )
    if merged.shared:
        print(f"{merged.shared:,} candidates were in more than one study and are kept once")
    if merged.unfinished:
        left = count(merged.unfinished, "run that has", "runs that have")
        print(f"left out: {left} not ended; let the studies finish and merge them again")


@contextmanager
def opened(output: Path | None) -> Iterator[TextIO]:
    """The terminal, or a file that is written as a whole or not at all. Raises `A2lError`."""
    import io
    import os
    import sys

    from a2ls_dsl.lang.files import unwritable, write

    if output is None:
        try:
            yield sys.stdout
            sys.stdout.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            # What is left in the buffer couldn't be written either when the process ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise unwritable("the output", error) from None
        return
    text = io.StringIO()
    yield text
    write(output, text.getvalue())


def _lines(summary: Summary) -> Iterator[str]:
    from a2ls_dsl.cli.console import duration

    settings, cost = summary.settings, summary.cost
    yield (
        f"{settings.where}, {settings.frames:,} frames a run: strategy {settings.strategy}, grammar "
        f"{settings.grammar}, operator {settings.operator}, seed {settings.seed}, a2ls_dsl {summary.version}"
    )
    for part in summary.parts:
        yield f"merged from {part.name}: {count(part.candidates, 'candidate')}, seed {part.seed}"
    counts = ", ".join(f"{number:,} {status}" for status, number in summary.counts.items() if number)
    state = "" if summary.complete else "; it has not ended"
    yield (
        f"candidates: {counts or 'none yet'} ({count(settings.generations, 'generation')} of "
        f"{settings.population}){state}"
    )
    for gate in summary.gates:
        yield (
            f"gate {gate.name}: {gate.passed:,} passed, {gate.stopped:,} stopped ({gate.share:.0%}), "
            f"{gate.frames:,} frames saved"
        )
    for rung in summary.rungs:
        yield str(rung)
    if summary.occupied is not None:
        yield f"slots: {summary.slots}, in use {summary.occupied:.0%} of the time"
    killed = cost.sessions - cost.timed
    lost = "of unknown time that was killed or still runs", "of unknown time that were killed or still run"
    unknown = f", and {count(killed, *lost)}" if killed > 0 else ""
    yield (
        f"cost: {cost.frames:,} frames; {duration(cost.seconds)} in {cost.timed} "
        f"session{'s' * (cost.timed != 1)}{unknown}"
    )
    if summary.best is None:
        yield "nothing is scored yet"
        return
    yield ""
    yield f"the best, {summary.best.grounds}, and its ancestors, the newest first:"
    newest = summary.lineage[::-1]
    for ancestor in newest[:LINEAGE]:
        yield _relative(ancestor)
    if len(newest) > LINEAGE:
        yield f"  ... and {len(newest) - LINEAGE} older"


def _relative(ancestor: Candidate) -> str:
    score = "" if ancestor.score is None else f"{ancestor.score:.1f}"
    parents = f" of {' and '.join(key[:8] for key in ancestor.parents)}" if ancestor.parents else ""
    origin = f"generation {ancestor.generation}, {ancestor.origin}{parents}"
    return f"  {ancestor.key[:8]}  {score:>7}  {origin}: {ancestor.text}"


def _as_data(summary: Summary) -> dict[str, Any]:
    """The summary as plain data."""
    import json
    from dataclasses import asdict

    return {
        "settings": json.loads(summary.settings.to_json()),
        "version": summary.version,
        "parts": [asdict(part) for part in summary.parts],
        "complete": summary.complete,
        "counts": {str(status): number for status, number in summary.counts.items()},
        "gates": [asdict(gate) for gate in summary.gates],
        "rungs": [asdict(rung) for rung in summary.rungs],
        "cost": asdict(summary.cost),
        "slots": summary.slots,
        "occupied": summary.occupied,
        "began": summary.began,
        "ended": summary.ended,
        "lineage": [
            {
                "key": ancestor.key,
                "score": ancestor.score,
                "generation": ancestor.generation,
                "origin": str(ancestor.origin),
                "parents": list(ancestor.parents),
                "loss": ancestor.text,
            }
            for ancestor in summary.lineage
        ],
    }

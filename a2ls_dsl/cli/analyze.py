"""`a2l analyze`: what a study shows, as tables."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from a2ls_dsl.cli.application import app

if TYPE_CHECKING:
    from collections.abc import Sequence

    from a2ls_dsl.report.tables import Table


class Kind(StrEnum):
    """The tables of an analysis."""

    ALL = "all"
    VERDICT = "verdict"
    HALL = "hall"
    VALIDATION = "validation"
    GATES = "gates"
    PATTERNS = "patterns"


class Format(StrEnum):
    """How tables are written."""

    TEXT = "text"
    CSV = "csv"
    JSON = "json"


Against = Annotated[
    Path | None,
    typer.Option(
        "--against", metavar="STUDY", help="A random search to compare with; the one beside it by default."
    ),
]


@app.command()
def analyze(
    study: Annotated[Path, typer.Argument(metavar="STUDY", help="The folder of a study.")],
    table: Annotated[Kind, typer.Option(help="Which table.")] = Kind.ALL,
    kind: Annotated[Format, typer.Option("--format", help="text, csv or json.")] = Format.TEXT,
    number: Annotated[
        int, typer.Option("-n", "--number", min=1, help="How many of the best losses to show.")
    ] = 10,
    against: Against = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE")] = None,
) -> None:
    """Say what a study shows: verdict, hall of fame with intervals, gates, patterns of good losses."""
    import json

    from a2ls_dsl.cli.study import opened
    from a2ls_dsl.diagnostics import A2lError
    from a2ls_dsl.report.export import write_csv
    from a2ls_dsl.report.gather import tables

    results = [result for result in tables(study, number, against) if table in (Kind.ALL, result.name)]
    if not results:
        raise A2lError(f"the study {study} is not validated", f"run `a2l validate {study}` first")
    if kind is Format.CSV and len(results) > 1:
        raise A2lError(
            "CSV holds one table", f"choose one: --table {', '.join(result.name for result in results)}"
        )
    with opened(output) as file:
        if kind is Format.JSON:
            data = {
                result.name: {"rows": list(result.records()), "notes": result.notes} for result in results
            }
            file.write(json.dumps(data, indent=1) + "\n")
        elif kind is Format.CSV:
            write_csv(results[0].flat(), file)
        else:
            _print(results, None if output is None else file)


def _print(tables: Sequence[Table], file: object) -> None:
    from rich.console import Console
    from rich.text import Text

    from a2ls_dsl.cli.tables import fitted, show

    console = Console(file=file, highlight=False)  # type: ignore[arg-type]
    for place, table in enumerate(tables):
        if place:
            console.print()
        show(console, Text(table.title, style="bold"))
        if table.rows:
            show(console, fitted(table))
        for note in table.notes:
            show(console, Text(note, style="dim"))

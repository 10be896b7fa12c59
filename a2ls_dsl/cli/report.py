"""`a2l report`: a study as one page that opens in a browser, offline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from a2ls_dsl.cli.analyze import Against
from a2ls_dsl.cli.application import app


@app.command()
def report(
    study: Annotated[Path, typer.Argument(metavar="STUDY", help="The folder of a study.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="By default STUDY/report.html.")
    ] = None,
    against: Against = None,
) -> None:
    """Write one HTML file that shows a study: verdict, evolution, curves, best losses, gates, cost."""
    from a2ls_dsl.lang.files import write
    from a2ls_dsl.report.build import NAME
    from a2ls_dsl.report.build import report as build

    text, claims = build(study, against)
    target = output or study / NAME
    write(target, text)
    for claim in claims:
        print(f"{claim.question} {claim.answer}: {claim.why}")
    print(f"{target}: {len(text.encode()) / 1e6:.2f} MB, open it in a browser")

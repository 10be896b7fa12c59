"""`a2l best`: what a search has found so far."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from a2ls_dsl.cli.application import app

if TYPE_CHECKING:
    from a2ls_dsl.search.candidates import Candidate
    from a2ls_dsl.search.settings import SearchSettings


@app.command()
def best(
    study: Annotated[Path, typer.Argument(metavar="STUDY", help="The folder of a study.")],
    number: Annotated[int, typer.Option("-n", "--number", min=1, help="How many candidates.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
) -> None:
    """Print the leaderboard of a study, also while it runs."""
    import json

    from a2ls_dsl.report.standing import BOARD
    from a2ls_dsl.search.study.reader import StudyReader

    with StudyReader(study) as reader:
        board, counts, settings = reader.leaderboard(max(number, BOARD)), reader.counts(), reader.settings
    if as_json:
        print(json.dumps(_as_data(board, settings, number), indent=2))
        return
    from rich.console import Console

    from a2ls_dsl.cli.evolve_view import leaderboard, ranking
    from a2ls_dsl.cli.tables import show

    summary = ", ".join(f"{number} {status}" for status, number in counts.items() if number)
    print(
        "; ".join(filter(None, [f"{settings.where}, {settings.frames:,} frames: {summary}", ranking(board)]))
    )
    show(Console(highlight=False), leaderboard(board, number))


def _as_data(board: list[Candidate], settings: SearchSettings, number: int) -> dict[str, Any]:
    """The leaderboard as plain data; a reference has no rank."""
    from a2ls_dsl.search.candidates import centred, fresh_levels, ranked

    levels = fresh_levels(board)
    rows = [
        {
            "rank": rank,
            "ranked_by": centred(candidate.fresh, levels) if candidate.fresh else candidate.score,
            "score": candidate.score,
            "training_score": candidate.training_score,
            "fresh_score": candidate.fresh_score,
            "fresh_error": candidate.fresh_error,
            "fresh_runs": candidate.fresh_runs,
            "generation": candidate.generation,
            "origin": candidate.origin,
            "parents": candidate.parents,
            "key": candidate.key,
            "name": candidate.name or None,
            "loss": candidate.text,
        }
        for rank, candidate in ranked(board, number)
    ]
    about = ("env", "grammar", "strategy", "operator", "frames", "seed", "deterministic")
    return {name: getattr(settings, name) for name in about} | {"leaderboard": rows}

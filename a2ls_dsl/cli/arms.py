"""Several losses in one `a2l train`: which ones, their returns side by side, how they compare at the end."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from a2ls_dsl.cli.tables import Fitted
    from a2ls_dsl.lang.syntax.tree import Loss
    from a2ls_dsl.report.arms import Arm, Beside
    from a2ls_dsl.rl.runs.folder import RunFolder
    from a2ls_dsl.rl.runs.trainer import Evaluation, Plan

CELL = 14
"""Characters of a return with its spread: ` 1000.0 ±100.0`."""
SEEDS = 3
"""Without this many there is no interval."""


def losses(text: str, name: str | None) -> dict[str, Loss | None]:
    """The losses that --loss and --name give, by name, in their order. A path may contain commas itself.

    Raises `A2lError` for a wrong name, a repeated loss, and a --name that would do nothing.
    """
    from a2ls_dsl.diagnostics import A2lError

    texts = [text] if os.path.lexists(text) else [part.strip() for part in text.split(",")]
    if len(texts) > 1 and not all(texts):
        raise A2lError(f"a name is missing in --loss {text}", "write names with one comma between them")
    if len(texts) > 1 and name is not None:
        raise A2lError(
            f"--name chooses a loss of one file, and --loss names {len(texts)}",
            "leave it out: the last loss of each file is taken",
        )
    if texts == ["none"] and name is not None:
        raise A2lError("--name would do nothing: there is no loss to look for", "leave it out")
    arms: dict[str, Loss | None] = {}
    for part in texts:
        label, loss = _loss(part, name)
        twin = next((other for other, tree in arms.items() if tree == loss), None)
        if twin is not None:
            words = f"stands twice in --loss {text}" if twin == label else f"and `{twin}` are the same loss"
            raise A2lError(f"`{label}` {words}", "name it once; for more runs of it use --seeds")
        if label in arms:
            raise A2lError(
                f"two different losses of --loss {text} are called `{label}`", "rename one in its file"
            )
        arms[label] = loss
    return arms


def _loss(text: str, name: str | None) -> tuple[str, Loss | None]:
    from a2ls_dsl.diagnostics import near, unknown
    from a2ls_dsl.lang.files import SUFFIX, shipped
    from a2ls_dsl.lang.load import load_one

    if text == "none":
        return text, None
    names = ("none", *shipped("losses", SUFFIX))
    if near(text, names) == "none" and not os.path.lexists(text):
        raise unknown("loss", text, names)
    return load_one(text, name)


def header(plan: Plan) -> str:
    """The heading of the lines of `evaluation`."""
    return "  ".join([f"{'':>9} frames", *(arm.rjust(CELL) for arm in _places(plan))])


def evaluation(event: Evaluation, plan: Plan) -> str:
    """A line: the mean over the seeds of each arm, with their standard deviation if there are several."""
    cells = []
    for places in _places(plan).values():
        returns = event.mean_return[places]
        spread = f"±{returns.std(ddof=1):.1f}" if len(places) > 1 else ""
        cells.append(f"{returns.mean():.1f} {spread:>6}")
    line = "  ".join(
        [
            f"{event.frames:>9,} frames",
            *(cell.rjust(max(CELL, len(arm))) for arm, cell in zip(_places(plan), cells, strict=True)),
        ]
    )
    diverged = [name for name, gone in zip(plan.curves, event.diverged, strict=True) if gone]
    return f"{line}  diverged and stopped: {', '.join(diverged)}" if diverged else line


def trained(folder: RunFolder) -> list[Arm]:
    """The arms of a run with their curves so far."""
    from a2ls_dsl.report.arms import Arm
    from a2ls_dsl.rl.runs.curve import Point

    def curve(member: int) -> list[Point]:
        return [
            Point(int(row["frames"]), (row["return"],), row["training_return"]) for row in folder.rows[member]
        ]

    plan = folder.trainer.plan
    return [
        Arm(name, {plan.seeds[member]: curve(member) for member in members})
        for name, members in _places(plan).items()
    ]


def summary(arms: list[Arm], learning: int) -> tuple[Fitted, Iterator[str]]:
    """How the arms compare, and notes on the table. learning: the frames at which learning begins."""
    from a2ls_dsl.cli.tables import Column, Fitted
    from a2ls_dsl.report.arms import beside_reference, reference

    base, rows = reference(arms).name, beside_reference(arms, learning)
    names = ("score", "±", f"vs {base}", "interval")
    columns = (Column("loss"), *(Column(name, right=True) for name in names), Column(""))
    return Fitted(columns, tuple(_row(row) for row in rows)), _notes(rows, learning)


def _row(row: Beside) -> tuple[str, ...]:
    cells = (row.arm.name, _figure(row.mean, ""), _figure(row.spread, ""))
    if row.lead is None:
        return (*cells, "", "", "")
    lead = row.lead
    span = f"{lead.low:+.1f} to {lead.high:+.1f}" if lead.bounded else ""
    answer = ("better" if lead.value > 0 else "worse") if lead.excludes(0.0) else "can't be said"
    return (*cells, _figure(lead.value, "+"), span, answer)


def _figure(value: float, sign: str) -> str:
    return "" if math.isnan(value) else f"{value:{sign}.1f}"


def _notes(rows: tuple[Beside, ...], learning: int) -> Iterator[str]:
    leads = [row.lead for row in rows if row.lead is not None]
    yield f"score: mean return of evaluations and training after {learning:,} frames, where learning begins"
    if any(math.isnan(row.mean) for row in rows):
        yield "there is no such evaluation: train for more --frames"
    elif any(lead.bounded for lead in leads):
        yield f"interval: of the difference, 95 %{' for all of them together' if len(leads) > 1 else ''}"
    elif len(rows[0].arm.curves) < SEEDS:
        yield f"an interval takes {SEEDS} seeds or more: --seeds {SEEDS}"


def _places(plan: Plan) -> dict[str, list[int]]:
    """The places of each arm's members in the stack."""
    places: dict[str, list[int]] = {}
    for place, arm in enumerate(plan.arms):
        places.setdefault(arm, []).append(place)
    return places

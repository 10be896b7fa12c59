"""The tables of an analysis, as data: hall of fame, gates, patterns, validation, verdict."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from a2ls_dsl.english import count
from a2ls_dsl.report.comparison import compare
from a2ls_dsl.report.patterns import PatternTable
from a2ls_dsl.report.regression import stars
from a2ls_dsl.report.standing import lead, named, no_loss
from a2ls_dsl.report.statistics import Interval, mean_interval
from a2ls_dsl.report.summary import Summary
from a2ls_dsl.report.verdict import Claim
from a2ls_dsl.search.candidates import NO_LOSS, ranked
from a2ls_dsl.search.patterns import MEANING
from a2ls_dsl.search.study.records import Records
from a2ls_dsl.search.study.validation import Validation

Cell: TypeAlias = str | int | float | Interval | None


@dataclass(frozen=True)
class Table:
    """Rows under named columns. notes: what a reader must know, in sentences. wide: the columns of running
    text."""

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()
    wide: tuple[str, ...] = ()

    def records(self) -> Iterator[dict[str, Any]]:
        """The rows as plain data: an interval as its value and its ends, None for unknown values."""
        for row in self.rows:
            yield {name: plain(cell) for name, cell in zip(self.columns, row, strict=True)}

    def flat(self) -> Iterator[dict[str, Any]]:
        """The same for CSV: the ends of intervals as columns of their own."""
        with_ends = {
            name
            for place, name in enumerate(self.columns)
            if any(isinstance(row[place], Interval) for row in self.rows)
        }
        for record in self.records():
            columns: dict[str, Any] = {}
            for name, value in record.items():
                if name in with_ends:
                    ends = value or dict.fromkeys(("value", "low", "high"))
                    columns |= {name: ends["value"], f"{name} low": ends["low"], f"{name} high": ends["high"]}
                else:
                    columns[name] = value
            yield columns


def plain(cell: Cell) -> Any:
    """A cell as a JSON value."""
    if isinstance(cell, Interval):
        return {"value": plain(cell.value), "low": plain(cell.low), "high": plain(cell.high)}
    return None if isinstance(cell, float) and not math.isfinite(cell) else cell


def formatted(cell: Cell, digits: int = 1, sign: bool = False) -> str:
    """A cell as text: `402.1 [388.0, 416.2]`; empty for unknown values."""
    plus = "+" if sign else ""
    match cell:
        case None:
            return ""
        case Interval(value, low, high):
            if math.isnan(value):
                return ""
            ends = f" [{low:{plus}.{digits}f}, {high:{plus}.{digits}f}]" if cell.bounded else ""
            return f"{value:{plus}.{digits}f}{ends}"
        case float():
            return "" if math.isnan(cell) else f"{cell:{plus}.{digits}f}"
        case int():
            return f"{cell:,}"
        case _:
            return cell


def hall_table(study: Records, limit: int = 10) -> Table:
    """The best of a study and its references, with intervals over their independent runs."""
    board = study.leaderboard(limit)
    none = no_loss(board)
    rows = []
    for rank, candidate in ranked(board, limit):
        fresh = mean_interval(list(candidate.fresh.values())) if candidate.fresh else None
        better = lead(candidate, none) if none and candidate is not none else None
        generation = None if candidate.is_reference else candidate.generation
        about = generation, str(candidate.origin), candidate.text
        rows.append((rank, named(candidate), fresh, candidate.fresh_runs, better, candidate.score, *about))
    return Table(
        "hall",
        "Hall of fame",
        ("rank", "name", "fresh seeds", "runs", "vs none", "search score", "generation", "origin", "loss"),
        tuple(rows),
        (
            "fresh seeds, vs none: mean over runs with fresh seeds, and its difference to no auxiliary "
            "loss on the seeds that both have, with 95 % intervals of each row alone; the verdict's "
            "intervals hold for the best of all.",
            "search score: of the one search run by which candidates were chosen, so partly luck.",
        ),
        ("loss",),
    )


def gate_table(summary: Summary) -> Table:
    """What each gate and rung stopped, and what that was worth."""
    full = summary.cost.frames + sum(gate.frames for gate in summary.gates)
    rows = tuple(
        (
            gate.name,
            gate.passed,
            gate.stopped,
            100 * gate.share,
            gate.frames,
            gate.frames / summary.settings.frames,
            100 * gate.frames / max(full, 1),
        )
        for gate in summary.gates
    )
    return Table(
        "gates",
        "Gates",
        ("gate", "passed", "stopped", "stopped %", "frames saved", "full runs saved", "of all %"),
        rows,
        (
            "saved: what candidates would still have trained when they were stopped; of all: as a share of "
            "what the same candidates would have taken without any gate.",
            "Whether a stopped candidate would have become good is unknown, as it did not train on.",
            *_rung_notes(summary),
        )
        if rows
        else ("This search has no gates and no rungs.",),
    )


def _rung_notes(summary: Summary) -> list[str]:
    """Which rungs are open and why; empty for a search without rungs."""
    rungs = summary.settings.rungs
    if not (summary.rungs and rungs):
        return []
    rule = (
        f"A rung stops candidates once {rungs.grace} or more have trained to their end and the rank "
        f"correlation of their areas before and after it is surely (95 %) above {rungs.correlation:g}."
    )
    return [rule, *(f"{rung}." for rung in summary.rungs)]


PLAIN_FINDS = 0.30
"""The share of 150 studies, of 100 losses each with noise for scores, in which a plain t-test found a
pattern; Holm's p did in 0.05 of them, the corrected p of the joint regression in 0.04. Printed by
`benchmarks/intervals.py --patterns --repeats 150`."""


def patterns_table(patterns: PatternTable) -> Table:
    """The pattern table of the paper, and the sounder one beside it."""
    rows = tuple(
        (
            row.name,
            row.present,
            row.absent,
            row.plain.effect,
            row.holm,
            row.bh,
            row.joint.effect,
            row.joint_holm,
            row.joint.p,
            row.plain.p,
            stars(row.plain.p),
        )
        for row in patterns.rows
    )
    notes = [
        f"Over {count(patterns.losses, 'loss', 'losses')} that trained to the end; "
        f"{patterns.left_out:,} more were left out."
        if patterns.left_out
        else f"Over all {patterns.losses:,} losses that trained to their end; what was stopped early is not "
        "among them.",
        *(
            [f"The score of {patterns.repeated:,} that ran with several seeds is the mean of their runs."]
            if patterns.repeated
            else []
        ),
        "difference: mean score with the pattern less that without; holm, bh: its p, corrected for eight "
        "tests (Holm; Benjamini and Hochberg).",
        "joint: least squares over all patterns, horizon and sizes of both sets together (HC3 errors); "
        "joint holm: its p, corrected. Empty: the losses can't tell.",
        "p, stars: Student's t-test of the difference alone, as in the paper, * p < 0.05, ** p < 0.01. It "
        f"finds a pattern in {PLAIN_FINDS:.0%} of studies in which there is none (measured by "
        "benchmarks/intervals.py); of these columns believe holm and joint holm.",
        "Losses of an evolution are each other's children, so they are not independent draws, and the "
        "intervals are too short. Random search has no such fault.",
    ]
    return Table(
        "patterns",
        "Patterns",
        (
            "pattern",
            "with",
            "without",
            "difference",
            "holm",
            "bh",
            "joint",
            "joint holm",
            "joint p",
            "p",
            "stars",
        ),
        rows,
        (*notes, *(f"{name}: {meaning}." for name, meaning in MEANING.items())),
    )


def validation_table(validation: Validation) -> Table:
    """Losses trained again: means over all environments, and the mean of each."""
    rows = tuple(
        (
            row.arm,
            "found" if row.is_found else "published" if row.arm != NO_LOSS else "",
            row.mean,
            row.iqm,
            row.difference,
            row.probability,
            *(row.per_env.get(env) for env in validation.envs),
            validation.losses[row.arm],
        )
        for row in compare(validation)
    )
    missing = validation.wanted - len(validation.scores)
    return Table(
        "validation",
        "Validation",
        ("arm", "what", "mean", "iqm", "vs none", "better than none", *validation.envs, "loss"),
        rows,
        (
            f"Area under the learning curve, {validation.frames:,} frames, fresh seeds"
            + (f"; {missing} of {validation.wanted} runs are missing." if missing > 0 else "."),
            "mean: over environments, all with the same weight; vs none: its difference, within seeds; "
            "better than none: the probability that a run of this loss scores higher than one without. "
            "With 95 % intervals of each row alone, which hold for a few seeds. iqm: interquartile mean of "
            "all runs, without an interval, as the usual ones are too short.",
        ),
        ("loss",),
    )


def verdict_table(claims: tuple[Claim, ...]) -> Table:
    """The verdict as a table."""
    return Table(
        "verdict",
        "Verdict",
        ("question", "answer", "difference", "why", "to know"),
        tuple(
            (claim.question, str(claim.answer), claim.difference, claim.why, claim.fix) for claim in claims
        ),
        wide=("question", "why", "to know"),
    )

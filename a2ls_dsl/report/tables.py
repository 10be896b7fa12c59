"""The tables of an analysis, as data: hall of fame, gates, patterns, validation, verdict."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from a2ls_dsl.english import count
from a2ls_dsl.report.patterns import PatternTable
from a2ls_dsl.report.regression import stars
from a2ls_dsl.report.standing import lead, named, no_loss
from a2ls_dsl.report.statistics import Interval, mean_interval
from a2ls_dsl.report.summary import Summary
from a2ls_dsl.report.validation import compare
from a2ls_dsl.report.verdict import Claim
from a2ls_dsl.search.candidates import NO_LOSS, ranked
from a2ls_dsl.search.patterns import MEANING
from a2ls_dsl.search.records import Records
from a2ls_dsl.search.validation import Validation

Cell: TypeAlias = str | int | float | Interval | None


@dataclass(frozen=True)
class Table:
    """Rows under named columns. notes: what a reader has to know, a sentence each. wide: the columns of
    running text."""

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()
    wide: tuple[str, ...] = ()

    def records(self) -> Iterator[dict[str, Any]]:
        """The rows as plain data: an interval as its value and its ends, None for what isn't known."""
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
            found: dict[str, Any] = {}
            for name, value in record.items():
                if name in with_ends:
                    ends = value or dict.fromkeys(("value", "low", "high"))
                    found |= {name: ends["value"], f"{name} low": ends["low"], f"{name} high": ends["high"]}
                else:
                    found[name] = value
            yield found


def plain(cell: Cell) -> Any:
    """A cell as a JSON value."""
    if isinstance(cell, Interval):
        return {"value": plain(cell.value), "low": plain(cell.low), "high": plain(cell.high)}
    return None if isinstance(cell, float) and not math.isfinite(cell) else cell


def said(cell: Cell, digits: int = 1, sign: bool = False) -> str:
    """A cell as text: `402.1 [388.0, 416.2]`; empty for what isn't known."""
    plus = "+" if sign else ""
    match cell:
        case None:
            return ""
        case Interval(value, low, high):
            if math.isnan(value):
                return ""
            ends = f" [{low:{plus}.{digits}f}, {high:{plus}.{digits}f}]" if cell.known else ""
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
    for rank, each in ranked(board, limit):
        fresh = mean_interval(list(each.fresh.values())) if each.fresh else None
        better = lead(each, none) if none and each is not none else None
        generation = None if each.is_reference else each.generation
        about = generation, str(each.origin), each.text
        rows.append((rank, named(each), fresh, each.fresh_runs, better, each.score, *about))
    return Table(
        "hall",
        "Hall of fame",
        ("rank", "name", "fresh seeds", "runs", "vs none", "search score", "generation", "origin", "loss"),
        tuple(rows),
        (
            "fresh seeds, vs none: mean over runs with fresh seeds, and its difference to no auxiliary "
            "loss on the seeds that both have, with 95 % intervals of each row alone; the verdict's hold "
            "for the best of all.",
            "search score: the search's one run, by which candidates were chosen, so partly luck.",
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
            "Whether a stopped candidate would have become good is not known: it did not train on.",
            *_rung_notes(summary),
        )
        if rows
        else ("This search has no gates and no rungs.",),
    )


def _rung_notes(summary: Summary) -> list[str]:
    """Which rungs are open and why; nothing of a search without any."""
    rungs = summary.settings.rungs
    if not (summary.rungs and rungs):
        return []
    rule = (
        f"A rung stops candidates once {rungs.grace} or more have trained to their end and the rank "
        f"correlation of their areas before and after it is surely (95 %) above {rungs.correlation:g}."
    )
    return [rule, *(f"{rung}." for rung in summary.rungs)]


PLAIN_FINDS = 0.30
"""In such a share of 150 studies of 100 losses whose scores were noise a plain t-test found a pattern; Holm's
p in 0.05, the joint regression's, corrected, in 0.04: what `benchmarks/intervals.py --patterns --repeats 150`
printed."""


def patterns_table(found: PatternTable) -> Table:
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
        for row in found.rows
    )
    notes = [
        f"Over {count(found.losses, 'loss', 'losses')} that trained to the end; "
        f"{found.left_out:,} more were left out."
        if found.left_out
        else f"Over all {found.losses:,} losses that trained to their end; what was stopped early is not "
        "among them.",
        *(
            [f"The score of {found.repeated:,} that ran with several seeds is the mean of their runs."]
            if found.repeated
            else []
        ),
        "difference: mean score with the pattern less that without; holm, bh: its p, corrected for eight "
        "tests (Holm; Benjamini and Hochberg).",
        "joint: least squares over all patterns, horizon and sizes of both sets together (HC3 errors); "
        "joint holm: its p, corrected. Empty: the losses can't tell.",
        "p, stars: Student's t-test of the difference alone, as in the paper, * p < 0.05, ** p < 0.01. It "
        f"finds a pattern in {PLAIN_FINDS:.0%} of studies in which there is none (measured by "
        "benchmarks/intervals.py); of these columns believe holm and joint holm.",
        "Losses of an evolution are each other's children, so they are not independent draws: intervals are "
        "shorter than the truth. Random search has no such fault.",
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
            each.arm,
            "found" if each.found else "published" if each.arm != NO_LOSS else "",
            each.mean,
            each.iqm,
            each.difference,
            each.probability,
            *(each.per_env.get(env) for env in validation.envs),
            validation.losses[each.arm],
        )
        for each in compare(validation)
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
            "mean: over environments, all weighing the same; vs none: its difference, within seeds; "
            "better than none: the probability that a run of this loss scores higher than one without. "
            "With 95 % intervals of each row alone, which hold for few seeds. iqm: interquartile mean of "
            "all runs, without an interval, as those in use are too short.",
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

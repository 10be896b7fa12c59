"""A study as tables for other programs: candidates, runs or curves, row by row."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Iterator
from typing import Any, TextIO

from a2ls_dsl.diagnostics import unknown
from a2ls_dsl.search.study.records import Records

Row = dict[str, Any]


def candidates(study: Records) -> Iterator[Row]:
    """One row per candidate or reference: what it is, where it comes from, what became of it."""
    for candidate in study.candidates_one_by_one():
        yield {
            "id": candidate.id,
            "key": candidate.key,
            "name": candidate.name,
            "generation": candidate.generation,
            "origin": str(candidate.origin),
            "parents": list(candidate.parents),
            "status": str(candidate.status),
            "score": candidate.score,
            "training_score": candidate.training_score,
            "fresh_score": candidate.fresh_score,
            "fresh_error": candidate.fresh_error,
            "fresh_runs": candidate.fresh_runs,
            "frames": candidate.frames,
            "reason": candidate.reason,
            "loss": candidate.text,
        }


def runs(study: Records) -> Iterator[Row]:
    """One row per run; times are ticks of the search."""
    for run in study.run_records():
        yield {
            "id": run.id,
            "candidate": run.candidate,
            "key": run.key,
            "seed": run.seed,
            "fresh": run.fresh,
            "status": str(run.status),
            "score": run.score,
            "training_score": run.training_score,
            "frames": run.frames,
            "slot": run.slot,
            "began": run.began,
            "ended": run.ended,
        }


def curves(study: Records) -> Iterator[Row]:
    """One row per evaluation; frames are environment frames, returns those of its episodes."""
    owner = {run.id: (run.key, run.seed) for run in study.run_records()}
    for number, point in study.points():
        key, seed = owner[number]
        training = None if math.isnan(point.training_return) else point.training_return
        yield {
            "run": number,
            "key": key,
            "seed": seed,
            "frames": point.frames,
            "mean_return": point.mean_return,
            "training_return": training,
            "returns": list(point.returns),
        }


TABLES: dict[str, Callable[[Records], Iterator[Row]]] = {
    "candidates": candidates,
    "runs": runs,
    "curves": curves,
}


def export(study: Records, table: str, kind: str, file: TextIO) -> int:
    """Write a table as `csv` or `json`, a row at a time; the number of rows.

    In CSV the items of a list are separated by spaces, and unknown values are empty; in JSON they are null.
    """
    if table not in TABLES:
        raise unknown("table of a study", table, TABLES)
    if kind not in ("csv", "json"):
        raise unknown("format", kind, ("csv", "json"))
    with study.still():
        rows = TABLES[table](study)
        return write_csv(rows, file) if kind == "csv" else write_json(rows, file)


def write_csv(rows: Iterator[Row], file: TextIO) -> int:
    """Rows with a header; the number of rows."""
    number = 0
    writer = csv.writer(file, lineterminator="\n")
    for row in rows:
        if not number:
            writer.writerow(row)
        writer.writerow([" ".join(map(str, v)) if isinstance(v, list) else v for v in row.values()])
        number += 1
    return number


def write_json(rows: Iterator[Row], file: TextIO) -> int:
    """A list of objects, one per line; the number of rows."""
    number = 0
    for row in rows:
        file.write(f"{',' if number else '['}\n{json.dumps(row, allow_nan=False)}")
        number += 1
    file.write("\n]\n" if number else "[]\n")
    return number

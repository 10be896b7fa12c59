"""A study as tables for other programs: candidates, runs or curves, row by row."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Iterator
from typing import Any, TextIO

from a2ls_dsl.diagnostics import unknown
from a2ls_dsl.search.records import Records

Row = dict[str, Any]


def candidates(study: Records) -> Iterator[Row]:
    """A row a candidate or reference: what it is, where it comes from, what became of it."""
    for each in study.candidates_one_by_one():
        yield {
            "id": each.id,
            "key": each.key,
            "name": each.name,
            "generation": each.generation,
            "origin": str(each.origin),
            "parents": list(each.parents),
            "status": str(each.status),
            "score": each.score,
            "training_score": each.training_score,
            "fresh_score": each.fresh_score,
            "fresh_error": each.fresh_error,
            "fresh_runs": each.fresh_runs,
            "frames": each.frames,
            "reason": each.reason,
            "loss": each.text,
        }


def runs(study: Records) -> Iterator[Row]:
    """A row a run; times are ticks of the search."""
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
    """A row an evaluation; frames are environment frames, returns those of its episodes."""
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

    In CSV a list is its items with spaces between, and what isn't known is empty; in JSON it is null.
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
    """A list of objects, one a line; the number of rows."""
    number = 0
    for row in rows:
        file.write(f"{',' if number else '['}\n{json.dumps(row, allow_nan=False)}")
        number += 1
    file.write("\n]\n" if number else "[]\n")
    return number

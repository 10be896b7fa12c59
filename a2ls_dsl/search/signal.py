"""On which tasks, at which scale, a score means something: the committed table `results/signal.csv`.

A row says how well one seed tells published losses apart on a task when agents of a size train for that many
frames, and what a run costs. `a2l tasks` prints it.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.lang.files import folder, write

SEPARATES = 0.5
"""The intraclass correlation of one seed from which on a search can rank losses by their scores."""
CHANCE = 0.01
"""The p-value below which that is no accident; it is small, as each task is tried at several scales."""
CORES = 2


@dataclass(frozen=True)
class Signal:
    """What a score is worth on a task at a scale. Frames are environment frames, before action repeat.

    icc, p: intraclass correlation of one seed over `losses` losses with `seeds` seeds each, and the p-value
    of the F-test that losses differ; none, best: mean scores of no loss and of the best; seconds: processor
    time of a run.
    """

    task: str
    frames: int
    hidden: int
    batch_size: int
    learning_rate: float
    losses: int
    seeds: int
    icc: float
    p: float
    none: float
    best: float
    seconds: float

    @property
    def size(self) -> tuple[str, int, int, float]:
        """The task, and the agent that was trained on it."""
        return self.task, self.hidden, self.batch_size, self.learning_rate

    @property
    def separates(self) -> bool:
        """Whether one seed tells losses apart, and not only seems to by accident at one of several scales."""
        return self.icc >= SEPARATES and self.p < CHANCE

    @property
    def candidates_an_hour(self) -> float:
        """How many runs two idle cores finish in an hour; infinity for a run too short to have a price."""
        return CORES * 3600 / self.seconds if self.seconds else math.inf

    @property
    def worth(self) -> float:
        """What an hour of two cores tells: candidates times the correlation, 0 if that is negative.

        Also 0 where the price is unknown, so that such a scale is chosen only if no other can be.
        """
        return 0.0 if math.isnan(self.seconds) else self.candidates_an_hour * max(self.icc, 0.0)


def path() -> Path:
    """The table of this version."""
    return folder("results") / "signal.csv"


def read(table: Path | None = None) -> list[Signal]:
    """The rows of a table, by default the committed one. Raises `A2lError` if it can't be read."""
    place = table or path()
    try:
        with place.open(encoding="utf-8", newline="") as file:
            return [_row(row) for row in csv.DictReader(file)]
    except OSError as error:
        raise A2lError(f"{place} can't be read: {error.strerror}", "check the path") from None
    except (ValueError, KeyError, TypeError):
        names = ", ".join(field.name for field in fields(Signal))
        raise A2lError(
            f"{place} is not a table of `a2l tasks --collect`", f"its columns are {names}"
        ) from None


def store(rows: Iterable[Signal], table: Path) -> None:
    """Write a table, in the order of tasks, sizes and frames; of rows on one scale, that of the most runs."""
    scales = {}
    for row in sorted(rows, key=lambda row: row.losses * row.seeds):
        scales[row.size, row.frames] = row
    ordered = [scales[scale] for scale in sorted(scales)]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([field.name for field in fields(Signal)])
    writer.writerows(map(_cells, ordered))
    write(table, text.getvalue())


def cheapest(rows: Sequence[Signal], task: str, icc: float = SEPARATES) -> Signal | None:
    """The scale with the largest `worth` for a task, of those that separate losses; None if no scale does.

    icc: the least correlation of one seed.
    """
    own = [row for row in rows if row.task == task and row.separates and row.icc >= icc]
    return max(own, key=lambda row: row.worth, default=None)


def _cells(row: Signal) -> list[str]:
    return [f"{value:.4g}" if isinstance(value, float) else str(value) for value in astuple(row)]


def _row(row: dict[str, str]) -> Signal:
    kinds = {"str": str, "int": int, "float": float}
    return Signal(**{field.name: kinds[str(field.type)](row[field.name]) for field in fields(Signal)})

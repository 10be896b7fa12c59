"""A study as plain rows, to count, export, merge and draw: everything, in the order of ids."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from a2ls_dsl.rl.runs.curve import Point
from a2ls_dsl.search.candidates import Candidate, Status
from a2ls_dsl.search.study.reader import StudyReader
from a2ls_dsl.search.study.rows import candidate_of, point_of
from a2ls_dsl.search.study.store import explained

_KEYS_AT_ONCE = 500


@dataclass(frozen=True)
class RunRecord:
    """A run and its result. fresh: with a fresh seed, to confirm its candidate; slot, began, ended: see
    `Run`."""

    id: int
    candidate: int
    key: str
    seed: int
    status: Status
    score: float | None
    training_score: float | None
    frames: int
    slot: int | None
    began: int | None
    ended: int | None
    fresh: bool


@dataclass(frozen=True)
class LoggedEvent:
    """Something that happened to a study, with its time in UTC."""

    time: str
    kind: str
    detail: Mapping[str, Any]


class Records(StudyReader):
    """A study for reading in bulk. Inside `still`, later changes by a running search are not seen."""

    @property
    def version(self) -> str:
        """The version of this package that began the study."""
        return self._meta("package")

    @property
    def fingerprint(self) -> str:
        """A hash of the grammar that is searched."""
        return self._meta("grammar")

    @contextmanager
    def still(self) -> Iterator[None]:
        """Everything that is read inside is of one moment."""
        if self._connection.in_transaction:
            yield  # the block around it is still already
            return
        with explained(self.folder):
            self._connection.execute("BEGIN")
        try:
            yield
        finally:
            # Nothing was written. If the file is damaged, SQLite has already ended the transaction.
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def candidates_one_by_one(self) -> Iterator[Candidate]:
        """All candidates, without holding all of them in memory."""
        columns = f"SELECT {self._columns} FROM candidates ORDER BY id"
        yield from (candidate_of(row, self._validated) for row in self._one_by_one(columns))

    def by_key(self, keys: Sequence[str]) -> list[Candidate]:
        """The candidates with these keys, if there are any, in the order of proposal."""
        marks = ", ".join("?" * len(keys))
        return self._candidates(f"WHERE key IN ({marks}) ORDER BY id", *keys)

    def run_records(self, candidate: int | None = None) -> Iterator[RunRecord]:
        """The runs of all candidates, or of one."""
        searched = set(self.search_seeds)
        for row in self._one_by_one(
            "SELECT runs.id, candidate, key, seed, runs.status, runs.score, runs.training_score, runs.frames,"
            " slot, began, ended FROM runs JOIN candidates ON candidate = candidates.id"
            " WHERE (?1 IS NULL OR candidate = ?1) ORDER BY runs.id",
            candidate,
        ):
            number, owner, key, seed, status, score, training, frames, slot, began, ended = row
            outcome = self._decoded(Status, status), score, training, frames, slot, began, ended
            yield RunRecord(number, owner, key, seed, *outcome, seed not in searched)

    def points(self) -> Iterator[tuple[int, Point]]:
        """The evaluations of all runs, each with the id of its run."""
        for run, *values in self._one_by_one(
            "SELECT run, frames, returns, training_return FROM curves ORDER BY run, frames"
        ):
            yield run, self._decoded(point_of, *values)

    def scores_by_generation(self) -> Iterator[tuple[int, float]]:
        """Generation and score of every candidate that trained to its end, without the references."""
        yield from self._one_by_one(
            "SELECT generation, score FROM candidates WHERE status = 'scored' AND origin != 'reference'"
        )

    def reasons(self) -> Iterator[str]:
        """Why candidates were rejected or failed, one reason per candidate."""
        rows = self._one_by_one("SELECT reason FROM candidates WHERE status IN ('rejected', 'failed')")
        yield from (reason for (reason,) in rows)

    def events(self) -> list[LoggedEvent]:
        """The logged events, the oldest first."""
        rows = self._rows("SELECT time, kind, detail FROM events ORDER BY id")
        return [LoggedEvent(time, kind, self._decoded(json.loads, detail)) for time, kind, detail in rows]

    def ancestors(self, key: str) -> list[Candidate]:
        """A candidate and all its ancestors, parents before children."""
        family: dict[str, Candidate] = {}
        asked, wanted = set[str](), {key}
        while wanted:
            some = sorted(wanted)[:_KEYS_AT_ONCE]
            asked.update(some)
            family |= {candidate.key: candidate for candidate in self.by_key(some)}
            wanted = {parent for candidate in family.values() for parent in candidate.parents} | wanted
            wanted -= asked
        return sorted(family.values(), key=lambda candidate: candidate.id)

    def _one_by_one(self, sql: str, *values: object) -> Iterator[tuple[Any, ...]]:
        with explained(self.folder):
            cursor = self._connection.execute(sql, values)
        while rows := self._next_of(cursor):
            yield from rows

    def _next_of(self, cursor: sqlite3.Cursor) -> list[tuple[Any, ...]]:
        with explained(self.folder):
            return cursor.fetchmany(1000)

"""A study for reading, also while a search writes it: candidates, runs, curves and counts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.search.candidates import Candidate, Point, Run, Status, area, parsed
from a2ls_dsl.search.evolution import Origin
from a2ls_dsl.search.rungs import Foresight, RungState, foresight
from a2ls_dsl.search.settings import SearchSettings
from a2ls_dsl.search.store import HALL, explained, open_readonly

MERGED = "merged"
"""Under this name a merged study keeps what it was made of."""

RUNG = "rung "
"""Under this and its frames a rung counts what it did, and keeps what it foretold when it opened."""

_BEST_FIRST = "fresh_score DESC NULLS LAST, score DESC, id"
_RUN = (
    "SELECT runs.id, candidate, text, seed, runs.status, slot, began"
    " FROM runs JOIN candidates ON candidate = candidates.id"
)


class StudyReader:
    """A study for reading, also while a search writes it. A context manager; raises `A2lError`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._connection = open_readonly(folder)
        self._open = ExitStack()
        self._open.callback(self._connection.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    @property
    def settings(self) -> SearchSettings:
        """What the study was begun with, as extended since."""
        return SearchSettings.from_json(self._meta("settings"))

    @property
    def hall_of_fame(self) -> Path:
        """The folder of the best losses, as files."""
        return self.folder / HALL

    @property
    def generations(self) -> int:
        """The number of the newest generation; 0 before the first."""
        return int(self._rows("SELECT coalesce(max(generation), 0) FROM candidates")[0][0])

    @property
    def clock(self) -> int:
        """The last time of the search at which anything was decided; -1 before the first."""
        return int(self._meta("clock"))

    def counts(self) -> dict[Status, int]:
        """How many candidates and references there are of each status."""
        found = {
            Status(name): n for name, n in self._rows("SELECT status, count(*) FROM candidates GROUP BY 1")
        }
        return {status: found.get(status, 0) for status in Status}

    def frames(self) -> int:
        """Environment frames trained in all."""
        return int(self._rows("SELECT coalesce(sum(frames), 0) FROM runs")[0][0])

    def candidates(
        self, generation: int | None = None, status: Status | None = None, limit: int = -1
    ) -> list[Candidate]:
        """Candidates and references in the order of proposal: all, or of a generation or a status."""
        chosen = "(?1 IS NULL OR generation = ?1) AND (?2 IS NULL OR status = ?2)"
        rows = self._rows(
            f"SELECT * FROM candidates WHERE {chosen} ORDER BY id LIMIT ?3", generation, status, limit
        )
        return [candidate_of(row) for row in rows]

    def candidate(self, number: int) -> Candidate:
        """The candidate with an id."""
        return candidate_of(self._rows("SELECT * FROM candidates WHERE id = ?", number)[0])

    def leaderboard(self, limit: int = -1) -> list[Candidate]:
        """What is scored, the best first, with all references: confirmed ones by the mean of their fresh
        runs, then the rest by their score; of equal scores the earlier. No culled ones, no failures."""
        scored = "status = 'scored'"
        best = self._rows(
            f"SELECT * FROM candidates WHERE {scored} AND origin != ?1 ORDER BY {_BEST_FIRST} LIMIT ?2",
            Origin.REFERENCE,
            limit,
        )
        known = self._rows(f"SELECT * FROM candidates WHERE {scored} AND origin = ?", Origin.REFERENCE)
        board = [candidate_of(row) for row in best + known]
        return sorted(board, key=lambda each: (*_order(each), each.id))

    def latest(self, number: int) -> list[Candidate]:
        """The `number` candidates whose search runs ended last with a score, in the order of their end."""
        rows = self._rows(
            "SELECT candidates.* FROM runs JOIN candidates ON candidate = candidates.id"
            " WHERE candidates.status = 'scored' AND origin != ?1 AND runs.seed = ?2"
            " ORDER BY ended DESC, runs.id DESC LIMIT ?3",
            *(Origin.REFERENCE, self.settings.seed, number),
        )
        return [candidate_of(row) for row in reversed(rows)]

    def keys(self) -> set[str]:
        """The keys of all candidates and references."""
        return {key for (key,) in self._rows("SELECT key FROM candidates")}

    def runs(self, status: Status | None = None, candidate: int | None = None, limit: int = -1) -> list[Run]:
        """Runs in the order in which they were queued: all, or of a status or a candidate."""
        chosen = "(?1 IS NULL OR runs.status = ?1) AND (?2 IS NULL OR candidate = ?2)"
        rows = self._rows(f"{_RUN} WHERE {chosen} ORDER BY runs.id LIMIT ?3", status, candidate, limit)
        return [_run(row) for row in rows]

    def curve(self, run: int) -> tuple[Point, ...]:
        """The evaluations of a run so far."""
        rows = self._rows(
            "SELECT frames, returns, training_return FROM curves WHERE run = ? ORDER BY frames", run
        )
        return tuple(
            Point(frames, tuple(json.loads(returns)), float("nan") if training is None else training)
            for frames, returns, training in rows
        )

    def areas(self, frames: int) -> list[float]:
        """The areas up to `frames` of all search runs of candidates that came so far, still sound."""
        came = "runs.frames >= ?3 AND (runs.status != 'failed' OR runs.frames > ?3)"
        return [area(curve, self.settings.learning, frames) for curve in self._search_curves(came, frames)]

    def halves(self, frames: int) -> list[tuple[float, float]]:
        """The areas up to `frames` and after it of all search runs of candidates that came to their end."""
        whole = "runs.status = 'scored' AND runs.frames > ?3"
        return [
            (area(curve, self.settings.learning, frames), area(curve, frames))
            for curve in self._search_curves(whole, frames)
        ]

    def _search_curves(self, condition: str, frames: int) -> Iterator[list[tuple[int, float]]]:
        """Frames and mean returns of the candidates' search runs that meet a condition, by their begin."""
        rows = self._rows(
            "SELECT runs.id, curves.frames, mean_return FROM runs"
            " JOIN candidates ON candidate = candidates.id JOIN curves ON run = runs.id"
            f" WHERE origin != ?1 AND runs.seed = ?2 AND {condition}"
            " ORDER BY runs.began, runs.slot, runs.id, curves.frames",
            *(Origin.REFERENCE, self.settings.seed, frames),
        )
        for _, curve in groupby(rows, key=itemgetter(0)):
            yield [(at, value) for _, at, value in curve]

    def open_rungs(self) -> dict[int, Foresight]:
        """The rungs that have opened, and what they foretold then."""
        rows = self._rows("SELECT name, value FROM meta WHERE name LIKE ?", f"{RUNG}%")
        return {int(name.removeprefix(RUNG)): Foresight(**json.loads(value)) for name, value in rows}

    def rungs(self) -> list[RungState]:
        """The rungs of a search; none of one that is merged, or older than rungs that open."""
        if self.settings.scoring < 2 or self._rows("SELECT 1 FROM meta WHERE name = ?", MERGED):
            return []
        opened = self.open_rungs()
        return [
            RungState(frames, frames in opened, opened.get(frames) or foresight(self.halves(frames)))
            for frames in self.settings.rung_frames
        ]

    def gates(self) -> dict[str, tuple[int, int, int]]:
        """What each gate let through, what it stopped, and the frames that it saved."""
        return {
            name: (passed, stopped, frames)
            for name, passed, stopped, frames in self._rows("SELECT * FROM gates")
        }

    def _meta(self, name: str) -> str:
        rows = self._rows("SELECT value FROM meta WHERE name = ?", name)
        if not rows:
            raise A2lError(f"the study {self.folder} has not begun", "run `a2l evolve` on it first")
        return str(rows[0][0])

    def _rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        with explained(self.folder):
            return self._connection.execute(sql, values).fetchall()


def _order(candidate: Candidate) -> tuple[bool, float, float]:
    fresh = candidate.fresh_score
    return fresh is None, -(fresh or 0.0), -(candidate.score or 0.0)


def candidate_of(row: tuple[Any, ...]) -> Candidate:
    """The candidate that a row of the table is. Raises `A2lError` for one that no search wrote."""
    number, key, text, generation, origin, parents, status, *rest = row
    try:
        known = tuple(json.loads(parents))
        return Candidate(number, key, text, generation, Origin(origin), known, Status(status), *rest)
    except (ValueError, TypeError) as error:
        raise A2lError(
            f"candidate {number} of the study can't be read: {error}", "use the version of a2l that made it"
        ) from None


def _run(row: tuple[Any, ...]) -> Run:
    number, candidate, text, seed, status, slot, began = row
    return Run(number, candidate, parsed(text), seed, Status(status), slot, began)

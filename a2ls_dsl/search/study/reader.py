"""A study for reading, also while a search writes it: candidates, runs, curves and counts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from functools import cached_property
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from a2ls_dsl import plugins
from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.rl.runs.curve import Point, area, with_training
from a2ls_dsl.search.candidates import Candidate, Run, Status, best_first
from a2ls_dsl.search.rungs import Foresight, RungState, foresight
from a2ls_dsl.search.settings import SearchSettings
from a2ls_dsl.search.strategies.evolution import Origin
from a2ls_dsl.search.study.rows import Part, candidate_columns, candidate_of, point_of, run_of
from a2ls_dsl.search.study.store import DATABASE, HALL, explained, open_readonly
from a2ls_dsl.search.study.validation import load as load_validation

_T = TypeVar("_T")
MERGED = "merged"
"""The name under which a merged study stores what it was made of."""

PLUGINS = "plugins"
"""The name under which a study stores the words of the plugins that were loaded when it last ran."""

RUNG = "rung "
"""With its frames, the name under which a rung counts what it did, and stores what it foretold when it
opened."""

_RUN = (
    "SELECT runs.id, candidate, text, seed, runs.status, slot, began"
    " FROM runs JOIN candidates ON candidate = candidates.id"
)


class StudyReader:
    """A study for reading, also while a search writes it. A context manager; raises `A2lError`.

    validated: count runs of `a2l validate` on the study's own environment and frames as fresh runs.
    """

    _with_validation = False

    def __init__(self, folder: Path, validated: bool = True) -> None:
        self.folder, self._with_validation = folder, validated
        self._connection = open_readonly(folder)
        self._open = ExitStack()
        self._open.callback(self._connection.close)
        try:
            self._require_plugins()
        except BaseException:
            self._open.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    @property
    def settings(self) -> SearchSettings:
        """The settings that the study was begun with, as extended since."""
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
        """The last tick of the search at which anything was decided; -1 before the first."""
        return int(self._meta("clock"))

    def counts(self) -> dict[Status, int]:
        """How many candidates and references there are of each status."""
        numbers = {
            self._decoded(Status, name): number
            for name, number in self._rows("SELECT status, count(*) FROM candidates GROUP BY 1")
        }
        return {status: numbers.get(status, 0) for status in Status}

    def frames(self) -> int:
        """Environment frames trained in all."""
        return int(self._rows("SELECT coalesce(sum(frames), 0) FROM runs")[0][0])

    def frames_of_ended(self) -> int:
        """The same without runs in training, whose frames are stored at evaluations only."""
        chosen = "SELECT coalesce(sum(frames), 0) FROM runs WHERE status != ?"
        return int(self._rows(chosen, Status.RUNNING)[0][0])

    def mean_frames(self) -> tuple[float, int]:
        """The mean frames of the search runs that have ended, and their number."""
        ((mean, number),) = self._rows(
            "SELECT coalesce(avg(frames), 0), count(*) FROM runs WHERE ended IS NOT NULL AND seed = ?",
            self.settings.seed,
        )
        return mean, number

    def fresh_runs(self) -> int:
        """How many runs with fresh seeds there are, of any status."""
        return int(self._rows("SELECT count(*) FROM runs WHERE seed != ?", self.settings.seed)[0][0])

    def candidates(
        self, generation: int | None = None, status: Status | None = None, limit: int = -1
    ) -> list[Candidate]:
        """Candidates and references in the order of proposal: all, or of a generation or a status."""
        chosen = "(?1 IS NULL OR generation = ?1) AND (?2 IS NULL OR status = ?2)"
        return self._candidates(f"WHERE {chosen} ORDER BY id LIMIT ?3", generation, status, limit)

    def candidate(self, number: int) -> Candidate:
        """The candidate with an id."""
        return self._candidates("WHERE candidates.id = ?", number)[0]

    def leaderboard(self, limit: int = -1) -> list[Candidate]:
        """What is scored, in the order of `best_first`: `limit` candidates, and all references. No culled and
        no failed ones."""
        marks = ", ".join("?" * len(self._validated))
        trained_anew = self._candidates(
            f"WHERE status = 'scored' AND (origin = ? OR fresh_runs > 0 OR text IN ({marks}))",
            *(Origin.REFERENCE, *self._validated),
        )
        by_score = self._candidates(
            "WHERE status = 'scored' AND origin != ?1 ORDER BY score DESC, id LIMIT ?2",
            Origin.REFERENCE,
            limit,
        )
        board = best_first({candidate.id: candidate for candidate in [*trained_anew, *by_score]}.values())
        cut = [candidate for candidate in board if not candidate.is_reference][
            : limit if limit >= 0 else None
        ]
        kept = {candidate.id for candidate in cut}
        return [candidate for candidate in board if candidate.is_reference or candidate.id in kept]

    def latest(self, number: int) -> list[Candidate]:
        """The `number` candidates whose search runs ended last with a score, in the order of their end."""
        newest_first = self._candidates(
            "JOIN runs ON candidate = candidates.id"
            " WHERE candidates.status = 'scored' AND origin != ?1 AND runs.seed = ?2"
            " ORDER BY ended DESC, runs.id DESC LIMIT ?3",
            *(Origin.REFERENCE, self.settings.seed, number),
        )
        return newest_first[::-1]

    def keys(self) -> set[str]:
        """The keys of all candidates and references."""
        return {key for (key,) in self._rows("SELECT key FROM candidates")}

    def runs(self, status: Status | None = None, candidate: int | None = None, limit: int = -1) -> list[Run]:
        """Runs in the order in which they were queued: all, or of a status or a candidate."""
        chosen = "(?1 IS NULL OR runs.status = ?1) AND (?2 IS NULL OR candidate = ?2)"
        rows = self._rows(f"{_RUN} WHERE {chosen} ORDER BY runs.id LIMIT ?3", status, candidate, limit)
        return [self._decoded(run_of, *row) for row in rows]

    def curve(self, run: int) -> tuple[Point, ...]:
        """The evaluations of a run so far."""
        rows = self._rows(
            "SELECT frames, returns, training_return FROM curves WHERE run = ? ORDER BY frames", run
        )
        return tuple(self._decoded(point_of, *row) for row in rows)

    def areas(self, frames: int) -> list[float]:
        """The areas up to `frames` of all search runs of candidates that got there without diverging."""
        came = "runs.frames >= ?3 AND (runs.status != 'failed' OR runs.frames > ?3)"
        return [area(curve, self.settings.learning, frames) for curve in self._search_curves(came, frames)]

    def halves(self, frames: int) -> list[tuple[float, float]]:
        """The areas up to `frames` and after it of all search runs of candidates that trained to their
        end."""
        whole = "runs.status = 'scored' AND runs.frames > ?3"
        return [
            (area(curve, self.settings.learning, frames), area(curve, frames))
            for curve in self._search_curves(whole, frames)
        ]

    def _search_curves(self, condition: str, frames: int) -> Iterator[list[tuple[int, float]]]:
        """Frames and what scores count there, of the candidates' search runs that meet a condition, in the
        order in which they began."""
        rows = self._rows(
            "SELECT runs.id, curves.frames, mean_return, training_return FROM runs"
            " JOIN candidates ON candidate = candidates.id JOIN curves ON run = runs.id"
            f" WHERE origin != ?1 AND runs.seed = ?2 AND {condition}"
            " ORDER BY runs.began, runs.slot, runs.id, curves.frames",
            *(Origin.REFERENCE, self.settings.seed, frames),
        )
        counts = self.settings.counts_training
        for _, curve in groupby(rows, key=itemgetter(0)):
            yield [(at, with_training(own, trained) if counts else own) for _, at, own, trained in curve]

    def open_rungs(self) -> dict[int, Foresight]:
        """The rungs that have opened, and what they foretold at that time."""
        rows = self._rows("SELECT name, value FROM meta WHERE name LIKE ?", f"{RUNG}%")
        return {int(name.removeprefix(RUNG)): Foresight(**json.loads(value)) for name, value in rows}

    def rungs(self) -> list[RungState]:
        """The rungs of a search; none if the study is merged, or older than rungs that open."""
        if self.settings.scoring < 2 or self._rows("SELECT 1 FROM meta WHERE name = ?", MERGED):
            return []
        opened = self.open_rungs()
        return [
            RungState(frames, frames in opened, opened.get(frames) or foresight(self.halves(frames)))
            for frames in self.settings.rung_frames
        ]

    def gates(self) -> dict[str, tuple[int, int, int]]:
        """How many candidates passed each gate, how many it stopped, and the frames that it saved."""
        return {
            name: (passed, stopped, frames)
            for name, passed, stopped, frames in self._rows("SELECT * FROM gates")
        }

    @property
    def parts(self) -> tuple[Part, ...]:
        """What a merged study was made of; empty for any other."""
        rows = self._rows("SELECT value FROM meta WHERE name = ?", MERGED)
        return tuple(self._decoded(lambda: [Part(**part) for part in json.loads(rows[0][0])])) if rows else ()

    @property
    def search_seeds(self) -> tuple[int, ...]:
        """The seeds that candidates are searched with: one, or one per merged part. All others are fresh."""
        return tuple(dict.fromkeys(part.seed for part in self.parts)) or (self.settings.seed,)

    @cached_property
    def _columns(self) -> str:
        return candidate_columns(self.search_seeds, merged=bool(self.parts))

    @cached_property
    def _validated(self) -> Mapping[str, Mapping[int, float]]:
        """The scores of validations on the study's own environment and frames, by loss and seed."""
        validation = load_validation(self.folder) if self._with_validation else None
        settings = self.settings
        if validation is None or validation.frames != settings.frames:
            return {}
        runs = validation.runs
        return {text: runs[arm].get(settings.env, {}) for arm, text in validation.losses.items()}

    def _candidates(self, chosen: str, *values: object) -> list[Candidate]:
        rows = self._rows(f"SELECT {self._columns} FROM candidates {chosen}", *values)
        return [candidate_of(row, self._validated) for row in rows]

    def _decoded(self, make: Callable[..., _T], *values: Any) -> _T:
        """Stored values, decoded by `make`. Raises `A2lError` for values that no search wrote."""
        try:
            return make(*values)
        except (ValueError, TypeError, KeyError) as error:
            raise A2lError(
                f"the study {self.folder} holds what no search wrote: {error}",
                f"its {DATABASE} is damaged: restore it from a copy",
            ) from None

    def _require_plugins(self) -> None:
        rows = self._rows("SELECT value FROM meta WHERE name = ?", PLUGINS)
        plugins.require(f"the study {self.folder}", json.loads(rows[0][0]) if rows else {})

    def _meta(self, name: str) -> str:
        rows = self._rows("SELECT value FROM meta WHERE name = ?", name)
        if not rows:
            raise A2lError(f"the study {self.folder} has not begun", "run `a2l evolve` on it first")
        return str(rows[0][0])

    def _rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        with explained(self.folder):
            return self._connection.execute(sql, values).fetchall()


def require_plugins(folder: Path) -> None:
    """Raise `A2lError` if there is a study with words of a plugin that isn't loaded."""
    if (folder / DATABASE).exists():
        StudyReader(folder).__exit__(None, None, None)


def stored_settings(folder: Path) -> SearchSettings | None:
    """The settings of a study; None if there is none, or if it has not begun. Raises `A2lError`."""
    if not (folder / DATABASE).exists():
        return None
    with StudyReader(folder) as study:
        begun = study._rows("SELECT 1 FROM meta WHERE name = 'settings'")
        return study.settings if begun else None

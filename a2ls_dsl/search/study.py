"""A study: everything that a search has proposed and scored, kept so that no finished score is ever lost.

A population is stored in one transaction with the state of the generator that made it, the scores of a stack
in one with their curves. Whatever moment a process dies at, what follows is the same.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from a2ls_dsl import __version__
from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.lang.grammar import Grammar
from a2ls_dsl.lang.printer import print_loss
from a2ls_dsl.search.candidates import Candidate, Outcome, references
from a2ls_dsl.search.evolution import Origin, Proposal
from a2ls_dsl.search.settings import SearchSettings
from a2ls_dsl.search.store import HALL, create_or_open, explained, locked, open_readonly, transaction


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
        """How many populations were proposed so far."""
        return int(self._rows("SELECT count(*) FROM generations")[0][0])

    def candidates(self, generation: int | None = None, queued: bool = False) -> list[Candidate]:
        """The candidates and references in the order of proposal: all, of a generation, or those to train."""
        chosen = "(?1 IS NULL OR generation = ?1)" + (" AND status = 'queued'" if queued else "")
        rows = self._rows(f"SELECT * FROM candidates WHERE {chosen} ORDER BY id", generation)
        return [_candidate(row) for row in rows]

    def leaderboard(self) -> list[Candidate]:
        """All that is scored, references too, the best first; of equal scores the earlier. No failures."""
        scored = [each for each in self.candidates() if each.status == "scored"]
        return sorted(scored, key=lambda each: (-(each.score or 0.0), each.id))

    def _meta(self, name: str) -> str:
        rows = self._rows("SELECT value FROM meta WHERE name = ?", name)
        if not rows:
            raise A2lError(f"the study {self.folder} has not begun", "run `a2l evolve` on it first")
        return str(rows[0][0])

    def _rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        with explained(self.folder):
            return self._connection.execute(sql, values).fetchall()


class Study(StudyReader):
    """A study for writing: made if it isn't there, else resumed. One process at a time.

    Raises `A2lError` if another process has it, or if it was begun with other settings or another grammar;
    more generations, and another size of stack, are not other settings.
    """

    def __init__(self, folder: Path, settings: SearchSettings, grammar: Grammar) -> None:
        self.folder = folder
        with ExitStack() as opening:
            opening.enter_context(locked(folder))
            self._connection = create_or_open(folder)
            opening.callback(self._connection.close)
            self.resumed = bool(self._rows("SELECT 1 FROM meta WHERE name = 'settings'"))
            if self.resumed:
                self._compare(settings, grammar)
            with self._writing():
                self._store("package", __version__, replace=False)
                self._store("grammar", fingerprint(grammar), replace=False)
                self._store("settings", settings.to_json())
                # Whoever was training these is gone: the lock is ours.
                self._rows("UPDATE candidates SET status = 'queued' WHERE status = 'running'")
                self._log("resumed" if self.resumed else "started", {"version": __version__})
            self._open = opening.pop_all()

    def rng_state(self) -> dict[str, Any] | None:
        """The generator's state after the last proposals; None before the first."""
        rows = self._rows("SELECT rng FROM generations ORDER BY number DESC LIMIT 1")
        return json.loads(rows[0][0]) if rows else None

    def add_generation(self, proposals: Sequence[Proposal], rng_state: Mapping[str, Any]) -> int:
        """Queue the next population, the references before the first one; gives its number, from 1."""
        number = self.generations + 1
        rows = [(p.key, print_loss(p.loss), p.origin, json.dumps(p.parents)) for p in proposals]
        if number == 1:
            rows = [(one.key, one.text, Origin.REFERENCE, "[]") for one in references()] + rows
        with self._writing():
            self._rows("INSERT INTO generations VALUES (?, ?, 'proposed')", number, json.dumps(rng_state))
            for key, text, origin, parents in rows:
                self._rows(
                    "INSERT INTO candidates (key, text, generation, origin, parents, status)"
                    " VALUES (?, ?, ?, ?, ?, 'queued')",
                    *(key, text, number, origin, parents),
                )
        return number

    def start(self, candidates: Sequence[Candidate]) -> None:
        """Mark candidates as in training."""
        with self._writing():
            for each in candidates:
                self._rows("UPDATE candidates SET status = 'running' WHERE id = ?", each.id)

    def record(self, outcomes: Sequence[Outcome], seconds: float) -> None:
        """Store what training a stack gave: all of it or, should this fail, nothing."""
        with self._writing():
            for one in outcomes:
                self._rows(
                    "UPDATE candidates SET status = ?, score = ?, training_score = ?, reason = ?"
                    " WHERE id = ?",
                    *("failed" if one.reason else "scored", one.score, one.training_score, one.reason),
                    one.candidate,
                )
                for point in one.curve:
                    self._rows(
                        "INSERT INTO curves VALUES (?, ?, ?, ?, ?)",
                        *(one.candidate, point.frames, point.mean_return, point.training_return),
                        json.dumps(point.returns),
                    )
            self._rows(
                "UPDATE generations SET status = 'scored' WHERE number NOT IN"
                " (SELECT generation FROM candidates WHERE status IN ('queued', 'running'))"
            )
            self._log("scored", {"candidates": [one.candidate for one in outcomes], "seconds": seconds})

    def log(self, kind: str, detail: Mapping[str, object]) -> None:
        """Note an event with its time; nothing that matters to results."""
        with self._writing():
            self._log(kind, detail)

    def _compare(self, settings: SearchSettings, grammar: Grammar) -> None:
        """Raise unless these settings go on with what the study was begun with."""
        stored = self.settings
        differing = stored.differences(settings)
        if settings.generations >= stored.generations:
            differing.pop("generations", None)
        # Which members share a stack changes results by rounding only, and memory may force another one.
        differing.pop("stack", None)
        if differing:
            said = "; ".join(f"{name} was {old}, now {new}" for name, (old, new) in differing.items())
            raise A2lError(
                f"the study {self.folder} was begun with other settings: {said}",
                "use the same ones to resume it, or name a new folder with --study",
            )
        if self._meta("grammar") != fingerprint(grammar):
            raise A2lError(
                f"the grammar {settings.grammar} has changed since the study {self.folder} was begun",
                "restore it to resume, or name a new folder with --study",
            )

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with explained(self.folder), transaction(self._connection):
            yield

    def _store(self, name: str, value: str, replace: bool = True) -> None:
        how = "REPLACE" if replace else "IGNORE"
        self._rows(f"INSERT OR {how} INTO meta VALUES (?, ?)", name, value)

    def _log(self, kind: str, detail: Mapping[str, object]) -> None:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self._rows("INSERT INTO events (time, kind, detail) VALUES (?, ?, ?)", now, kind, json.dumps(detail))


def fingerprint(grammar: Grammar) -> str:
    """A hash of all that the losses of a grammar depend on: a study goes on only with the same ones."""
    parts = (grammar.layout.elements, grammar.forms, grammar.requirements)
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]


def _candidate(row: tuple[Any, ...]) -> Candidate:
    number, key, text, generation, origin, parents, *rest = row
    return Candidate(number, key, text, generation, Origin(origin), tuple(json.loads(parents)), *rest)

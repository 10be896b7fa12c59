"""A study: everything that a search has proposed and scored, stored so that no finished score is ever lost.

Everything that the search decides at one tick is stored in one transaction, with the tick and the state of
the random generator. So a search continues in the same way at whatever moment its process dies.
"""

from __future__ import annotations

import hashlib
import json
import math
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from a2ls_dsl import __version__, plugins
from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.lang.grammar import Grammar
from a2ls_dsl.lang.syntax.printer import print_loss
from a2ls_dsl.rl.runs.curve import Point
from a2ls_dsl.search.candidates import Run, Status, references
from a2ls_dsl.search.rungs import Foresight
from a2ls_dsl.search.settings import SearchSettings
from a2ls_dsl.search.strategies.evolution import Origin, Proposal
from a2ls_dsl.search.study.reader import MERGED, PLUGINS, RUNG, StudyReader
from a2ls_dsl.search.study.store import checkpoint, create_or_open, explained, identity, locked, transaction

_EXTENSIONS = ("generations", "race", "confirm", "confirm_seeds")
"""Settings that may be raised when a study is resumed."""


class Study(StudyReader):
    """A study for writing: made if it doesn't exist, else resumed. One process at a time.

    Raises `A2lError` if another process has it, or if it was begun with other settings or another grammar;
    more generations, confirmed candidates or fresh seeds extend it. on_wait: called now and then while
    another program writes to it. Validations don't count as fresh runs here: what a search decides must not
    depend on whether its losses were validated meanwhile.
    """

    def __init__(
        self,
        folder: Path,
        settings: SearchSettings,
        grammar: Grammar,
        on_wait: Callable[[], None] = lambda: None,
    ) -> None:
        self.folder, self.seed, self._on_wait = folder, settings.seed, on_wait
        with ExitStack() as opening:
            opening.enter_context(locked(folder))
            self._connection = create_or_open(folder)
            opening.callback(self._connection.close)
            self._file = identity(folder)
            self.resumed = bool(self._rows("SELECT 1 FROM meta WHERE name = 'settings'"))
            if self.resumed:
                self._require_plugins()
                self._compare(settings, grammar)
            with self._writing():
                self._store("package", __version__, replace=False)
                self._store("grammar", fingerprint(grammar), replace=False)
                self._store("clock", "-1", replace=False)
                self._store("settings", settings.to_json())
                if words := {name: own for name, own in plugins.loaded().items() if own}:
                    self._store(PLUGINS, json.dumps(words))
                self._log("resumed" if self.resumed else "started", {"version": __version__})
            self._open = opening.pop_all()

    def check_there(self) -> None:
        """Raise `A2lError` if the folder was removed or renamed: SQLite would go on writing to an unlinked
        file."""
        if identity(self.folder) != self._file:
            raise A2lError(
                f"the study {self.folder} was removed, renamed or replaced while a search had it",
                "put its folder back and run the same command again, or begin a new study; what was scored "
                "is in that folder, wherever it is now",
            )

    def rng_state(self) -> dict[str, Any] | None:
        """The generator's state after the last proposals; None before the first."""
        rows = self._rows("SELECT value FROM meta WHERE name = 'rng'")
        return json.loads(rows[0][0]) if rows else None

    @contextmanager
    def deciding(self, clock: int) -> Iterator[None]:
        """What is stored inside belongs to this tick of the search, and is stored as a whole or not at all.

        The methods below, up to `count`, may only be called inside.
        """
        with self._writing():
            before = self._connection.total_changes
            yield
            if self._connection.total_changes > before:
                self._store("clock", str(clock))

    def propose(self, proposals: Sequence[Proposal], generation: int, rng_state: Mapping[str, Any]) -> None:
        """Queue proposals with the study's own seed, and the references before the first ones."""
        rows = [(p.key, print_loss(p.loss), p.origin, json.dumps(p.parents)) for p in proposals]
        if not self.generations:
            rows = [
                (reference.key, reference.text, Origin.REFERENCE, "[]") for reference in references()
            ] + rows
        self._store("rng", json.dumps(rng_state))
        for key, text, origin, parents in rows:
            ((number,),) = self._rows(
                "INSERT INTO candidates (key, text, generation, origin, parents, status)"
                " VALUES (?, ?, ?, ?, ?, 'queued') RETURNING id",
                *(key, text, generation, origin, parents),
            )
            self._queue(number, self.seed)

    def confirm(self, candidate: int, seeds: Sequence[int]) -> None:
        """Queue runs of a candidate with fresh seeds."""
        for seed in seeds:
            self._queue(candidate, seed)

    def ranking(self) -> list[int]:
        """The ids of what was scored when the search ended, the best first; empty before its end."""
        rows = self._rows("SELECT value FROM meta WHERE name = 'ranking'")
        return json.loads(rows[0][0]) if rows else []

    def rank(self, ids: Sequence[int]) -> None:
        """Store how a strategy ranks what is scored."""
        self._store("ranking", json.dumps(list(ids)))

    def reject(self, run: Run, gate: str, reason: str) -> None:
        """A gate stopped a candidate before it trained."""
        self._rows("DELETE FROM runs WHERE id = ?", run.id)
        self._rows(
            "UPDATE candidates SET status = 'rejected', reason = ? WHERE id = ?",
            f"{gate}: {reason}",
            run.candidate,
        )
        self.count(gate, stopped=1, frames=self.settings.frames)

    def start(self, run: Run, slot: int, clock: int) -> None:
        """A run takes a slot."""
        self._rows(
            "UPDATE runs SET status = 'running', slot = ?, began = ? WHERE id = ?", slot, clock, run.id
        )
        self._rows(
            "UPDATE candidates SET status = 'running' WHERE id = ? AND status = 'queued'", run.candidate
        )

    def requeue(self, run: Run) -> None:
        """Put a run that was in training back into the queue."""
        self._rows("DELETE FROM curves WHERE run = ?", run.id)
        self._rows(
            "UPDATE runs SET status = 'queued', slot = NULL, began = NULL, frames = 0 WHERE id = ?", run.id
        )

    def rewind(self, run: Run, frames: int) -> None:
        """Continue a run in training after the evaluation at `frames`; later evaluations are repeated."""
        self._rows("DELETE FROM curves WHERE run = ? AND frames > ?", run.id, frames)
        self._rows("UPDATE runs SET frames = ? WHERE id = ?", frames, run.id)

    def point(self, run: Run, point: Point) -> None:
        """Store an evaluation of a run."""
        training = None if point.training_return != point.training_return else point.training_return
        self._rows(
            "INSERT OR REPLACE INTO curves VALUES (?, ?, ?, ?, ?)",
            *(run.id, point.frames, point.mean_return, training, json.dumps(point.returns)),
        )
        self._rows("UPDATE runs SET frames = ? WHERE id = ?", point.frames, run.id)

    def finish(
        self,
        run: Run,
        status: Status,
        score: float | None,
        training_score: float | None,
        clock: int,
        reason: str,
    ) -> None:
        """A run has ended: scored, culled or failed, with its score; a failed one has none."""
        self._rows(
            "UPDATE runs SET status = ?, score = ?, training_score = ?, ended = ? WHERE id = ?",
            *(status, score, training_score, clock, run.id),
        )
        if run.seed == self.seed:
            self._rows(
                "UPDATE candidates SET status = ?, score = ?, training_score = ?, reason = ? WHERE id = ?",
                *(status, score, training_score, reason, run.candidate),
            )
        fresh = [
            float(value)
            for (value,) in self._rows(
                "SELECT coalesce(score, 0) FROM runs WHERE candidate = ? AND seed != ? AND ended IS NOT NULL",
                *(run.candidate, self.seed),
            )
        ]
        mean = statistics.fmean(fresh) if fresh else None
        error = statistics.stdev(fresh) / math.sqrt(len(fresh)) if len(fresh) > 1 else None
        self._rows(
            "UPDATE candidates SET frames = (SELECT sum(frames) FROM runs WHERE candidate = ?1),"
            " fresh_score = ?2, fresh_error = ?3, fresh_runs = ?4 WHERE id = ?1",
            *(run.candidate, mean, error, len(fresh)),
        )

    def count(self, gate: str, passed: int = 0, stopped: int = 0, frames: int = 0) -> None:
        """Count what a gate did."""
        self._rows("INSERT OR IGNORE INTO gates (name) VALUES (?)", gate)
        self._rows(
            "UPDATE gates SET passed = passed + ?, stopped = stopped + ?, frames = frames + ? WHERE name = ?",
            *(passed, stopped, frames, gate),
        )

    def settle(self) -> None:
        """Move the write-ahead log into `study.db`, as far as readers allow."""
        checkpoint(self._connection)

    def open_rung(self, frames: int, foresight: Foresight) -> None:
        """Let a rung stop candidates from now on."""
        self._store(f"{RUNG}{frames}", json.dumps(asdict(foresight)))

    def log(self, kind: str, detail: Mapping[str, object]) -> None:
        """Note an event that doesn't matter to results, with its time. Not inside `deciding`."""
        with self._writing():
            self._log(kind, detail)

    def _queue(self, candidate: int, seed: int) -> None:
        self._rows("INSERT INTO runs (candidate, seed, status) VALUES (?, ?, 'queued')", candidate, seed)

    def _compare(self, settings: SearchSettings, grammar: Grammar) -> None:
        """Raise `A2lError` unless a study can be resumed with these settings."""
        if self._rows("SELECT 1 FROM meta WHERE name = ?", MERGED):
            raise A2lError(
                f"the study {self.folder} is merged from others, and can't search further",
                "continue one of them and merge again, or name a new folder with --study",
            )
        stored = self.settings
        if stored.scoring != settings.scoring:
            raise A2lError(
                f"the study {self.folder} was begun by a version of a2l with other rules for scores",
                "it can be read, but not continued: name a new folder with --study",
            )
        differing = stored.differences(settings)
        for name in _EXTENSIONS:
            if getattr(settings, name) >= getattr(stored, name):
                differing.pop(name, None)
        if not stored.confirm:
            differing.pop("confirm_seeds", None)
        # Memory may force another number of slots; results of candidates don't depend on it.
        differing.pop("stack", None)
        if differing:
            changes = "; ".join(f"{name} was {old}, now {new}" for name, (old, new) in differing.items())
            raise A2lError(
                f"the study {self.folder} was begun with other settings: {changes}",
                "use the same ones to resume it, or name a new folder with --study",
            )
        if self._meta("grammar") != fingerprint(grammar):
            raise A2lError(
                f"the grammar {settings.grammar} has changed since the study {self.folder} was begun",
                "restore it to resume, or name a new folder with --study",
            )

    @contextmanager
    def _writing(self) -> Iterator[None]:
        self.check_there()
        with explained(self.folder), transaction(self._connection, self._on_wait):
            yield

    def _store(self, name: str, value: str, replace: bool = True) -> None:
        how = "UPDATE SET value = excluded.value" if replace else "NOTHING"
        self._rows(f"INSERT INTO meta VALUES (?, ?) ON CONFLICT (name) DO {how}", name, value)

    def _log(self, kind: str, detail: Mapping[str, object]) -> None:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self._rows("INSERT INTO events (time, kind, detail) VALUES (?, ?, ?)", now, kind, json.dumps(detail))


def fingerprint(grammar: Grammar) -> str:
    """A hash of all that the losses of a grammar depend on: a study is only resumed with the same hash."""
    return hashlib.sha256(f"{grammar.text} {grammar.only}".encode()).hexdigest()[:32]

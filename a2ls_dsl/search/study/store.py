"""The file a study lives in: one SQLite database in a folder, a lock beside it, and errors with a fix.

Everything but the table `events` is a function of the settings; only `events` holds times of day.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.lang.files import unwritable
from a2ls_dsl.rl.runs.lock import held

SCHEMA_VERSION = 2
DATABASE, LOCK, HALL, SLOTS = "study.db", "lock", "hall_of_fame", "slots.npz"
_ROWS = "slots.rows"  # beside the slots, of frames
POLICIES = "policies"

BUSY_SECONDS, BUSY_TIMES = 10.0, 60
"""How long a statement waits for another writer, and how often a search waits so before it gives up."""

_LOG = f"{DATABASE}-wal"
_OURS = {DATABASE, _LOG, f"{DATABASE}-shm", f"{DATABASE}-journal", LOCK, HALL, POLICIES, SLOTS, _ROWS}
_TABLES = (
    # Besides settings: `clock`, the last time of the search at which anything was decided, in half ticks, and
    # `rng`, the state of the generator that proposes.
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    # Ids count from 1 in the order of proposal; reason says why a candidate failed or was rejected. The
    # fresh_ columns summarise its runs with fresh seeds.
    """CREATE TABLE candidates (
        id INTEGER PRIMARY KEY,
        key TEXT NOT NULL UNIQUE,
        text TEXT NOT NULL,
        generation INTEGER NOT NULL,
        origin TEXT NOT NULL,
        parents TEXT NOT NULL,
        status TEXT NOT NULL
            CHECK (status IN ('queued', 'running', 'scored', 'culled', 'failed', 'rejected')),
        score REAL,
        training_score REAL,
        reason TEXT NOT NULL DEFAULT '',
        frames INTEGER NOT NULL DEFAULT 0,
        fresh_score REAL,
        fresh_error REAL,
        fresh_runs INTEGER NOT NULL DEFAULT 0
    )""",
    "CREATE INDEX by_score ON candidates (status, score)",
    "CREATE INDEX by_generation ON candidates (generation, status)",
    # slot, began, ended: where, and between which ticks of the search, a run trained.
    """CREATE TABLE runs (
        id INTEGER PRIMARY KEY,
        candidate INTEGER NOT NULL REFERENCES candidates (id),
        seed INTEGER NOT NULL,
        status TEXT NOT NULL CHECK (status IN ('queued', 'running', 'scored', 'culled', 'failed')),
        score REAL,
        training_score REAL,
        frames INTEGER NOT NULL DEFAULT 0,
        slot INTEGER,
        began INTEGER,
        ended INTEGER,
        UNIQUE (candidate, seed)
    )""",
    "CREATE INDEX by_status ON runs (status)",
    """CREATE TABLE curves (
        run INTEGER NOT NULL REFERENCES runs (id),
        frames INTEGER NOT NULL,
        mean_return REAL NOT NULL,
        training_return REAL,
        returns TEXT NOT NULL,
        PRIMARY KEY (run, frames)
    )""",
    # How many candidates passed each gate and how many it stopped; frames: those that it saved.
    """CREATE TABLE gates (
        name TEXT PRIMARY KEY,
        passed INTEGER NOT NULL DEFAULT 0,
        stopped INTEGER NOT NULL DEFAULT 0,
        frames INTEGER NOT NULL DEFAULT 0
    )""",
    """CREATE TABLE events (
        id INTEGER PRIMARY KEY,
        time TEXT NOT NULL,
        kind TEXT NOT NULL,
        detail TEXT NOT NULL
    )""",
)
_MEANING = {
    "SQLITE_FULL": (
        "there is no space left for it",
        "free some and run the same command again; scores so far are kept",
    ),
    "SQLITE_READONLY": ("it can't be written", "check the permissions of the folder; scores so far are kept"),
    "SQLITE_CANTOPEN": ("it can't be opened", "check the path and the permissions of the folder"),
    "SQLITE_NOTADB": (f"its {DATABASE} is not a study", "name another folder"),
    "SQLITE_CORRUPT": (f"its {DATABASE} is damaged", "restore it from a copy, or begin a new study"),
    "SQLITE_BUSY": (
        "another program holds it",
        "end that program, then run the same command again; scores so far are kept",
    ),
}


def create_or_open(folder: Path) -> sqlite3.Connection:
    """The database in a folder, for writing; folder and tables are made if they aren't there.

    Raises `A2lError` for a folder that holds something else, can't be written, or has lost its database.
    """
    if not _size(folder / DATABASE) and any((folder / HALL).glob("*")):
        raise A2lError(
            f"the study {folder} has lost its {DATABASE}, though not its {HALL}",
            f"restore {DATABASE} from a copy, or move the folder away and begin a new study",
        )
    with explained(folder):
        connection = _connect(f"{(folder / DATABASE).absolute().as_uri()}?mode=rwc")
        try:
            fresh = not connection.execute("SELECT 1 FROM sqlite_master").fetchone()
            if not fresh:
                _check_version(folder, connection)
            # Write-ahead: readers never wait, and a commit survives a killed process and a power cut.
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            if fresh:
                with transaction(connection):
                    for table in _TABLES:
                        connection.execute(table)
                    connection.execute("INSERT INTO meta VALUES ('schema', ?)", (str(SCHEMA_VERSION),))
        except BaseException:
            connection.close()
            raise
    return connection


def open_readonly(folder: Path) -> sqlite3.Connection:
    """The database in a folder, for reading, also while a search writes it. Raises `A2lError` if there is
    none.

    Also if its write-ahead log holds results and nothing can be written beside it: they would be missing.
    """
    path = folder / DATABASE
    if not path.is_file():
        raise A2lError(f"there is no study in {folder}", "`a2l evolve` makes one; name its folder")
    with explained(folder):
        try:
            connection = _connect(f"{path.absolute().as_uri()}?mode=ro")
            connection.execute("SELECT 1 FROM sqlite_master").fetchone()
        except sqlite3.OperationalError:
            # A reader of a write-ahead database has to write beside it. If it can't, nobody else can, and
            # without a log everything is in the database itself.
            if _size(folder / _LOG):
                raise A2lError(
                    f"the study {folder} can't be read here: its {_LOG} holds results, and reading those "
                    "takes writing beside it",
                    "copy the folder to a place where you may write, and name the copy",
                ) from None
            connection = _connect(f"{path.absolute().as_uri()}?immutable=1")
        try:
            _check_version(folder, connection)
        except BaseException:
            connection.close()
            raise
    return connection


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a study's folder, which is made if necessary; the lock ends with the process."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        strange = {path.name for path in folder.iterdir()} - _OURS
        if strange and not (folder / DATABASE).exists():
            raise A2lError(f"{folder} is not a study: it holds {min(strange)}", "name a new or empty folder")
    except OSError as error:
        raise A2lError(
            f"the study {folder} can't be written: {error.strerror}", "name another folder"
        ) from None
    fix = "wait for it, end it, or name another folder; `a2l best` reads it meanwhile"
    with held(folder / LOCK, f"the study {folder}", fix):
        yield


def set_aside(folder: Path) -> Path | None:
    """Rename a study's folder to the first free `NAME.1`, `NAME.2`, ..., so that a new one can begin there.

    None if there is no folder. Raises `A2lError` if a search has it, or if it is not a study.
    """
    if not folder.exists():
        return None
    with locked(folder):
        number = 1
        while (kept := folder.with_name(f"{folder.name}.{number}")).exists():
            number += 1
        try:
            folder.rename(kept)
        except OSError as error:
            raise unwritable(kept, error) from None
    return kept


@contextmanager
def transaction(connection: sqlite3.Connection, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Store all of what is written inside, or none of it.

    While another program writes, it waits up to `BUSY_TIMES` times `BUSY_SECONDS`, and calls on_wait after
    each.
    """
    _begin(connection, on_wait)
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # On a full disk SQLite has already rolled back by itself.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _begin(connection: sqlite3.Connection, on_wait: Callable[[], None]) -> None:
    for _ in range(BUSY_TIMES - 1):
        try:
            connection.execute("BEGIN IMMEDIATE")
            return
        except sqlite3.OperationalError as error:
            if _code(error) != "SQLITE_BUSY":
                raise
        on_wait()
    connection.execute("BEGIN IMMEDIATE")


def checkpoint(connection: sqlite3.Connection) -> None:
    """Move the write-ahead log into the database, as far as readers allow, without waiting."""
    connection.execute("PRAGMA busy_timeout = 0")
    try:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.OperationalError:
        pass  # For example on a full disk: what isn't moved stays in the log, and is stored there.
    finally:
        connection.execute(f"PRAGMA busy_timeout = {round(1000 * BUSY_SECONDS)}")


def identity(folder: Path) -> tuple[int, int] | None:
    """What distinguishes a study's file from another with its name; None if there is none."""
    try:
        status = (folder / DATABASE).stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


@contextmanager
def explained(folder: Path) -> Iterator[None]:
    """Turns what SQLite raises into an `A2lError` that says what to do."""
    try:
        yield
    except sqlite3.Error as error:
        what, fix = _MEANING.get(_code(error), (str(error), "check its disk and its permissions"))
        raise A2lError(f"the study {folder} can't be used: {what}", fix) from None


def _connect(uri: str) -> sqlite3.Connection:
    # isolation_level None: transactions begin and end where `transaction` says, and nowhere else.
    return sqlite3.connect(uri, uri=True, isolation_level=None, timeout=BUSY_SECONDS)


def _code(error: sqlite3.Error) -> str:
    """The primary code, with which extended ones such as SQLITE_READONLY_DIRECTORY begin."""
    return "_".join(getattr(error, "sqlite_errorname", "").split("_")[:2])


def _size(path: Path) -> int:
    """The size of a file; 0 if there is none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _check_version(folder: Path, connection: sqlite3.Connection) -> None:
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    row = (
        connection.execute("SELECT value FROM meta WHERE name = 'schema'").fetchone()
        if "meta" in tables
        else None
    )
    if row is None:
        raise A2lError(f"the {DATABASE} in {folder} is not a study of a2l", "name another folder")
    if row[0] != str(SCHEMA_VERSION):
        raise A2lError(
            f"the study {folder} has the format {row[0]}, this version of a2l reads {SCHEMA_VERSION}",
            "use the version of a2l that made it, or begin a new study",
        )

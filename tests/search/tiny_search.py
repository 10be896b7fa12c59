"""A search that takes seconds, for tests to run, kill and repeat: `python tiny_search.py FOLDER`."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

from a2ls_dsl.rl.settings import EvaluationSettings, SacSettings
from a2ls_dsl.search.run import evolve
from a2ls_dsl.search.rungs import Rungs
from a2ls_dsl.search.settings import SearchSettings

SETTINGS = SearchSettings(
    "cartpole-swingup",
    race=0.0,
    population=3,
    generations=2,
    frames=1_200,
    stack=3,
    strategy="async",
    rungs=Rungs(shares=(0.5,), grace=2, correlation=-2.0),
    deterministic=True,
    agent=SacSettings(hidden=8, batch_size=4, random_steps=70),
    evaluation=EvaluationSettings(every_frames=600, episodes=1),
)

RESULTS = ("meta", "candidates", "runs", "curves", "gates")
"""The tables that are a function of the settings: all but `events`."""


def start(folder: Path) -> subprocess.Popen[bytes]:
    """Begin or resume the search in a process of its own."""
    return subprocess.Popen([sys.executable, __file__, str(folder)])


def rows(folder: Path, sql: str) -> list[tuple[object, ...]]:
    """What a query gives; empty while there is no such table yet."""
    connection = sqlite3.connect(f"{(folder / 'study.db').as_uri()}?mode=ro", uri=True)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def results(folder: Path) -> dict[str, object]:
    """Everything a search leaves behind but its events and policies: tables and losses."""
    tables: dict[str, object] = {table: rows(folder, f"SELECT * FROM {table}") for table in RESULTS}
    files = {path.name: path.read_text() for path in (folder / "hall_of_fame").iterdir()}
    return tables | {"files": files}


if __name__ == "__main__":
    evolve(SETTINGS, Path(sys.argv[1]), workers=1, save_seconds=0.0)

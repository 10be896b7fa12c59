"""A search that takes seconds, for tests to run, kill and repeat."""

from __future__ import annotations

from multiprocessing.process import BaseProcess
from pathlib import Path

from forked import CONTEXT
from study_tables import rows

from a2ls_dsl.rl.settings import EvaluationSettings, SacSettings
from a2ls_dsl.search.run import evolve
from a2ls_dsl.search.rungs import Rungs
from a2ls_dsl.search.settings import SearchSettings

SETTINGS = SearchSettings(
    "gymnasium:Pendulum-v1?max_episode_steps=20",  # what costs most of a tiny search are its evaluations
    race=0.0,
    population=3,
    generations=2,
    frames=40,
    stack=2,
    strategy="async",
    rungs=Rungs(shares=(0.5,), grace=2, correlation=-2.0),
    deterministic=True,
    agent=SacSettings(hidden=8, batch_size=4, random_steps=12, learning_rate=0.01),
    evaluation=EvaluationSettings(every_frames=20, episodes=1),
)

RESULTS = ("meta", "candidates", "runs", "curves", "gates")
"""The tables that are a function of the settings: all but `events`."""


def start(folder: Path) -> BaseProcess:
    """Begin or resume the search in a process of its own."""
    process = CONTEXT.Process(target=_search, args=(folder,), daemon=True)
    process.start()
    return process


def _search(folder: Path) -> None:
    evolve(SETTINGS, folder, workers=1, save_seconds=0.0)


def results(folder: Path) -> dict[str, object]:
    """Everything a search leaves behind but its events and policies: tables and losses."""
    tables: dict[str, object] = {table: rows(folder, f"SELECT * FROM {table}") for table in RESULTS}
    files = {path.name: path.read_text() for path in (folder / "hall_of_fame").iterdir()}
    return tables | {"files": files}


def policies(folder: Path) -> dict[str, bytes]:
    """The policies that a search keeps; one that is killed may lack some."""
    return {path.name: path.read_bytes() for path in (folder / "policies").glob("*.npz")}

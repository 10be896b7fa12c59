"""A study of a small search, and what happens in it."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import numpy as np

from a2ls_dsl.rl.runs.curve import Point
from a2ls_dsl.search.candidates import Status
from a2ls_dsl.search.presets import quick
from a2ls_dsl.search.strategies.evolution import first_population
from a2ls_dsl.search.study.store import DATABASE
from a2ls_dsl.search.study.study import Study

_PRESET = quick("walker-walk")
# Whatever scale the table of tasks has for the preset.
SETTINGS = replace(
    _PRESET, population=6, generations=2, frames=5_000, stack=8, agent=replace(_PRESET.agent, hidden=128)
)
GRAMMAR = SETTINGS.space()


def propose(study: Study, n: int = 6) -> None:
    rng = np.random.default_rng(study.generations)
    proposals = first_population(GRAMMAR, n, SETTINGS.evolution, rng, study.keys())
    with study.deciding(study.clock + 1):
        study.propose(proposals, study.generations + 1, rng.bit_generator.state)


def end(study: Study, number: int, score: float | None, reason: str = "") -> None:
    """Train a candidate's queued run to its end."""
    (run,) = study.runs(Status.QUEUED, number)
    with study.deciding(study.clock + 1):
        study.start(run, 0, study.clock)
        if score is not None:
            for frames, value in ((1_000, score - 1), (2_000, score + 1)):
                study.point(run, Point(frames, (value, value), float("nan")))
        status = Status.FAILED if reason else Status.SCORED
        study.finish(run, status, score, score, study.clock + 1, reason)


def score_all(study: Study) -> None:
    for run in study.runs(Status.QUEUED):
        end(study, run.candidate, 7.0 * run.candidate % 5)


def count(folder: Path, table: str) -> int:
    connection = sqlite3.connect(folder / DATABASE)
    try:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
    finally:
        connection.close()

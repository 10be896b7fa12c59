"""Merges several studies with the same settings: every run counts once, nothing is trained again.

A run is identified by its loss and its seed. Studies that searched with different seeds share some losses,
such as the references, which become one candidate; two copies of one study share everything.
"""

from __future__ import annotations

import json
import math
import shutil
import sqlite3
import statistics
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.lang.files import unwritable
from a2ls_dsl.search.candidates import Candidate, Status, centred, seed_levels
from a2ls_dsl.search.study.hall_of_fame import write_hall_of_fame
from a2ls_dsl.search.study.reader import MERGED, RUNG
from a2ls_dsl.search.study.records import Records, RunRecord
from a2ls_dsl.search.study.rows import Part
from a2ls_dsl.search.study.store import create_or_open, explained, transaction

_MAY_DIFFER = (
    "seed",
    "generations",
    "stack",
    "race",
    "start_from",
    "confirm",
    "confirm_seeds",
    "deterministic",
)
"""The settings on which the result of a run with a given seed doesn't depend."""

_RANK = {status: rank for rank, status in enumerate((Status.SCORED, Status.CULLED, Status.FAILED))}


@dataclass(frozen=True)
class Merged:
    """What a merged study holds, and how many unfinished runs of its parts were left out."""

    parts: tuple[Part, ...]
    candidates: int
    runs: int
    shared: int
    unfinished: int


@dataclass
class _Entry:
    """A candidate with its runs by seed, each with the number of the part that it comes from."""

    candidate: Candidate
    runs: dict[int, tuple[int, RunRecord]] = field(default_factory=dict)


def merge(parts: Sequence[Path], folder: Path) -> Merged:
    """Make a new study in `folder` of all that has ended in others, which stay as they are.

    A candidate's score is then its mean over the seeds it was searched with, centred on the references with
    the same seeds, so that an easy seed doesn't bring its own candidates to the top. Raises `A2lError` if the
    studies have different settings (except for seeds), or if there is anything in `folder`.
    """
    parts = list({part.resolve(): part for part in parts}.values())  # a folder given twice is one part
    if len(parts) < 2:
        raise A2lError("a merge takes two studies or more", "name their folders")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise A2lError(f"{folder} exists already", "name a new folder with --into")
    with ExitStack() as stack:
        studies = [stack.enter_context(Records(part)) for part in parts]
        for study in studies:
            stack.enter_context(study.still())
        _compare(studies)
        merged = _written(studies, folder)
    with Records(folder) as result:
        write_hall_of_fame(result)
    return merged


def _compare(studies: Sequence[Records]) -> None:
    first, *others = studies
    for other in others:
        differing = first.settings.differences(other.settings)
        differing = {name: pair for name, pair in differing.items() if name not in _MAY_DIFFER}
        if differing:
            values = "; ".join(f"{name} is {old} and {new}" for name, (old, new) in differing.items())
            raise A2lError(
                f"{first.folder} and {other.folder} have different settings: {values}",
                "only studies that differ in nothing but seeds and sizes can be merged",
            )
        if first.fingerprint != other.fingerprint:
            raise A2lError(
                f"{first.folder} and {other.folder} searched different grammars of the same name",
                "only studies of one grammar can be merged",
            )


def _written(studies: Sequence[Records], folder: Path) -> Merged:
    entries, unfinished, shared = _united(studies)
    parts = tuple(part for study in studies for part in study.parts or (_part(study),))
    partial = folder.with_name(f".{folder.name}.merging")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        connection = create_or_open(partial)
        try:
            with explained(folder), transaction(connection):
                runs = _store(connection, studies, entries, {part.seed for part in parts})
                _store_rest(connection, studies, parts)
        finally:
            connection.close()
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial.replace(folder)  # an empty folder of this name gives way
    except OSError as error:
        raise unwritable(folder, error) from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return Merged(parts, len(entries), runs, shared, unfinished)


def _part(study: Records) -> Part:
    return Part(study.folder.resolve().name, study.settings.seed, sum(study.counts().values()))


def _united(studies: Sequence[Records]) -> tuple[list[_Entry], int, int]:
    """All candidates that are done, each once, the older generations first; the numbers of
    unfinished runs and of shared candidates."""
    entries: dict[str, _Entry] = {}
    unfinished = shared = 0
    for place, study in enumerate(studies):
        for candidate in study.candidates_one_by_one():
            before = entries.get(candidate.key)
            if not candidate.done:
                continue
            shared += before is not None
            if before is None or _rank(candidate) < _rank(before.candidate):
                entries[candidate.key] = _Entry(candidate, before.runs if before else {})
        for run in study.run_records():
            if run.ended is None:
                unfinished += 1
            elif run.key in entries:
                mine = entries[run.key].runs.get(run.seed)
                if mine is None or _RANK[run.status] < _RANK[mine[1].status]:
                    entries[run.key].runs[run.seed] = place, run
    return sorted(entries.values(), key=lambda entry: entry.candidate.generation), unfinished, shared


def _rank(candidate: Candidate) -> int:
    return _RANK.get(candidate.status, len(_RANK))


def _store(
    connection: sqlite3.Connection, studies: Sequence[Records], entries: Sequence[_Entry], searched: set[int]
) -> int:
    """Candidates, runs and curves; the number of runs."""
    number = 0
    first_slots = [0]
    for study in studies:
        first_slots.append(
            first_slots[-1] + max((run.slot or 0 for run in study.run_records()), default=0) + 1
        )
    levels = seed_levels([_searched(entry, searched) for entry in entries if entry.candidate.is_reference])
    for row, entry in enumerate(entries, start=1):
        summed = _summed_up(replace(entry.candidate, id=row), entry, searched, levels)
        _insert(connection, "candidates", summed)
        for seed, (place, run) in sorted(entry.runs.items()):
            number += 1
            slot = None if run.slot is None else first_slots[place] + run.slot
            values = (run.status, run.score, run.training_score, run.frames, slot, run.began, run.ended)
            _insert(connection, "runs", (number, row, seed, *values))
            for point in studies[place].curve(run.id):
                training = None if math.isnan(point.training_return) else point.training_return
                returns = json.dumps(point.returns)
                _insert(connection, "curves", (number, point.frames, point.mean_return, training, returns))
    return number


def _searched(entry: _Entry, searched: set[int]) -> dict[int, float]:
    """The scores of a candidate's search runs that ended as it did, by seed."""
    return {
        seed: run.score
        for seed, (_, run) in entry.runs.items()
        if seed in searched and run.status == entry.candidate.status and run.score is not None
    }


def _summed_up(
    candidate: Candidate, entry: _Entry, searched: set[int], levels: Mapping[int, float]
) -> tuple[object, ...]:
    """A candidate's row, with means over its runs. levels: what the references score with each seed."""
    runs = [run for _, run in entry.runs.values()]
    mine = [run for run in runs if run.seed in searched and run.status == candidate.status]
    scores = _searched(entry, searched)
    training = [run.training_score for run in mine if run.training_score is not None]
    fresh = [run.score or 0.0 for run in runs if run.seed not in searched]
    return (
        candidate.id,
        candidate.key,
        candidate.text,
        candidate.generation,
        candidate.origin,
        json.dumps(candidate.parents),
        candidate.status,
        centred(scores, levels if candidate.status is Status.SCORED else {}) if scores else None,
        statistics.fmean(training) if training else None,
        candidate.reason,
        sum(run.frames for run in runs),
        statistics.fmean(fresh) if fresh else None,
        statistics.stdev(fresh) / math.sqrt(len(fresh)) if len(fresh) > 1 else None,
        len(fresh),
    )


def _store_rest(connection: sqlite3.Connection, studies: Sequence[Records], parts: Sequence[Part]) -> None:
    """Settings, what the gates did, and the logs."""
    first = studies[0]
    meta = {
        "package": first.version,
        "grammar": first.fingerprint,
        "settings": first.settings.to_json(),
        "clock": str(max(study.clock for study in studies)),
        MERGED: json.dumps([asdict(part) for part in parts]),
    }
    for item in meta.items():
        _insert(connection, "meta", item)
    budget = first.settings.frames
    for name in sorted({name for study in studies for name in study.gates()}):
        did = _rung(connection, name, budget) if name.startswith(RUNG) else _gate(connection, name, first)
        _insert(connection, "gates", (name, *did))
    events = dict.fromkeys(
        (event.time, event.kind, json.dumps(dict(event.detail)))
        for study in studies
        for event in study.events()
    )
    for number, event in enumerate(sorted(events), start=1):
        _insert(connection, "events", (number, *event))


def _gate(connection: sqlite3.Connection, name: str, study: Records) -> tuple[int, int, int]:
    """How many candidates passed a gate, how many it stopped, and the frames that this saved, counted from
    the candidates."""
    stopped = dict(
        connection.execute(
            "SELECT substr(reason, 1, instr(reason, ': ') - 1), count(*) FROM candidates"
            " WHERE status = 'rejected' GROUP BY 1"
        ).fetchall()
    )
    ((trained,),) = connection.execute(
        "SELECT count(*) FROM candidates WHERE status != 'rejected' AND origin != 'reference'"
    ).fetchall()
    order = study.settings.gates
    later = order[order.index(name) + 1 :] if name in order else ()
    passed = trained + sum(stopped.get(gate, 0) for gate in later)
    return passed, stopped.get(name, 0), stopped.get(name, 0) * study.settings.frames


def _rung(connection: sqlite3.Connection, name: str, budget: int) -> tuple[int, int, int]:
    """The same for a rung."""
    frames = int(name.removeprefix(RUNG))
    passed, stopped = connection.execute(
        "SELECT sum(runs.frames > ?1), sum(runs.frames = ?1 AND runs.status = 'culled')"
        " FROM runs JOIN candidates ON candidate = candidates.id WHERE origin != 'reference'"
        " AND seed IN (SELECT json_extract(value, '$.seed') FROM"
        "  json_each((SELECT value FROM meta WHERE name = 'merged')))",
        (frames,),
    ).fetchone()
    return passed or 0, stopped or 0, (stopped or 0) * (budget - frames)


def _insert(connection: sqlite3.Connection, table: str, values: Sequence[object]) -> None:
    connection.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(values))})", tuple(values))

"""Searches that were killed or stopped go on, with what was in training."""

from __future__ import annotations

import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from forked import Started
from search.search_processes import SEARCH, ends, wait
from search.tiny_search import SETTINGS, policies, results, start
from study_tables import rows

from a2ls_dsl.search import run
from a2ls_dsl.search.events import Placed, Progress, RunsEnded, SearchStarted
from a2ls_dsl.search.run import evolve


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_a_search_that_is_killed_often_goes_on_as_if_it_had_not_been(
    kills: int, whole: Path, tmp_path: Path
) -> None:
    """Killed at random moments, at first within its start: nothing is lost, nothing trained twice."""
    folder, rng = tmp_path / "killed", np.random.default_rng(0)
    kept: set[tuple[object, ...]] = set()
    for _ in range(kills):
        process = start(folder)
        time.sleep(float(rng.uniform(0.1, 2.0)))
        process.kill()
        process.join()
        if (folder / "study.db").exists() and (folder / "study.db").stat().st_size:
            now = set(rows(folder, "SELECT id, score FROM candidates WHERE score IS NOT NULL"))
            assert kept <= now
            kept = now
    ends(start(folder))
    assert results(folder) == results(whole)


def test_a_stopped_search_goes_on_with_what_trains(whole: Path, tmp_path: Path) -> None:
    """Stopped in the middle of episodes, again and again: no run begins twice, no tick is made twice."""
    folder, ticks = tmp_path / "stopped", 0
    placed: Counter[int] = Counter()

    def on_event(event: object) -> None:
        if isinstance(event, Placed):
            placed.update(run.id for run in event.runs)

    def stops_after(ticks: int) -> Callable[[], bool]:
        left = iter(range(ticks))
        return lambda: next(left, None) is None

    # A process of its own: a deterministic search sets torch's threads.
    torch.set_num_threads(1)
    for count in (26, 63, 51, 37):
        ticks += count + 1
        assert not evolve(SETTINGS, folder, on_event, workers=1, stopping=stops_after(count))
        assert not rows(folder, "SELECT 1 FROM events WHERE kind = 'begun anew'")
    assert evolve(SETTINGS, folder, on_event, workers=1)
    assert max(placed.values()) == 1
    assert len(rows(folder, "SELECT 1 FROM events WHERE kind = 'taken up'")) == 4
    assert not (folder / "slots.npz").exists()
    assert results(folder) == results(whole)
    assert policies(folder) == policies(whole)


def test_slots_that_are_older_than_the_study_are_taken_up(whole: Path, tmp_path: Path) -> None:
    """As after a kill: runs have ended since, others have taken their slots."""
    folder = tmp_path / "killed"
    for count in (25, 90):
        left = iter(range(count))
        evolve(SETTINGS, folder, workers=1, stopping=lambda left=left: next(left, None) is None)
        if count == 25:
            shutil.copy(folder / "slots.npz", tmp_path / "older")
    ended = rows(folder, "SELECT count(*) FROM runs WHERE ended IS NOT NULL")
    shutil.copy(tmp_path / "older", folder / "slots.npz")
    assert ended != [(0,)]
    assert evolve(SETTINGS, folder, workers=1)
    assert results(folder) == results(whole)
    assert ("begun anew",) not in rows(folder, "SELECT kind FROM events")


def test_ctrl_c_stores_what_trains_and_twice_stops_now(tmp_path: Path) -> None:
    """Both say how to go on; and so does a search whose hours are over."""
    command = [*SEARCH, "--workers", "1", "--stack", "2"]
    training = "SELECT 1 FROM runs WHERE status = 'running'"
    for name, times, kind in (("once", 1, "stopped"), ("twice", 2, "interrupted"), ("hours", 0, "stopped")):
        folder = tmp_path / name
        limit = ["--hours", "0.0001"] if not times else []
        process = Started(*command, "--study", folder, *limit)
        if times:
            wait(process, lambda folder=folder: bool(rows(folder, training)))
        for _ in range(times):
            process.send_signal(signal.SIGINT)
        said = process.communicate()[0]
        assert process.returncode == (130 if times else 75)
        assert "the same command resumes" in said
        kinds = [row[0] for row in rows(folder, "SELECT kind FROM events")]
        assert kinds == ["started", kind] or (times == 2 and kinds == ["started", "stopped"])
        assert rows(folder, training) == [(1,), (1,)]
        if kind == "stopped":
            assert "where the runs in training stand" in said
            assert (folder / "slots.npz").exists()


def test_what_is_to_go_is_never_more_than_was_announced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At every tick, with rungs and confirmation: trained and to go are together at most what was announced.

    It falls to nothing at the end. The search is stopped once runs have ended, and taken up where it stood.
    """
    monkeypatch.setattr(run, "PROGRESS_SECONDS", 0.0)
    settings = replace(SETTINGS, population=2, deterministic=False, confirm=1, confirm_seeds=2)
    folder, events = tmp_path / "study", list[object]()
    assert not evolve(
        settings,
        folder,
        events.append,
        workers=1,
        stopping=lambda: any(isinstance(event, RunsEnded) for event in events),
    )
    assert evolve(settings, folder, events.append, workers=1)
    first, second = (event for event in events if isinstance(event, SearchStarted))
    assert first.most_frames == (settings.candidates + 2 + 3 * 2) * settings.frames
    progress = [event for event in events if isinstance(event, Progress)]
    assert all(event.frames + event.frames_left <= first.most_frames for event in progress)
    assert second.most_frames < first.most_frames
    assert progress[-1].frames_left <= settings.frames
    assert not any(event.catching_up for event in progress)  # what was in training went on


def test_without_slots_a_search_begins_runs_anew_and_says_so_until_it_is_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before it stored any; a file that isn't its own is left alone."""
    monkeypatch.setattr(run, "PROGRESS_SECONDS", 0.0)
    settings = replace(SETTINGS, frames=4 * SETTINGS.evaluation.every_frames)
    whole, folder = tmp_path / "whole", tmp_path / "killed"
    assert evolve(settings, whole, workers=1)

    def killed(event: object) -> None:
        if (
            isinstance(event, Progress) and event.frames > 1.5 * settings.frames
        ):  # no run of either slot has ended
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evolve(settings, folder, killed, workers=1)
    (folder / "slots.npz").write_bytes(b"nonsense")
    events: list[object] = []
    assert evolve(settings, folder, events.append, workers=1)
    progress = [event for event in events if isinstance(event, Progress)]
    assert 0 < progress[0].frames < settings.evaluation.every_frames
    taken_up = [event.catching_up for event in progress]
    assert taken_up == sorted(taken_up, reverse=True)
    assert taken_up[0]
    assert not taken_up[-1]
    assert ("begun anew",) in rows(folder, "SELECT kind FROM events")
    assert results(folder) == results(whole)

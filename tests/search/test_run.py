"""Whole searches on real physics: to the end, killed and resumed, repeated; and the commands around them."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import pytest
import torch
from forked import Started, a2l
from processes import environment_workers
from rich.console import Console
from search.tiny_search import SETTINGS, policies, results, rows, start

from a2ls_dsl.cli.evolve_view import SearchView
from a2ls_dsl.rl.policies.play import play
from a2ls_dsl.rl.policies.policy import load_policy
from a2ls_dsl.rl.slots.slots import Replaced
from a2ls_dsl.search import run
from a2ls_dsl.search.events import Event, Placed, Progress, RunsEnded, SearchStarted, SpaceExhausted
from a2ls_dsl.search.run import evolve

SEARCH = (
    "evolve",
    "--env",
    "cartpole-swingup",
    "--population",
    "2",
    "--generations",
    "1",
    "--frames",
    "160",
    *("--set", "random_steps=16", "--set", "hidden=8", "--set", "batch_size=4"),
)


def wait(process: Started, ready: Callable[[], bool]) -> None:
    """Wait until something is so, while a process runs; a test's timeout bounds it."""
    while process.poll() is None:
        try:
            if ready():
                return
        except sqlite3.OperationalError:  # not made yet
            pass
        time.sleep(0.02)
    raise AssertionError("the process ended before its time")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The search without interruption. Those of other tests have its settings and seed, and its results."""
    folder = tmp_path_factory.mktemp("search") / "whole"
    ends(start(folder))
    return folder


def ends(process: BaseProcess) -> None:
    """Wait for the end of a process, which has to be a good one."""
    process.join()
    assert process.exitcode == 0


def test_a_search_scores_every_candidate_once(whole: Path) -> None:
    candidates = rows(whole, "SELECT status, origin, generation, score FROM candidates")
    assert len(candidates) == 2 + 2 * SETTINGS.population
    assert {row[0] for row in candidates} == {"scored", "culled"}
    assert Counter(row[2] for row in candidates) == {1: 5, 2: 3}
    assert all(isinstance(row[3], float) and -16.3 * 20 <= row[3] <= 0 for row in candidates)
    assert rows(whole, "SELECT count(*) FROM runs WHERE ended IS NULL") == [(0,)]
    best = rows(whole, "SELECT count(*) FROM candidates WHERE status = 'scored' AND origin != 'reference'")
    assert [(len(list((whole / "hall_of_fame").iterdir())),)] == best


def test_the_best_keep_their_policies(whole: Path) -> None:
    """Those of the hall of fame do; the best can be played, and plays as it was scored."""
    losses = sorted((whole / "hall_of_fame").glob("*.a2l"))
    assert sorted(policies(whole)) == [path.with_suffix(".npz").name for path in losses]
    policy = load_policy(whole)
    assert policy.trained.name.removeprefix("candidate ") in losses[0].name
    last = [moment.total for moment in play(policy, SETTINGS.evaluation.episodes) if moment.last]
    assert float(np.mean(last)) == policy.trained.score
    key = policy.trained.name.split()[1]
    sql = (
        "SELECT mean_return FROM curves"
        " JOIN runs ON run = runs.id JOIN candidates ON candidate = candidates.id"
        f" WHERE key LIKE '{key}%' AND curves.frames = {SETTINGS.frames}"
    )
    assert rows(whole, sql) == [(policy.trained.score,)]


def test_the_score_is_the_mean_of_the_curve(whole: Path) -> None:
    sql = (
        "SELECT score, avg(mean_return) FROM runs JOIN curves ON run = id"
        f" WHERE curves.frames > {SETTINGS.learning} GROUP BY id ORDER BY id"
    )
    for score, mean in rows(whole, sql):
        assert score == pytest.approx(mean)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_search(whole: Path, tmp_path: Path) -> None:
    """As the interrupted searches below show, too."""
    ends(start(tmp_path / "again"))
    assert results(tmp_path / "again") == results(whole)
    assert policies(tmp_path / "again") == policies(whole)


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


def test_random_search_and_the_commands(tmp_path: Path) -> None:
    done = a2l(*SEARCH, "--strategy", "random", "--workers", "1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    study = tmp_path / "studies" / "cartpole-swingup-a2ls-quick-seed0-random"
    assert "to train: 4 of 4 with the two references" in done.stdout
    assert done.stdout.count("\nscored ") == 4
    assert {row[0] for row in rows(study, "SELECT origin FROM candidates")} == {"reference", "random"}
    checked = a2l("check", *sorted((study / "hall_of_fame").iterdir()), cwd=tmp_path)
    assert checked.returncode == 0, checked.stderr

    again = a2l(*SEARCH, "--strategy", "random", "--workers", "1", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert "to train: 0 of 4" in again.stdout
    assert "\nscored " not in again.stdout

    board = json.loads(a2l("best", study, "--json", cwd=tmp_path).stdout)
    assert (board["env"], board["strategy"]) == ("cartpole-swingup", "random")
    ranks = [row["rank"] for row in board["leaderboard"]]
    assert [rank for rank in ranks if rank] == [1, 2]
    assert {row["name"] for row in board["leaderboard"] if not row["rank"]} == {"none", "a2_winner_v"}
    scores = [row["score"] for row in board["leaderboard"]]
    assert scores == sorted(scores, reverse=True)
    shown = a2l("best", study, "-n", "1", cwd=tmp_path).stdout.splitlines()
    assert shown[0] == "cartpole-swingup, 160 frames: 4 scored; the best by one run, so partly luck"
    assert shown[1].split() == ["rank", "score", "vs", "none,", "one", "run", "gen", "origin", "loss"]
    assert sum(line.lstrip().startswith("1 ") for line in shown) == 1
    assert shown[2].endswith(board["leaderboard"][0]["name"] or board["leaderboard"][0]["loss"])

    said = [done, *(a2l(*words, study, cwd=tmp_path) for words in (("best",), ("study", "show")))]
    lines = [line for session in said for line in session.stdout.splitlines() if re.search(r"\bbest\b", line)]
    assert len(lines) >= 3
    assert [line for line in lines if not re.search(r"luck|fresh seeds", line)] == []
    assert re.search(r"^spent: 640 frames in all; \d+ s in this session$", done.stdout, re.MULTILINE)
    assert "the same command with --confirm 3 trains the best three with fresh seeds" in done.stdout
    more = a2l(*SEARCH, "--strategy", "random", "--workers", "1", "--confirm", "2", cwd=tmp_path)
    assert more.returncode == 0, more.stderr
    assert more.stdout.count("\nconfirmed ") >= 4
    assert "partly luck" not in more.stdout
    assert "the best by the mean of 3 fresh seeds" in a2l("best", study, cwd=tmp_path).stdout


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


def test_a_worker_that_was_replaced_is_told(tmp_path: Path) -> None:
    events: list[Event] = []

    def on_event(event: Event) -> None:
        events.append(event)
        if isinstance(event, Placed) and sum(isinstance(earlier, Placed) for earlier in events) == 1:
            os.kill(environment_workers()[0], signal.SIGKILL)

    def replaced() -> list[Event]:
        return [event for event in events if isinstance(event, Replaced)]

    evolve(replace(SETTINGS, stack=1), tmp_path, on_event, workers=1, stopping=lambda: bool(replaced()))
    died = f"an environment worker of {SETTINGS.env} died with exit code -9: another took its place"
    assert [event.text for event in replaced()] == [f"{died}, and results stay the same"]
    logged = rows(tmp_path, "SELECT * FROM events")
    assert sum(died in str(row) for row in logged) == 1
    console = Console(file=io.StringIO(), width=20)
    SearchView(console)(replaced()[0])
    assert console.file.getvalue().startswith(died)


def test_a_folder_that_is_removed_ends_the_search(tmp_path: Path) -> None:
    """At once, not with the first score, and without a word of what would stay."""
    folder, command = tmp_path / "study", [*SEARCH, "--frames", "100000"]
    command += ["--workers", "1", "--stack", "2", "--study", str(folder)]
    process = Started(*command)
    wait(process, lambda: bool(rows(folder, "SELECT 1 FROM runs WHERE status = 'running'")))
    shutil.rmtree(folder)
    said = process.communicate()[1]
    assert process.returncode == 2
    assert "was removed, renamed or replaced while a search had it" in said
    assert "are kept" not in said
    assert not folder.exists()


def test_a_space_that_ends_ends_the_search(tmp_path: Path) -> None:
    grammar = tmp_path / "tiny.a2g"
    grammar.write_text("grammar tiny for k in 1..1\nloss = mse({ s[t] } -> { s[t+k] })\n")
    settings = replace(SETTINGS, grammar=str(grammar), stack=9, deterministic=False, strategy="paper")
    events: list[object] = []
    assert evolve(settings, tmp_path / "study", events.append, workers=1)
    assert [event for event in events if isinstance(event, SpaceExhausted)] == [SpaceExhausted(1)]
    assert len(rows(tmp_path / "study", "SELECT * FROM candidates WHERE status = 'scored'")) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("evolve", "--env", "walker-wolk"), "did you mean `walker-walk`?"),
        (("evolve", "--env", "walker-walk", "--grammar", "a2lss"), "did you mean `a2ls`?"),
        (("evolve", "--env", "walker-walk", "--operator", "nmsee"), "did you mean `nmse`?"),
        (("evolve", "--env", "walker-walk", "--without", "rung"), "did you mean `rungs`?"),
        (("evolve", "--env", "walker-walk", "--gpus", "2"), "--gpus would do nothing"),
        (("best", "nowhere"), "there is no study in nowhere"),
    ],
)
def test_mistakes_are_explained(arguments: tuple[str, ...], message: str, tmp_path: Path) -> None:
    done = a2l(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert not list(tmp_path.iterdir())

"""Whole searches on real physics: to the end, killed and resumed, repeated; and the commands around them."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_search import SETTINGS, results, rows, start

from a2ls_dsl.rl.evaluation import Score
from a2ls_dsl.rl.trainer import Evaluation
from a2ls_dsl.search.candidates import Candidate
from a2ls_dsl.search.evolution import Origin
from a2ls_dsl.search.run import DIVERGED, SpaceExhausted, _outcome, evolve

A2L = "import sys; from a2ls_dsl.cli import main; sys.argv[0] = 'a2l'; sys.exit(main())"
SEARCH = (
    "evolve",
    "--env",
    "cartpole-swingup",
    "--population",
    "2",
    "--generations",
    "1",
    "--frames",
    "1200",
)


def a2l(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", A2L, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, timeout=200)


def wait(process: subprocess.Popen[bytes], ready: Callable[[], bool]) -> None:
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
def whole(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The same search twice, without interruption."""
    folders = [tmp_path_factory.mktemp("search") / name for name in ("one", "two")]
    processes = [start(folder) for folder in folders]
    assert [process.wait() for process in processes] == [0, 0]
    return folders


def test_a_search_scores_every_candidate_once(whole: list[Path]) -> None:
    candidates = rows(whole[0], "SELECT status, origin, generation, score FROM candidates")
    assert len(candidates) == 2 + 2 * SETTINGS.population
    assert {row[0] for row in candidates} == {"scored"}
    assert Counter(row[2] for row in candidates) == {1: 5, 2: 3}
    assert all(isinstance(row[3], float) and 0 <= row[3] <= 1000 for row in candidates)
    assert len(rows(whole[0], "SELECT * FROM curves")) == 2 * len(candidates)
    assert rows(whole[0], "SELECT number, status FROM generations") == [(1, "scored"), (2, "scored")]
    assert len(list((whole[0] / "hall_of_fame").iterdir())) == 6


def test_the_score_is_the_mean_of_the_curve(whole: list[Path]) -> None:
    sql = (
        "SELECT score, avg(mean_return) FROM candidates JOIN curves ON candidate = id GROUP BY id ORDER BY id"
    )
    for score, mean in rows(whole[0], sql):
        assert score == pytest.approx(mean)


def test_the_same_seed_gives_the_same_search(whole: list[Path]) -> None:
    assert results(whole[0]) == results(whole[1])


def test_a_killed_search_goes_on_as_if_it_had_not_been(whole: list[Path], tmp_path: Path) -> None:
    folder = tmp_path / "killed"
    process = start(folder)
    finished = "SELECT 1 FROM candidates WHERE status = 'scored'"
    training = "SELECT 1 FROM candidates WHERE status = 'running'"
    wait(process, lambda: bool(rows(folder, finished)) and bool(rows(folder, training)))
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    kept = rows(folder, "SELECT id, score FROM candidates WHERE status = 'scored'")
    assert 0 < len(kept) < 8
    assert start(folder).wait() == 0
    assert results(folder) == results(whole[0])
    assert set(kept) <= set(rows(folder, "SELECT id, score FROM candidates"))
    stacks = [
        json.loads(str(row[0])) for row in rows(folder, "SELECT detail FROM events WHERE kind='scored'")
    ]
    trained = Counter(number for stack in stacks for number in stack["candidates"])
    assert trained == dict.fromkeys(range(1, 9), 1)


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
    assert shown[0] == "cartpole-swingup, 1,200 frames: 4 of 4 scored, 0 failed"
    assert shown[1].split() == ["rank", "score", "vs", "none", "gen", "origin", "loss"]
    assert sum(line.lstrip().startswith("1 ") for line in shown) == 1
    assert max(map(len, shown)) <= 80


def test_ctrl_c_says_how_to_go_on(tmp_path: Path) -> None:
    command = [sys.executable, "-c", A2L, *SEARCH, "--study", str(tmp_path / "study"), "--workers", "1"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    training = "SELECT 1 FROM candidates WHERE status = 'running'"
    wait(process, lambda: bool(rows(tmp_path / "study", training)))
    process.send_signal(signal.SIGINT)
    said = process.communicate()[0].decode()
    assert process.returncode == 130
    assert "the same command resumes" in said
    kinds = [row[0] for row in rows(tmp_path / "study", "SELECT kind FROM events")]
    assert kinds == ["started", "interrupted"]


def test_a_space_that_ends_ends_the_search(tmp_path: Path) -> None:
    grammar = tmp_path / "tiny.a2g"
    grammar.write_text("grammar tiny for k in 1..1\nloss = mse({ s[t] } -> { s[t+k] })\n")
    settings = replace(SETTINGS, grammar=str(grammar), stack=9, deterministic=False)
    events: list[object] = []
    evolve(settings, tmp_path / "study", events.append, workers=1)
    exhausted = [event for event in events if isinstance(event, SpaceExhausted)]
    assert exhausted == [SpaceExhausted(1, 1), SpaceExhausted(2, 0)]
    assert len(rows(tmp_path / "study", "SELECT * FROM candidates WHERE status = 'scored'")) == 3


def test_a_member_that_diverged_fails_with_score_zero() -> None:
    candidate = Candidate(7, "key", "text", 1, Origin.RANDOM, (), "running", None, None, "")
    evaluations = [
        Evaluation(
            frames,
            (
                Score(0, 0, frames, 2.0, {}, frames > 100, (3.0, 5.0)),
                Score(1, 0, frames, float("nan"), {}, False, (1.0, 1.0)),
            ),
        )
        for frames in (100, 200)
    ]
    failed, fine = (_outcome(candidate, member, evaluations) for member in (0, 1))
    assert (failed.score, failed.reason) == (0.0, DIVERGED)
    assert (fine.score, fine.reason) == (1.0, "")
    assert failed.training_score == 2.0
    assert np.isnan(fine.training_score)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("evolve", "--env", "walker-wolk"), "did you mean `walker-walk`?"),
        (("evolve", "--env", "walker-walk", "--grammar", "a2lss"), "did you mean `a2ls`?"),
        (("evolve", "--env", "walker-walk", "--operator", "nmsee"), "did you mean `nmse`?"),
        (("best", "nowhere"), "there is no study in nowhere"),
    ],
)
def test_mistakes_are_explained(arguments: tuple[str, ...], message: str, tmp_path: Path) -> None:
    done = a2l(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert not list(tmp_path.iterdir())

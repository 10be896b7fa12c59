"""Whole searches on real physics: to the end, and repeated; and the commands around them."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from forked import Started, a2l
from processes import environment_workers
from rich.console import Console
from search.search_processes import SEARCH, ends, wait
from search.tiny_search import SETTINGS, policies, results, start
from study_tables import rows

from a2ls_dsl.cli.evolve_view import SearchView
from a2ls_dsl.rl.policies.play import play
from a2ls_dsl.rl.policies.policy import load_policy
from a2ls_dsl.rl.slots.slots import Replaced
from a2ls_dsl.search.events import Event, Placed, SpaceExhausted
from a2ls_dsl.search.run import evolve


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
        "SELECT score, avg((mean_return + ifnull(training_return, mean_return)) / 2)"
        " FROM runs JOIN curves ON run = id"
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

"""`a2l train` and `a2l evolve` on a game, as a user meets them: the one whose ROM is free."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import pytest
from forked import a2l as run

pytest.importorskip("ale_py", reason="needs the extra `atari`")

from a2ls_dsl.cli import main
from a2ls_dsl.rl.rainbow.settings import EFFICIENT, RainbowSettings
from a2ls_dsl.rl.runs.folder import columns
from a2ls_dsl.rl.runs.training import Training
from a2ls_dsl.search.presets import PRESETS
from a2ls_dsl.search.settings import SearchSettings, find_task

TINY = [
    "--frames",
    "240",
    "--random-steps",
    "55",
    "--batch-size",
    "2",
    "--hidden",
    "8",
    "--eval-episodes",
    "1",
]


def test_a_game_is_trained_and_its_protocol_kept(tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = ["train", "--env", "ALE/Tetris-v5", "--loss", "curl", *TINY, "--out", str(out)]
    done = run(*command)
    assert done.returncode == 0, done.stderr
    assert "240 frames each = 60 agent steps of 4 frames" in done.stdout
    assert "changes nothing" not in done.stdout  # a crop does, on frames
    with (out / "seed-0.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["frames"] for row in rows] == ["240"]
    assert float(rows[0]["return"]) >= 0
    kept = json.loads((out / "run.json").read_text())
    assert kept["plan"]["game"]["noops"] == 30
    assert kept["plan"]["settings"]["priority_updates"] == max(1, 60 - EFFICIENT.random_steps)
    assert "unclipped score of 1 whole episodes" in kept["protocol"]
    assert "uniform with probability 0.001" in kept["protocol"]
    again = run(*command)
    assert "already ended" in again.stdout


def test_losses_are_searched_on_a_game(tmp_path: Path) -> None:
    command = ["evolve", "--env", "tetris", "--preset", "quick", "--population", "1", "--generations", "1"]
    done = run(*command, "--frames", "1004", "--study", str(tmp_path / "study"))
    assert done.returncode == 0, done.stderr
    assert "on Tetris" in done.stdout
    assert done.stdout.count("scored ") == 3  # a candidate and two references
    assert list((tmp_path / "study" / "hall_of_fame").glob("*.a2l"))


def test_curves_of_games_with_a_human_score_have_it() -> None:
    pong = Training(find_task("Pong"), 400_000, EFFICIENT)
    assert columns(pong)[:4] == ("frames", "return", "return_std", "human_normalised")
    assert "human_normalised" not in columns(Training(find_task("Tetris"), 400_000, EFFICIENT))


@pytest.mark.parametrize("preset", PRESETS)
def test_searches_on_games_survive_json(preset: str) -> None:
    settings = PRESETS[preset]("pong")
    assert isinstance(settings.agent, RainbowSettings)
    assert SearchSettings.from_json(settings.to_json()) == settings
    assert (PRESETS["paper"]("Pong").frames, settings.task.name) == (400_000, "Pong")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--env", "Pogn"], "did you mean `Pong`?"),
        (["--env", "Pong", "--obs", "vectors"], "Pong is seen as frames"),
        (["--env", "Pong", "--ale", "ale"], "there is no package that emulates Atari `ale`"),
        (["--env", "walker-walk", "--ale", "atari-py"], "walker-walk is not an Atari game"),
        (["--env", "walker-walk", "--rainbow", "spr"], "leave out --rainbow"),
        (["--env", "Pong", "--rainbow", "fast"], "there is efficient, spr"),
        (["--env", "Pong", "--frames", "4001"], "use 4,000 or 4,004"),
    ],
)
def test_wrong_arguments_are_explained(
    arguments: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = ["--out", str(tmp_path / "run")]
    monkeypatch.setattr(sys, "argv", ["a2l", "train", "--loss", "none", *arguments, *out])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    assert words in capsys.readouterr().err

"""`a2l train` as a user meets it: files, resuming, and messages instead of tracebacks."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from forked import Started
from forked import a2l as run

from a2ls_dsl.rl.envs.tasks import find_task
from a2ls_dsl.rl.runs.folder import columns
from a2ls_dsl.rl.runs.training import Training

QUICK = ["--env", "cartpole-swingup", "--hidden", "16", "--batch-size", "8", "--eval-episodes", "1"]


def curve(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def test_a_run_leaves_curves_scalars_and_a_checkpoint(tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = ["train", *QUICK, "--loss", "curl", "--seeds", "2", "--frames", "400"]
    command += ["--random-steps", "30", "--eval-every", "200", "--out", str(out)]
    done = run(*command)
    assert done.returncode == 0, done.stderr
    assert "400 frames each = 50 agent steps of 8 frames" in done.stdout
    assert "`crop` changes nothing on vector observations" in done.stdout
    for seed in (0, 1):
        rows = curve(out / f"seed-{seed}.csv")
        assert [row["frames"] for row in rows] == ["200", "400"]
        assert tuple(rows[0]) == columns(Training(find_task("cartpole-swingup"), 400))
        assert all(0 <= float(row["return"]) <= 1000 for row in rows)
        assert list((out / "tensorboard" / f"seed-{seed}").glob("events.*"))
    assert (out / "checkpoint.npz").exists()
    before = (out / "seed-0.csv").read_bytes()
    again = run(*command)
    assert again.returncode == 0
    assert "already ended" in again.stdout
    assert (out / "seed-0.csv").read_bytes() == before
    settings = json.loads((out / "run.json").read_text())["plan"]["settings"]
    assert not settings.keys() & {"actor_encoder", "auxiliary_encoder_steps"}  # they came later
    options = ["--set", "hidden=17", "--set", "log_std_range=[-5, 2]", "--parity", "release"]
    other = run(*(word for word in command if word not in ("--hidden", "16")), *options)
    assert other.returncode == 2
    assert "hidden (16, now 17)" in other.stderr
    assert "log_std_range ([-10.0, 2.0], now [-5, 2])" in other.stderr
    assert "actor_encoder (None, now release)" in other.stderr
    assert "auxiliary_encoder_steps (None, now 2)" in other.stderr
    assert "--out" in other.stderr


# Short episodes: most of so short a run would else be its evaluations.
STOPPED = ["train", *QUICK, "--env", "gymnasium:Pendulum-v1?max_episode_steps=20", "--loss", "a2_winner"]
STOPPED += [
    "--frames",
    "160",
    "--eval-every",
    "80",
    "--random-steps",
    "40",
    "--deterministic",
    "--workers",
    "1",
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The curve of the uninterrupted run."""
    out = tmp_path_factory.mktemp("run") / "whole"
    done = run(*STOPPED, "--out", str(out))
    assert done.returncode == 0, done.stderr
    return (out / "seed-0.csv").read_bytes()


def started(out: Path) -> Started:
    """A process that trains, and stays in the first frames of it until it is read from."""
    process = Started(*STOPPED, "--out", out)
    while "frames/s" not in process.stdout.readline():
        assert process.poll() is None
    return process


def test_a_killed_run_goes_on_as_if_it_had_not_been(tmp_path: Path, whole: bytes) -> None:
    """Killed after the first evaluation, and run again: the uninterrupted run's curve."""
    out = tmp_path / "stopped"
    process = started(out)
    while not (out / "checkpoint.npz").exists() and process.poll() is None:
        time.sleep(0.02)
    process.kill()
    process.communicate()
    again = run(*STOPPED, "--out", str(out))
    assert again.returncode == 0, again.stderr
    assert (out / "seed-0.csv").read_bytes() == whole


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_loses_nothing(tmp_path: Path, sign: signal.Signals, whole: bytes) -> None:
    """In the middle of an episode, before any evaluation: it goes on from the frame at which it stopped."""
    out = tmp_path / "stopped"
    process = started(out)
    process.send_signal(sign)
    text, _ = process.communicate()
    assert process.returncode == 130
    stop = re.search(
        r"stopped at ([\d,]+) frames; run the same command again to go on from ([\d,]+) fr", text
    )
    assert stop is not None
    assert stop[1] == stop[2] != "0"
    again = run(*STOPPED, "--out", str(out))
    assert again.returncode == 0, again.stderr
    assert f"resuming from {stop[2]} frames" in again.stdout
    assert (out / "seed-0.csv").read_bytes() == whole


def test_a_run_stops_before_its_hours_are_over_and_goes_on(tmp_path: Path, whole: bytes) -> None:
    out, codes = tmp_path / "run", []
    for hours in ("0.0001", "1"):
        done = run(*STOPPED, "--hours", hours, "--out", str(out))
        codes.append(done.returncode)
    assert codes == [75, 0], done.stderr
    assert (out / "seed-0.csv").read_bytes() == whole


def test_a_run_that_has_ended_goes_on_with_more_frames(tmp_path: Path, whole: bytes) -> None:
    out = tmp_path / "run"
    for frames in ("80", "160"):
        done = run(*STOPPED, "--frames", frames, "--out", str(out))
        assert done.returncode == 0, done.stderr
    assert "resuming from 80 frames" in done.stdout
    assert (out / "seed-0.csv").read_bytes() == whole
    fewer = run(*STOPPED, "--frames", "120", "--out", str(out))
    assert fewer.returncode == 2
    assert "frames (160, now 120)" in fewer.stderr


@pytest.mark.usefixtures("started_workers")
def test_a_killed_worker_changes_nothing(tmp_path: Path, whole: bytes) -> None:
    out = tmp_path / "run"
    process = started(out)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(children[0]), signal.SIGKILL)
    text, _ = process.communicate()
    assert process.returncode == 0, text
    assert text.count("died with exit code -9: another took its place, and results stay the same\n") == 1
    assert (out / "seed-0.csv").read_bytes() == whole


NONE = ["--env", "walker-walk", "--loss", "none"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--env", "walker-wlak", "--loss", "none"], "walker-walk"),
        (["--env", "walker-walk", "--loss", "curll"], "curl"),
        (["--env", "walker-walk", "--loss", "nowhere/curl.a2l"], "nowhere/curl.a2l"),
        (["--env", "walker-walk", "--loss", "none", "--device", "cuda:77"], "use the device cpu"),
        (["--env", "walker-walk", "--loss", "none", "--seeds", "0"], "seeds"),
        (["--env", "walker-walk", "--loss", "none", "--parity", "relaese"], "did you mean `release`?"),
        (["--env", "Pong", "--loss", "none", "--parity", "release"], "leave out --parity"),
        ([*NONE, "--set", "hiden=64"], "did you mean `hidden`?"),
        ([*NONE, "--set", "hidden=wide"], "it has to be a whole number"),
        ([*NONE, "--set", "hidden=0"], "hidden is 0"),
        ([*NONE, "--set", "eval_episodes=0"], "episodes is 0"),
        ([*NONE, "--set", "hidden=3", "--hidden", "4"], "`hidden` is given by --hidden and by --set"),
        ([*NONE, "--set", "random_crops=false"], "there is no setting in --set `random_crops`"),
    ],
)
def test_wrong_arguments_are_explained(arguments: list[str], words: str, tmp_path: Path) -> None:
    done = run("train", *arguments, "--out", str(tmp_path / "run"))
    assert done.returncode in (1, 2)
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("precision", "obs"), [("bf16", "vectors"), ("tf32", "vectors"), ("bf16", "pixels")])
def test_bf16_is_advised_against_where_it_saves_nothing(tmp_path: Path, precision: str, obs: str) -> None:
    """On vectors, not on frames. These end before an environment starts: their replay is too small."""
    command = ["train", "--env", "walker-walk", "--loss", "none", "--set", "replay_capacity=2"]
    done = run(*command, "--precision", precision, "--obs", obs, "--out", str(tmp_path / "run"))
    assert "no step to learn from" in done.stderr
    warned = "warning: on vectors bf16 saves no bytes, as weights stay in 32 bits" in done.stderr
    assert warned == (precision == "bf16" and obs == "vectors")


def test_evaluations_and_checkpoints_may_fall_into_the_middle_of_episodes(tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = [
        "train",
        *QUICK,
        "--loss",
        "none",
        "--frames",
        "424",
        "--eval-every",
        "200",
        "--random-steps",
        "60",
    ]
    process = Started(*command, "--out", out)
    process.communicate()
    with np.load(out / "checkpoint.npz") as file:
        assert file["step"].tolist() == [424 // 8]
    assert [row["frames"] for row in curve(out / "seed-0.csv")] == ["200", "400", "424"]


def test_a_foreign_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "seed-0.csv").write_text("mine")
    done = run("train", *QUICK, "--loss", "none", "--out", str(tmp_path))
    assert done.returncode == 2
    assert "is not a run: it holds seed-0.csv" in done.stderr
    assert (tmp_path / "seed-0.csv").read_text() == "mine"


def test_two_processes_do_not_share_a_run(tmp_path: Path) -> None:
    command = ["train", *QUICK, "--loss", "none", "--frames", "80000", "--out", str(tmp_path / "run")]
    first = Started(*command)
    assert "cartpole-swingup" in first.stdout.readline()
    second = run(*command)
    first.send_signal(signal.SIGTERM)
    text, _ = first.communicate()
    assert second.returncode == 2
    assert f"in use by process {first.pid}" in second.stderr
    assert first.returncode == 130
    assert "run the same command again" in text


def test_frames_that_end_within_a_step_are_refused(tmp_path: Path) -> None:
    done = run("train", *QUICK, "--loss", "none", "--frames", "12500", "--out", str(tmp_path / "run"))
    assert done.returncode == 2
    assert "use 12,496 or 12,504" in done.stderr


def test_a_folder_that_cannot_be_written_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run("train", *QUICK, "--loss", "none", "--out", str(tmp_path / "file" / "run"))
    assert done.returncode == 2
    assert "--out" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_broken_checkpoint_is_explained(tmp_path: Path) -> None:
    command = ["train", *QUICK, "--loss", "none", "--frames", "80", "--out", str(tmp_path)]
    assert run(*command).returncode == 0
    for content in (b"nonsense", b""):
        (tmp_path / "checkpoint.npz").write_bytes(content)
        done = run(*command)
        assert done.returncode == 2
        assert "is not a checkpoint" in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["train", "evolve"])
def test_a_lock_that_cannot_be_written_is_explained(command: str, tmp_path: Path) -> None:
    (tmp_path / "lock").mkdir()
    where = ["--loss", "none", "--out"] if command == "train" else ["--study"]
    done = run(command, "--env", "cartpole-swingup", *where, str(tmp_path))
    assert done.returncode == 2
    assert "can't be written" in done.stderr
    assert "Traceback" not in done.stderr

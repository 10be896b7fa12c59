"""Environments of Gymnasium and of the user's own through the commands, as in a folder with a module."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest
from forked import a2l

from a2ls_dsl.rl.agents import algorithm_for
from a2ls_dsl.rl.envs.tasks import find_task
from a2ls_dsl.rl.runs.training import Member, Training
from a2ls_dsl.rl.settings import EvaluationSettings
from a2ls_dsl.rl.slots.parts import Running
from a2ls_dsl.rl.slots.slots import Slots
from a2ls_dsl.search.presets import quick
from a2ls_dsl.search.settings import SearchSettings

MODULE = Path(__file__).parent / "my_env.py"
SMALL = ["--hidden", "8", "--batch-size", "4", "--eval-episodes", "1", "--workers", "1", "--device", "cpu"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where somebody works who has written `lab_env.py`."""
    shutil.copy(MODULE, tmp_path / "lab_env.py")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["Track", "Buttons"])
def test_an_environment_of_ones_own_trains_and_goes_on(folder: Path, name: str) -> None:
    command = ["train", "--env", f"lab_env:{name}", "--env-arg", "length=20", "--loss", "forward_dynamics"]
    command += [*SMALL, "--random-steps", "50", "--eval-every", "100", "--frames", "200", "--seeds", "2"]
    done = a2l(*command)
    assert (done.returncode, done.stderr) == (0, "")
    run = folder / "runs" / f"lab_env-{name}-length=20-forward_dynamics"
    about = json.loads((run / "run.json").read_text())["plan"]
    assert about["env"] == f"lab_env:{name}?length=20"
    assert about.get("algorithm", "sac") == ("sac" if name == "Track" else "rainbow")
    with (run / "seed-0.csv").open() as file:
        assert [row["frames"] for row in csv.DictReader(file)] == ["100", "200"]
    assert "already ended" in a2l(*command).stdout


@pytest.mark.parametrize("name", ["Seen", "SeenButtons"])
def test_pictures_are_learned_with_either_kind_of_action(folder: Path, name: str) -> None:
    """And what is rendered of an environment with vectors is learned, too."""
    for task, obs in ((find_task(f"lab_env:{name}"), None), (find_task("lab_env:Track"), "pixels")):
        algorithm = algorithm_for(task)
        settings = algorithm.quick(task)
        small = type(settings)(random_steps=30, batch_size=2, hidden=8)
        training = Training(task, 34, small, EvaluationSettings(34, 1), algorithm.pixels(task, obs))
        assert not training.sees_vectors
        with Slots(training, [Member(None, 0)], Running(workers=1)) as slots:
            for _ in range(33):
                slots.tick()
            assert slots.learner.finite().all()


def test_a_search_on_an_environment_of_ones_own(folder: Path) -> None:
    """A study is read where its environment isn't at hand, and validated on another environment."""
    command = ["evolve", "--env", "lab_env:Buttons?length=20", "--population", "2", "--generations", "1"]
    command += ["--frames", "200", "--set", "random_steps=50", "--set", "hidden=8", "--set", "batch_size=4"]
    command += ["--race", "0", "--study", "study", "--workers", "1", "--device", "cpu"]
    done = a2l(*command)
    assert done.returncode == 0, done.stderr
    again = ["--envs", "gymnasium:CartPole-v1", "--top", "1", "--seeds", "2", "--frames", "100"]
    done = a2l("validate", "study", *again, "--workers", "1", "--device", "cpu")
    assert done.returncode == 0, done.stderr
    assert "Does it help when trained again on gymnasium:CartPole-v1?" in done.stdout
    (folder / "lab_env.py").rename(folder / "away.py")
    assert "lab_env:Buttons?length=20, 200 frames" in a2l("best", "study").stdout


def test_settings_of_a_search_are_read_without_the_environment(folder: Path) -> None:
    settings = quick("lab_env:Buttons")
    (folder / "lab_env.py").unlink()
    assert SearchSettings.from_json(settings.to_json()) == settings


def test_an_experiment_on_several_suites(folder: Path) -> None:
    (folder / "table.toml").write_text(
        'name = "both"\nenvs = ["gymnasium:Pendulum-v1?g=5", "lab_env:Track"]\nseeds = 1\nframes = 200\n'
        '[arms]\nnone = "none"\n'
        "[settings]\nrandom_steps = 50\nhidden = 8\nbatch_size = 4\neval_every = 200\neval_episodes = 1\n"
    )
    done = a2l("experiment", "run", "table.toml", "--workers", "1")
    assert done.returncode == 0, done.stderr
    assert (folder / "both" / "gymnasium-Pendulum-v1-g=5" / "none" / "seed-0.csv").exists()
    assert (folder / "both" / "lab_env-Track" / "none" / "seed-0.csv").exists()


@pytest.mark.parametrize("env", ["gymnasium:Pendulum-v1", "lab_env:Buttons"])
def test_bench_measures_an_environment(folder: Path, env: str) -> None:
    parts = ["--part", "environments", "--part", "training", "--obs", "vectors"]
    size = ["--batch-size", "4", "--members", "1", "--seconds", "0.2"]
    done = a2l("bench", "--env", env, *parts, *size, "--device", "cpu", "--json")
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    (played,) = (row for row in rows if row["part"] == "environments")
    (trained,) = (row for row in rows if row["part"] == "training")
    assert played["steps_per_second"] > 0
    assert trained["updates_per_second"] > 0


def test_doctor_tries_an_environment(folder: Path) -> None:
    done = a2l("doctor", "--env", "lab_env:Buttons", "--env-arg", "length=20")
    assert (done.returncode, done.stderr) == (0, "")
    assert "learned by Rainbow" in done.stdout
    assert "2 numbers" in done.stdout
    assert "3 to choose from" in done.stdout
    assert "warning" not in done.stdout
    done = a2l("doctor", "--env", "lab_env:Track?fault=nan")
    assert (
        "warning: frame 3 of an episode gave a reward that isn't finite, which cuts it there" in done.stdout
    )
    done = a2l("doctor", "--env", "lab_env:Clock")
    assert "warning: equal seeds" in done.stdout
    assert "actions       1 number\n" in done.stdout


def test_a_crash_in_the_middle_keeps_what_was_done(folder: Path) -> None:
    done = a2l("train", "--env", "lab_env:Track?fault=raises", "--loss", "none", *SMALL, "--frames", "200")
    assert done.returncode in (1, 2)
    assert "step raised ZeroDivisionError: three" in done.stderr
    assert "Traceback" not in done.stderr

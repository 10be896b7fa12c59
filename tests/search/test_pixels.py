"""Searches from pixels: presets, what they say before they begin, and one with a real renderer."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from forked import a2l

from a2ls_dsl.cli.agent_options import with_set
from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.experiment.validate import plan
from a2ls_dsl.rl.compute.memory import free_of_machine
from a2ls_dsl.rl.envs.rendering import Rendering
from a2ls_dsl.rl.settings import EvaluationSettings, PixelSettings, SacSettings
from a2ls_dsl.search.presets import PRESETS, introduction, paper
from a2ls_dsl.search.price import Price
from a2ls_dsl.search.settings import SearchSettings
from a2ls_dsl.search.study.reader import StudyReader

SEEN = PixelSettings(Rendering(shadow_size=64), random_crops=False)
COMMAND = (
    *(
        "evolve",
        "--env",
        "cartpole-swingup",
        "--obs",
        "pixels",
        "--shadow-size",
        "64",
        "--set",
        "random_crops=false",
    ),
    *("--population", "1", "--generations", "1", "--race", "0", "--frames", "240", "--set", "eval_every=240"),
    *("--set", "random_steps=20", "--set", "hidden=8", "--set", "batch_size=2", "--set", "eval_episodes=1"),
    *("--study", "study", "--workers", "1", "--device", "cpu"),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a search was stopped as soon as it trained, and the same command ended it."""
    folder = tmp_path_factory.mktemp("pixels")
    first = a2l(*COMMAND, "--hours", "0.000001", cwd=folder)
    if "can't be rendered" in first.stderr:
        pytest.skip("needs a renderer")
    assert first.returncode == 75, first.stderr
    assert "searching a2ls on cartpole-swingup from pixels" in first.stdout
    # What it takes is said before anything trains.
    assert "a run of 10 updates and 155 steps takes about" in first.stdout
    again = a2l(*COMMAND, cwd=folder)
    assert (again.returncode, again.stderr) == (0, "")
    assert "resuming a2ls on cartpole-swingup from pixels" in again.stdout
    return folder


def test_a_search_from_pixels_comes_to_its_end(folder: Path) -> None:
    with StudyReader(folder / "study") as study:
        assert study.settings.pixels == SEEN
        assert [candidate.status for candidate in study.candidates()] == ["scored"] * 3
    assert "from pixels, 240 frames" in a2l("best", "study", cwd=folder).stdout
    other = a2l(*(word for word in COMMAND if word not in ("--shadow-size", "64")), cwd=folder)
    assert other.returncode == 2
    assert "pixels.rendering.shadow_size was 64" in other.stderr


def test_its_report_shows_how_frames_look(folder: Path) -> None:
    assert a2l("report", "study", cwd=folder).returncode == 0
    page = (folder / "study" / "report.html").read_text(encoding="utf-8")
    assert "Search on cartpole-swingup from pixels" in page
    for name, value in (("rendering.size", 100), ("rendering.shadow_size", 64), ("crop", 84), ("stack", 3)):
        assert f"pixels.{name}</td><td class=w>{value}<" in page


def test_its_losses_are_validated_from_pixels_and_its_policy_plays(folder: Path) -> None:
    experiment = plan(folder / "study", 1, ["cartpole-swingup", "reacher-easy"], 2)
    for env in experiment.envs:
        assert experiment.training(env, experiment.arms[0]).pixels == SEEN
    assert "episode" in a2l("play", "study", "--episodes", "1", cwd=folder).stdout


def test_what_does_not_fit_into_memory_names_the_stack_that_does(tmp_path: Path) -> None:
    """A row of a replay takes the 30,000 bytes of its frame: of five members two and a half fit."""
    rows = int(free_of_machine() / (2.5 * 30_000))
    command = [
        *COMMAND,
        "--population",
        "3",
        "--frames",
        str(8 * 2 * rows),
        "--set",
        f"replay_capacity={rows}",
    ]
    done = a2l(*command, cwd=tmp_path)
    assert done.returncode == 2
    if "can't be rendered" in done.stderr:
        pytest.skip("needs a renderer")
    line = re.search(
        r"5 members take .* \(replay .*\), but .* are free\n.*`a2l evolve --stack ([12])`", done.stderr
    )
    assert line, done.stderr


@pytest.mark.parametrize(
    ("env", "generations"), [("cheetah-run", 7), ("reacher-easy", 7), ("walker-walk", 4)]
)
def test_the_papers_searches_from_images(env: str, generations: int) -> None:
    settings = paper(env, "pixels")
    assert (settings.population, settings.generations, settings.frames) == (100, generations, 500_000)
    assert settings.pixels == PixelSettings()
    cheetah = (512, 2e-4) if env == "cheetah-run" else (128, 1e-3)
    assert (settings.agent.batch_size, settings.agent.learning_rate) == cheetah
    assert settings.agent.hidden == 1024
    assert replace(settings, generations=7, stack=102, pixels=None) == paper(env)


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_say_that_they_are_from_pixels(preset: str) -> None:
    settings = PRESETS[preset]("cheetah-run", "pixels")
    assert SearchSettings.from_json(settings.to_json()) == settings
    text = introduction(preset, settings)
    assert text.startswith(f"preset {preset} from pixels")
    assert ("16,000 hours" if preset == "paper" else "scores are noise") in text


def test_settings_of_frames_by_name() -> None:
    agent, evaluation = SacSettings(), EvaluationSettings()
    texts = ["random_crops=false", "hidden=8", "eval_every=400"]
    assert with_set(agent, evaluation, PixelSettings(), texts) == (
        replace(agent, hidden=8),
        EvaluationSettings(400, 10),
        PixelSettings(random_crops=False),
    )
    with pytest.raises(A2lError, match="there is no setting in --set `random_crops`"):
        with_set(agent, evaluation, None, texts)
    with pytest.raises(A2lError, match="`hidden` is given by --hidden and by --set"):
        with_set(agent, evaluation, None, ["hidden=8"], {"hidden": 8})


def test_a_price_is_of_updates_and_of_steps_that_processes_share() -> None:
    assert Price("cpu", 0.5, 100, 0.01, 400, 2).of_run == pytest.approx(50 + 2)

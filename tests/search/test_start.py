"""Losses that a search starts from: first in its first population, whatever the grammar holds."""

from __future__ import annotations

import zlib
from dataclasses import replace
from pathlib import Path

import pytest
from forked import a2l
from search.stand_in_search import SETTINGS, searched, tables

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.lang.load import load, load_one, loads
from a2ls_dsl.search.candidates import references
from a2ls_dsl.search.strategies.evolution import Origin
from a2ls_dsl.search.strategies.proposals import texts_of
from a2ls_dsl.search.strategies.registry import STRATEGIES
from a2ls_dsl.search.study.reader import StudyReader

INSIDE = loads("loss x = mse({ s[t], a[t] } -> { s[t+1] })")["x"]
OUTSIDE = load_one("spr_rollout")[1]
GIVEN = texts_of([OUTSIDE, INSIDE, loads(f"loss y = {references()[1].text}")["y"]])


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_given_losses_come_first_and_only_those_of_the_grammar_have_children(
    strategy: str, tmp_path: Path
) -> None:
    """The third is a reference, which is trained anyway. Killed at two ticks, the same follows."""
    settings = replace(SETTINGS, strategy=strategy, start_from=GIVEN, race=0.25)
    searched(settings, tmp_path / "whole")
    searched(settings, tmp_path / "killed", ticks=1)
    searched(settings, tmp_path / "killed", ticks=20)
    searched(settings, tmp_path / "killed")
    assert tables(tmp_path / "killed") == tables(tmp_path / "whole")
    with StudyReader(tmp_path / "whole") as study:
        proposed = [candidate for candidate in study.candidates() if not candidate.is_reference]
        assert [candidate.text for candidate in proposed[:2]] == list(GIVEN[:2])
        assert [candidate.origin for candidate in proposed].count(Origin.GIVEN) == 2
        assert len(proposed) == settings.searched
        assert [candidate.generation for candidate in proposed[:2]] == [1, 1]
        parents = {key for candidate in proposed for key in candidate.parents}
        assert proposed[0].key not in parents
        first = [candidate for candidate in proposed if candidate.generation == 1]
        assert strategy != "paper" or len(first) == settings.population


def height(loss: object, seed: int) -> list[float]:
    """The given losses are the best by far."""
    return [1000.0 if loss in (INSIDE, OUTSIDE) else 1.0 + zlib.crc32(str(loss).encode()) % 97] * 8


@pytest.mark.parametrize("strategy", ["paper", "async", "model"])
def test_a_good_given_loss_has_children_and_is_named(strategy: str, tmp_path: Path) -> None:
    settings = replace(SETTINGS, strategy=strategy, start_from=GIVEN, race=0.25, generations=6)
    searched(settings, tmp_path, curve=height)
    with StudyReader(tmp_path) as study:
        outside, inside = [candidate for candidate in study.candidates() if candidate.origin is Origin.GIVEN]
        assert any(inside.key in candidate.parents for candidate in study.candidates())
        best = [candidate for candidate in study.leaderboard() if not candidate.is_reference][:2]
        assert {candidate.key for candidate in best} == {outside.key, inside.key}


def test_a_search_goes_on_only_from_the_same_losses(tmp_path: Path) -> None:
    settings = replace(SETTINGS, start_from=GIVEN)
    searched(settings, tmp_path, ticks=5)
    with pytest.raises(A2lError, match="start_from was"):
        searched(SETTINGS, tmp_path)
    with pytest.raises(A2lError, match="a search of 1 candidates can't start from 3 losses"):
        replace(SETTINGS, population=1, generations=1, start_from=GIVEN)


def test_the_command_starts_from_files_and_sets_the_agent(tmp_path: Path) -> None:
    (tmp_path / "mine.a2l").write_text(
        "loss one = mse({ s[t] } -> { s[t+1] })\nloss two = cosine({ s[t], a[t] } -> { s[t+1] })\n"
    )
    command = ["evolve", "--env", "cartpole-swingup", "--population", "4", "--generations", "1"]
    command += ["--frames", "1600", "--start-from", "mine.a2l", "--start-from", "forward_dynamics"]
    command += ["--set", "hidden=8", "--set", "batch_size=4", "--set", "random_steps=100"]
    command += ["--set", "eval_every=800", "--study", "study", "--workers", "1"]
    done = a2l(*command, "--set", "colour=blue", cwd=tmp_path)
    assert done.returncode == 2
    assert "there is no setting in --set `colour`" in done.stderr
    assert not (tmp_path / "study").exists()
    done = a2l(*command, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "1 of 3 given losses not in the grammar a2ls" in done.stdout
    with StudyReader(tmp_path / "study") as study:
        settings = study.settings
        assert (settings.agent.hidden, settings.agent.batch_size, settings.learning) == (8, 4, 800)
        assert (settings.evaluation.every_frames, settings.race_runs) == (800, 1)
        given = [candidate.text for candidate in study.candidates() if candidate.origin is Origin.GIVEN]
        files = [*load(tmp_path / "mine.a2l").values(), *load("forward_dynamics").values()]
        assert given == list(texts_of(files))
        assert (
            sum(bool(candidate.fresh) for candidate in study.candidates() if not candidate.is_reference) == 1
        )
    shown = a2l("best", "study", cwd=tmp_path).stdout
    assert shown.count(" given ") == 3
    changed = a2l(*command, "--set", "learning_rate=0.01", cwd=tmp_path)
    assert changed.returncode == 2
    assert "agent.learning_rate was" in changed.stderr
    again = a2l(*command, cwd=tmp_path)
    assert again.returncode == 0, again.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--set", "hiden=3"], "did you mean `hidden`?"),
        (["--set", "hidden=wide"], "it has to be a whole number"),
        (["--set", "hidden"], "write --set NAME=VALUE"),
        (["--set", "hidden=3", "--set", "hidden=4"], "gives `hidden` twice"),
        (["--start-from", "spr_rolout"], "did you mean the shipped loss `spr_rollout`?"),
        (["--race", "0.2", "--strategy", "modle"], "did you mean `model`?"),
    ],
)
def test_wrong_values_are_explained(options: list[str], message: str, tmp_path: Path) -> None:
    done = a2l("evolve", "--env", "walker-walk", *options, cwd=tmp_path)
    assert done.returncode in (1, 2)
    assert message in done.stderr
    assert not list(tmp_path.iterdir())

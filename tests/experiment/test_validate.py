"""`a2l validate`: the best of a study trained again, resumed, kept with the study, shown by its report."""

from __future__ import annotations

import csv
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from report.command import a2l
from report.made import SETTINGS, make

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.experiment.plan import read
from a2ls_dsl.experiment.store import missing, path_of, store
from a2ls_dsl.experiment.validate import PUBLISHED, collected, plan, validate
from a2ls_dsl.lang.load import load_one
from a2ls_dsl.rl.sac.simba import SimbaSettings
from a2ls_dsl.rl.settings import EvaluationSettings, SacSettings
from a2ls_dsl.rl.slots.evaluation import Score
from a2ls_dsl.search.study.records import Records
from a2ls_dsl.search.study.study import Study
from a2ls_dsl.search.study.validation import load

SMALL = replace(
    SETTINGS,
    generations=1,
    frames=4_800,
    agent=SacSettings(hidden=8, batch_size=4, random_steps=130),
    evaluation=EvaluationSettings(600, 1),
)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("studies") / "study", SMALL)


def test_the_plan_is_the_study_with_fresh_seeds(study: Path) -> None:
    experiment = plan(study, 3, ["reacher-easy", "cheetah-run", "reacher_easy"], 4)
    assert experiment.envs == ("reacher-easy", "cheetah-run")
    with Records(study) as records:
        best = [candidate for candidate in records.leaderboard(3) if not candidate.is_reference]
        used = {run.seed for run in records.run_records()}
    names = [f"found_{candidate.key[:8]}" for candidate in best]
    assert [arm.name for arm in experiment.arms] == ["none", *PUBLISHED, *names]
    for arm, candidate in zip(experiment.arms[5:], best, strict=True):
        assert arm.text == candidate.text
        assert load_one(study / "validation" / "losses" / f"{arm.name}.a2l")[1] == arm.loss
    assert len(experiment.runs) == 2 * 4 * 8
    assert not {run.seed for run in experiment.runs} & used
    training = experiment.training("reacher-easy", experiment.arms[0])
    assert (training.frames, training.evaluation) == (4_800, SMALL.evaluation)
    assert training.settings == SMALL.agent
    # The study has the paper's learning rate for its task, so cheetah has the paper's, too.
    assert experiment.training("cheetah-run", experiment.arms[0]).settings == replace(
        SMALL.agent, learning_rate=2e-4
    )
    assert read(experiment.path) == experiment


def test_another_agent_is_validated_as_it_was_searched_with(tmp_path: Path) -> None:
    agent = SimbaSettings(
        hidden=8, batch_size=4, random_steps=130, encoder_gradient="auxiliary", discount=0.9
    )
    folder = make(tmp_path / "study", replace(SMALL, agent=agent))
    experiment = plan(folder, 1, ["reacher-easy"], 2)
    assert experiment.training("reacher-easy", experiment.arms[0]).settings == agent


def test_a_study_without_scores_has_nothing_to_validate(tmp_path: Path) -> None:
    with Study(tmp_path / "study", SMALL, SMALL.space()):
        pass
    with pytest.raises(A2lError, match="nothing to validate"):
        plan(tmp_path / "study", 3, ["reacher-easy"], 2)


def test_what_is_missing_is_trained_and_the_rest_is_kept(study: Path) -> None:
    command = ("validate", study, "--top", 1, "--envs", "cartpole-swingup", "--seeds", 2)
    command += ("--frames", 1_200, "--workers", 1, "--device", "cpu")
    first = a2l(*command)
    assert first.returncode == 0, first.stderr
    assert "6 losses on 1 environment with 2 fresh seeds: 12 of 12 runs are missing" in first.stdout
    validation = load(study)
    assert validation is not None
    assert validation.complete
    assert len(validation.scores) == 12
    experiment = read(study / "validation" / "experiment.toml")
    for score, run in zip(validation.scores, experiment.runs, strict=True):
        lines = path_of(experiment, run).read_text().splitlines()[1:]
        points = list(csv.DictReader(lines))
        assert [int(row["frames"]) for row in points] == [600, 1_200]
        # As a search scores: without random steps, the mean of evaluation and training.
        returns = [
            (float(row["return"]) + float(row["training_return"])) / 2
            for row in points
            if int(row["frames"]) > 8 * 130
        ]
        assert (score.arm, score.seed) == (run.arm.name, run.seed)
        assert score.score == pytest.approx(np.mean(returns))
    (study / "validation" / "results.json").unlink()
    stored = {path: path.stat().st_mtime_ns for path in (study / "validation").rglob("*.csv")}
    again = a2l(*command)
    assert "0 of 12 runs are missing" in again.stdout
    assert {path: path.stat().st_mtime_ns for path in stored} == stored  # nothing is trained a second time
    assert load(study) == validation
    assert "Does it help when trained again on cartpole-swingup?" in again.stdout

    assert a2l("report", study).returncode == 0
    page = (study / "report.html").read_text(encoding="utf-8")
    assert 'id="validation"' in page
    assert "Does it help when trained again on cartpole-swingup?" in page
    rows = a2l("analyze", study, "--table", "validation", "--format", "csv").stdout.splitlines()
    assert len(rows) == 1 + 6

    # A run that is lost is missing; what is there counts.
    path_of(experiment, experiment.runs[5]).unlink()
    assert missing(experiment) == [experiment.runs[5]]
    part = collected(experiment)
    assert not part.complete
    assert part.scores == (*validation.scores[:5], *validation.scores[6:])


def test_another_validation_leaves_earlier_results_where_they_are(study: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(study, tmp_path / "copy", ignore=shutil.ignore_patterns("validation"))
    own = plan(copy, 1, ["cartpole-swingup"], 2)
    scores = [Score(4_800, (float(place),), 0.0, 0, 0, {}, False) for place, _ in enumerate(own.runs)]
    for run, score in zip(own.runs, scores, strict=True):
        store(own, run, [score], 1.0, "cpu")
    assert validate(copy, own)
    trained = load(copy)
    assert trained is not None
    with Records(copy) as records:
        ranked = [(candidate.key, candidate.fresh) for candidate in records.leaderboard(5)]
        assert any(fresh for _, fresh in ranked)

    elsewhere = plan(copy, 1, ["reacher-easy"], 2)
    assert not validate(copy, elsewhere, hours=0.0, workers=1, device="cpu")  # stopped at once
    validation = load(copy)
    assert validation is not None
    assert validation.scores == trained.scores
    assert not validation.complete
    with Records(copy) as records:
        assert [(candidate.key, candidate.fresh) for candidate in records.leaderboard(5)] == ranked

    fewer = plan(copy, 1, ["cartpole-swingup"], 1)
    assert set(collected(fewer, trained).scores) == set(trained.scores)
    assert collected(fewer, replace(trained, frames=600)).scores == collected(fewer).scores
    other = replace(trained, losses=trained.losses | {"curl": "another loss of that name"})
    assert {score.seed for score in collected(fewer, other).scores if score.arm == "curl"} == {2_000_006}


def test_mistakes_are_explained(study: Path, tmp_path: Path) -> None:
    assert "there is no task `reacher-esy`" in a2l("validate", study, "--envs", "reacher-esy").stderr
    assert "no environment to validate on" in a2l("validate", study, "--envs", " , ").stderr
    odd = a2l("validate", study, "--envs", "cartpole-swingup", "--frames", 8_001)
    assert odd.returncode == 2
    assert "not a whole number of agent steps" in odd.stderr
    copy = shutil.copytree(study, tmp_path / "copy", ignore=shutil.ignore_patterns("validation"))
    full = plan(copy, 1, ["cartpole-swingup"], 2)
    (copy / "validation" / "runs").write_text("in the way")
    with pytest.raises(A2lError, match="can't be made"):
        validate(copy, full)

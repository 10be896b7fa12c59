"""How reliable scores are, from curves with a known order of losses, and the price of a real run."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from a2ls_dsl.cli.tasks import tasks
from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.experiment.collect import collect
from a2ls_dsl.experiment.plan import Experiment, read
from a2ls_dsl.experiment.run import run
from a2ls_dsl.experiment.signal import signals
from a2ls_dsl.experiment.store import store
from a2ls_dsl.rl.slots.evaluation import Score
from a2ls_dsl.search import signal

FILE = """
name = "worth"
envs = ["cartpole-swingup"]
seeds = 2
frames = 800
arms = { none = "none", reward = "reward_prediction" }
settings = { hidden = 4, batch_size = 4, random_steps = 20, eval_every = 400, eval_episodes = 1 }
"""


def experiment(folder: Path) -> Experiment:
    (folder / "worth.toml").write_text(FILE)
    return read(folder / "worth.toml")


def test_every_budget_has_a_row_on_how_well_a_seed_separates_losses(tmp_path: Path) -> None:
    worth = experiment(tmp_path)
    returns = {"none": [(5.0, 10.0), (6.0, 10.0)], "reward": [(6.0, 30.0), (5.0, 34.0)]}
    in_training = {"none": (math.nan, 10.0), "reward": (math.nan, 20.0)}
    for trained in worth.runs:
        values = zip(returns[trained.arm.name][trained.seed], in_training[trained.arm.name], strict=True)
        curve = [
            Score(400 * (at + 1), (value,), training, 0, at, {}, False)
            for at, (value, training) in enumerate(values)
        ]
        store(worth, trained, curve, 3.0, "cpu", 6.0 if trained.seed else None)
    early, whole = signals(collect(worth))
    assert (early.task, early.frames, early.hidden) == ("cartpole-swingup", 400, 4)
    assert (early.losses, early.seeds) == (2, 2)
    assert early.icc < 0  # a seed's order of the losses is the other's, reversed
    assert whole.icc > 0.9
    # Each point is the mean of evaluation and training, where a training episode ended.
    assert (whole.none, whole.best) == (7.75, (5.5 + (32 + 20) / 2) / 2)
    assert (early.seconds, whole.seconds) == (3.0, 6.0)


def test_missing_runs_give_no_rows(tmp_path: Path) -> None:
    assert list(signals(collect(experiment(tmp_path)))) == []


def test_a_table_is_not_replaced_by_nothing(tmp_path: Path) -> None:
    table = tmp_path / "signal.csv"
    table.write_text("what was measured before")
    files = [experiment(tmp_path).path]
    with pytest.raises(A2lError, match="no seed that all of its arms"):
        tasks(collect=files, table=table)
    assert table.read_text() == "what was measured before"


def test_what_others_measured_stays_in_a_table(tmp_path: Path) -> None:
    worth, table = experiment(tmp_path), tmp_path / "signal.csv"
    for trained in worth.runs:
        store(worth, trained, [Score(800, (1.0 + trained.seed,), 0.0, 0, 0, {}, False)], 3.0, "cpu")
    own = list(signals(collect(worth)))
    other, before = replace(own[0], task="reacher-easy"), replace(own[0], frames=400, seeds=10)
    signal.store([other, before], table)
    tasks(collect=[worth.path], table=table)
    assert [(row.task, row.frames) for row in signal.read(table)] == [
        ("cartpole-swingup", 800),
        ("reacher-easy", 800),
    ]


def test_arms_without_common_budgets_are_refused(tmp_path: Path) -> None:
    worth = experiment(tmp_path)
    for trained in worth.runs:
        every = 800 if trained.arm.name == "none" else 400
        curve = [Score(at, (1.0,), 0.0, 0, at, {}, False) for at in range(every, 801, every)]
        store(worth, trained, curve, 3.0, "cpu")
    with pytest.raises(A2lError, match="after different frames on cartpole-swingup"):
        list(signals(collect(worth)))


def test_a_run_knows_its_price(tmp_path: Path) -> None:
    worth = experiment(tmp_path)
    run(worth, workers=1)
    row = next(iter(signals(collect(worth))))
    assert 0 < row.seconds < math.inf
    assert row.seconds == pytest.approx(
        sum(result.about["processor_seconds"] for result in collect(worth).all) / len(worth.runs) / 2
    )

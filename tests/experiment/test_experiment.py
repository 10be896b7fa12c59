"""Experiments: files, storage, runs that are killed and resumed."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from experiment.small_experiment import SHORT, SMALL, TRAINED, written
from forked import Started, a2l
from processes import environment_workers

from a2ls_dsl.cli.console import StatusLine
from a2ls_dsl.cli.experiment import _announce, _show, status
from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.experiment.plan import Experiment, read
from a2ls_dsl.experiment.run import Event, PieceStarted, pieces, run, unwanted
from a2ls_dsl.experiment.store import load, missing, of_other_settings, path_of, store
from a2ls_dsl.rl.runs.keeping import Stored
from a2ls_dsl.rl.slots.evaluation import Score
from a2ls_dsl.rl.slots.slots import Replaced


def files(experiment: Experiment) -> dict[str, list[str]]:
    """The curves of all runs, without lines that depend on the clock."""
    return {
        str(path.relative_to(experiment.folder)): path.read_text().splitlines()[1:]
        for path in sorted(experiment.folder.rglob("*.csv"))
    }


def test_a_file_says_what_is_run(small: Path) -> None:
    experiment = read(small)
    assert [arm.text for arm in experiment.arms] == ["none", "mse({ s[t], a[t] } -> { s[t+1] })"]
    assert len(experiment.runs) == 8
    assert experiment.training("cartpole-balance", experiment.arms[1]).settings.batch_size == 6
    training = experiment.training("cartpole-balance", experiment.arms[0])
    assert (training.frames, training.settings.hidden, training.evaluation.every_frames) == (800, 8, 400)
    assert len({experiment.hash(run) for run in experiment.runs}) == 8


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("seeds = 2", "seeds = 0"), "nothing to run"),
        (("seeds = 2", 'seeds = "2"'), "`seeds` is '2'"),
        (("seeds = 2", "seed = 2"), "there is no key in"),
        (("seeds = 2", "seeds = true"), "`seeds` is True"),
        (("seeds = 2", "seeds = 2\nfirst_seed = -1"), "`first_seed` is -1"),
        (("hidden = 8", 'hidden = "big"'), "`hidden` is 'big'"),
        (("hidden = 8", "hidden = 8.5"), "`hidden` is 8.5"),
        (("hidden = 8", "hidden = true"), "`hidden` is True"),
        (("hidden = 8", "log_std_range = [1.0]"), "`log_std_range` is "),
        (("eval_every = 400", "eval_every = 4e2"), "`eval_every` is 400.0"),
        (("batch_size = 6", 'batch_size = "6"'), "`batch_size` is '6'"),
        (('"cartpole-balance"]', "3]"), "`envs` is "),
        (('name = "small"', 'name = "../evil"'), "'../evil' can't name a folder"),
        (('name = "small"', 'name = ".."'), "can't name a folder"),
        (('none = "none"', '"a/b" = "none"'), "'a/b' can't name a folder"),
        (("frames = 800", ""), "has no `frames`"),
        (("hidden = 8", "hiden = 8"), "there is no setting in"),
        (("hidden = 8", 'precision = "fp8"'), "don't fit"),
        (("mine.a2l", "yours"), "no file or shipped loss"),
        (('none = "none"', "none = 3"), "the arm `none` has no loss"),
        (("batch_size = 6", "batchsize = 6"), "there is no setting in"),
        (("hidden = 8", 'obs = "sounds"'), "there is no kind of observation `sounds`"),
        (("cartpole-balance", "cartpole-balence"), "there is no task"),
        (('"cartpole-balance"', '"cartpole_swingup"'), "cartpole-swingup is among `envs` twice"),
        (("seeds = 2", "seeds = 2\nfirst_seed = 99999999999999999999"), "`first_seed` is 9999"),
        (("hidden = 8", "learning_rate = nan"), "`learning_rate` is nan"),
        (("frames = 800", "frames = 801"), "not a whole number of agent steps"),
        (("frames = 800", "frames = 160"), "160 frames of cartpole-swingup end before learning begins"),
        (("[arms]", "[arms"), "is not an experiment"),
    ],
)
def test_invalid_experiments_are_explained(change: tuple[str, str], message: str, tmp_path: Path) -> None:
    with pytest.raises(A2lError, match=message):
        read(written(tmp_path, SMALL.replace(*change)))


def test_a_piece_holds_runs_that_can_share_a_stack(tmp_path: Path) -> None:
    """Runs of equal environment and settings, as many as the stack may hold."""

    def first(text: str) -> list[tuple[str, str, int]]:
        runs, left = next(pieces(read(written(tmp_path, text))))
        assert left == 8
        return [(run.env, run.arm.name, run.seed) for run in runs]

    swingup = "cartpole-swingup"
    assert first(SMALL) == [(swingup, "none", 0), (swingup, "none", 1)]
    assert first(SMALL.replace("stack = 3", "stack = 1")) == [(swingup, "none", 0)]
    assert first(TRAINED) == [(SHORT[0], arm, seed) for seed in (0, 1) for arm in ("none", "own")]


def test_results_are_kept_and_only_what_is_missing_is_run(complete: Experiment) -> None:
    experiment = complete
    assert missing(experiment) == []
    assert not list(experiment.folder.glob(".piece*"))
    kept = files(experiment)
    assert len(kept) == 8
    gone = experiment.runs[3]
    path_of(experiment, gone).unlink()
    before = {path: path.stat().st_mtime_ns for path in experiment.folder.rglob("*.csv")}
    begun: list[object] = []
    run(experiment, begun.append, workers=1)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert files(experiment).keys() == kept.keys()
    result = load(experiment, gone)
    assert result is not None
    assert result.frames == (40, 80)
    assert result.area == pytest.approx(np.mean(result.returns))
    assert result.about["loss"] == gone.arm.text


def test_results_of_other_settings_are_kept_and_count_again(
    complete: Experiment, capsys: pytest.CaptureFixture[str]
) -> None:
    """`hidden` 8, 9 and 8 again: no result is lost, and nothing is trained a third time."""
    folder = complete.path.parent
    mine = {run: load(complete, run) for run in complete.runs}
    changed = read(written(folder, TRAINED.replace("hidden = 8", "hidden = 9")))
    assert len(missing(changed)) == 8
    assert len(of_other_settings(changed)) == 8
    run(changed, workers=1)
    theirs = {run: load(changed, run) for run in changed.runs}
    assert missing(changed) == []
    again = read(written(folder, TRAINED))
    assert missing(again) == []
    assert {run: load(again, run) for run in again.runs} == mine
    assert len(of_other_settings(again)) == 8
    status(again.path)
    assert "8 results of other settings are kept" in capsys.readouterr().out
    assert {run: load(changed, run) for run in changed.runs} == theirs


def test_a_broken_result_is_explained(small: Path) -> None:
    experiment = read(small)
    path = path_of(experiment, experiment.runs[0])
    path.parent.mkdir(parents=True)
    path.write_text("nonsense\n")
    with pytest.raises(A2lError, match="is not a result of a run"):
        missing(experiment)


@pytest.mark.parametrize("kills", [2, pytest.param(6, marks=pytest.mark.slow)])
def test_a_harness_that_is_killed_often_loses_and_repeats_nothing(
    kills: int, trained: Path, tmp_path: Path
) -> None:
    """Killed at random moments, it has the curves of an uninterrupted run, to the last stored digit."""
    whole, killed = read(trained / "small.toml"), read(written(tmp_path, TRAINED))
    command = ["experiment", "run", killed.path, "--workers", 1, "--save-seconds", 0]
    rng = np.random.default_rng(0)
    stored: dict[str, list[str]] = {}
    for _ in range(kills):
        process = Started(*command)
        time.sleep(float(rng.uniform(0.3, 2.5)))
        process.kill()
        process.communicate()
        now = files(killed)
        assert stored.items() <= now.items()
        stored = now
    done = a2l(*command)
    assert done.returncode == 0, done.stderr
    assert "complete: 8 runs" in done.stdout
    assert files(killed) == files(whole)
    assert "0 of 8 runs are missing" in a2l(*command).stdout


def test_an_experiment_that_is_stopped_loses_nothing(trained: Path, tmp_path: Path) -> None:
    """Stopped in the middle of an episode, long before a checkpoint is due, it resumes from there."""
    whole, stopped = read(trained / "small.toml"), read(written(tmp_path, TRAINED))
    steps = iter(range(40))
    events: list[object] = []
    assert not run(stopped, events.append, workers=1, stopping=lambda: next(steps) == 37)
    assert events[-1] == Stored(38)
    assert not run(stopped, events.append, workers=1, stopping=lambda: bool(files(stopped)))
    assert [event.frames for event in events if isinstance(event, PieceStarted)][:2] == [0, 38]
    assert files(stopped).items() < files(whole).items()


def test_half_trained_runs_of_other_settings_are_kept_and_go_on(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`hidden` 8, stopped; 9, stopped; and 8 again, which resumes where it was stopped."""

    def stop(experiment: Experiment, *after: int) -> list[int]:
        """Stop after some ticks, or at the first results; returns the frames from which it resumed."""
        events: list[object] = []
        left = iter(range(*after)) if after else None
        ends = (lambda: next(left, None) is None) if left else (lambda: bool(files(experiment)))
        assert not run(experiment, events.append, workers=1, stopping=ends)
        return [event.frames for event in events if isinstance(event, PieceStarted)][:1]

    first = read(written(tmp_path, TRAINED))
    assert stop(first, 37) == [0]
    (piece,) = first.folder.glob(".piece.*.npz")
    assert stop(read(written(tmp_path, TRAINED.replace("hidden = 8", "hidden = 9"))), 20) == [0]
    status(tmp_path / "small.toml")
    assert f"half-trained runs of other settings are kept, and go on with those settings: {piece}" in (
        capsys.readouterr().out
    )
    # The name that an earlier version used; a larger stack also resumes as it was begun.
    piece.rename(first.folder / ".piece.npz")
    again = read(written(tmp_path, TRAINED.replace("stack = 4", "stack = 5")))
    assert stop(again) == [38]
    assert files(again).items() < files(read(trained / "small.toml")).items()
    assert len(unwanted(again)) == 1


def test_a_replaced_worker_is_reported(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    events: list[Event] = []
    line = StatusLine()

    def on_event(event: Event) -> None:
        events.append(event)
        _show(event, line)
        if isinstance(event, PieceStarted):
            os.kill(environment_workers()[0], signal.SIGKILL)

    def replaced() -> bool:
        return any(isinstance(event, Replaced) for event in events)

    assert not run(read(small), on_event, workers=1, stopping=replaced)
    assert capsys.readouterr().out.count("died with exit code -9: another took its place") == 1


def test_a_single_run_is_spoken_of_as_such(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = SMALL.replace("seeds = 2", "seeds = 1").replace(', "cartpole-balance"', "")
    text = text.replace('own = { loss = "mine.a2l", batch_size = 6 }', "")
    before = read(written(tmp_path, text))
    _announce(before, 1)
    store(before, before.runs[0], [Score(800, (1.0,), 0.0, 0, 0, {}, False)], 1.0, "cpu")
    status(written(tmp_path, text.replace("hidden = 8", "hidden = 9")))
    shown = capsys.readouterr().out
    assert "with 1 seed, 800 frames each: 1 of 1 run is missing\n" in shown
    assert "small: 0 of 1 run, 800 frames each" in shown
    assert "none  .  0 of 1 seed\n" in shown
    assert "1 result of other settings is kept, and counts again with those settings: " in shown


def test_status_says_what_is_there(complete: Experiment) -> None:
    path_of(complete, complete.runs[0]).unlink()
    assert a2l("experiment", "status", complete.path).stdout.splitlines() == [
        "small: 7 of 8 runs, 80 frames each",
        SHORT[0],
        "  none  .+  1 of 2 seeds",
        "  own   ++  2 of 2 seeds",
        SHORT[1],
        "  none  ++  2 of 2 seeds",
        "  own   ++  2 of 2 seeds",
    ]


@pytest.mark.parametrize("path", sorted((Path(__file__).parents[2] / "results").glob("*.toml")), ids=str)
def test_every_committed_result_belongs_to_its_experiment(path: Path) -> None:
    """No later loss, setting or default disconnects a stored curve from the run that trained it."""
    experiment = read(path)
    stored = {path_of(experiment, run) for run in experiment.runs if load(experiment, run) is not None}
    assert stored == set(experiment.folder.rglob("*.csv"))

"""Runs what is missing of an experiment, piece by piece: a piece is a stack of runs on one environment.

The state of the piece in training is stored now and then, and its results when it ends. So the command can be
stopped at any moment and repeated: it runs what is missing. A stored piece is named by all that it depends
on: if the settings are edited, it is kept, and resumed once the experiment has its settings again.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeAlias

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.experiment.plan import Experiment, Run
from a2ls_dsl.experiment.store import missing, store
from a2ls_dsl.rl.compute.device import choose_device
from a2ls_dsl.rl.replay.windows import check_windows
from a2ls_dsl.rl.runs import checkpoint
from a2ls_dsl.rl.runs.checkpoint import Pace
from a2ls_dsl.rl.runs.lock import held
from a2ls_dsl.rl.runs.trainer import Evaluation, Plan, Progress, Trainer
from a2ls_dsl.rl.slots.clock import processor_seconds
from a2ls_dsl.rl.slots.evaluation import Score
from a2ls_dsl.rl.slots.slots import Replaced

PIECES = ".piece*.npz"
LOCK = ".lock"
SAVE_SECONDS = 60.0


@dataclass(frozen=True)
class PieceStarted:
    """A stack of runs begins, or resumes at `frames`; left: how many runs are missing, these included."""

    runs: tuple[Run, ...]
    frames: int
    left: int


@dataclass(frozen=True)
class PieceEnded:
    """The results of a stack are stored. seconds: what it took in this process."""

    runs: tuple[Run, ...]
    seconds: float


@dataclass(frozen=True)
class PieceStored:
    """The state of a stack is stored: after a stop it resumes at `frames`."""

    frames: int


Event: TypeAlias = PieceStarted | PieceStored | PieceEnded | Progress | Evaluation | Replaced


def run(
    experiment: Experiment,
    on_event: Callable[[Event], None] = lambda event: None,
    device: str | None = None,
    workers: int | None = None,
    save_seconds: float = SAVE_SECONDS,
    stopping: Callable[[], bool] = lambda: False,
    hours: float | None = None,
) -> bool:
    """Run all that is missing; False if it was stopped before the end. One process per experiment at a time.

    stopping: called after every step; once it returns True, or after `hours`, the state is stored and the run
    ends. Raises `A2lError`.
    """
    pace, chosen = Pace(save_seconds, hours), choose_device(device)
    for env, arm in dict.fromkeys((run.env, run.arm) for run in missing(experiment)):
        check_windows(experiment.training(env, arm), [arm.loss])
    try:
        experiment.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise A2lError(f"{experiment.folder} can't be made: {error.strerror}", "check the path") from None
    with ExitStack() as stack:
        fix = "wait for it, or end it"
        stack.enter_context(held(experiment.folder / LOCK, f"the experiment {experiment.name}", fix))
        _rename_older(experiment)
        for piece, left in pieces(experiment):
            if not _run_piece(experiment, piece, left, on_event, chosen, workers, stopping, pace):
                return False
    return True


def pieces(experiment: Experiment) -> Iterator[tuple[tuple[Run, ...], int]]:
    """Stacks of missing runs until none is missing, each with the number still missing, its own included.

    What is missing is looked up again for every piece. Half-trained pieces come first.
    """
    while todo := missing(experiment):
        named = {experiment.hash(run): run for run in todo}
        begun = [names for _, names in stored(experiment) if named.keys() >= set(names)]
        if begun:
            yield tuple(named[name] for name in begun[0]), len(todo)
            continue
        first = experiment.training(todo[0].env, todo[0].arm)
        alike = (run for run in todo if experiment.training(run.env, run.arm) == first)
        yield tuple(islice(alike, experiment.stack)), len(todo)


def stored(experiment: Experiment) -> list[tuple[Path, tuple[str, ...]]]:
    """The files of half-trained pieces, each with the hashes of its runs."""
    paths = sorted(experiment.folder.glob(PIECES))
    return [(path, tuple(checkpoint.load(path)[1].get("runs", ()))) for path in paths]


def unwanted(experiment: Experiment) -> list[Path]:
    """The half-trained pieces with runs of other settings than the experiment has now."""
    wanted = {experiment.hash(run) for run in experiment.runs}
    return [path for path, names in stored(experiment) if not wanted.issuperset(names)]


def _path_of(experiment: Experiment, names: Sequence[str]) -> Path:
    digest = hashlib.sha256(" ".join(names).encode()).hexdigest()[:12]
    return experiment.folder / f".piece.{digest}.npz"


def _rename_older(experiment: Experiment) -> None:
    """Rename a piece of an earlier version, which gave every piece the same name."""
    older = experiment.folder / ".piece.npz"
    if older.exists():
        older.rename(_path_of(experiment, checkpoint.load(older)[1].get("runs", ())))


def _run_piece(
    experiment: Experiment,
    runs: Sequence[Run],
    left: int,
    on_event: Callable[[Event], None],
    device: str,
    workers: int | None,
    stopping: Callable[[], bool],
    pace: Pace,
) -> bool:
    """False if it was stopped before its end."""
    plan = Plan(
        experiment.training(runs[0].env, runs[0].arm),
        tuple(run.arm.loss for run in runs),
        tuple(run.seed for run in runs),
    )
    names = [experiment.hash(run) for run in runs]
    path = _path_of(experiment, names)
    scores: list[list[Score]] = [[] for _ in runs]
    begun, processor = time.perf_counter(), processor_seconds()
    spent = 0.0  # seconds in earlier processes
    with Trainer(plan, device, workers) as trainer:
        if path.exists():
            spent = _restored(path, trainer, scores)
        on_event(PieceStarted(tuple(runs), trainer.frames, left))
        for event in trainer.run():
            if isinstance(event, Evaluation):
                for member, score in enumerate(event.scores):
                    scores[member].append(score)
                on_event(event)
            elif isinstance(event, (Progress, Replaced)):
                on_event(event)
            elif not trainer.finished:
                stop = stopping() or pace.over
                if stop or pace.due:
                    with pace.storing():
                        _save(path, trainer, names, scores, spent + time.perf_counter() - begun)
                    on_event(PieceStored(event.frames))
                if stop:
                    return False
    seconds = time.perf_counter() - begun
    # The workers have ended, so their time counts. The processor time of earlier processes is unknown.
    price = None if spent else (processor_seconds() - processor) / len(runs)
    for run, own in zip(runs, scores, strict=True):
        store(experiment, run, own, (spent + seconds) / len(runs), device, price)
    checkpoint.remove(path)
    on_event(PieceEnded(tuple(runs), seconds))
    return True


def _save(
    path: Path,
    trainer: Trainer,
    names: Sequence[str],
    scores: Sequence[Sequence[Score]],
    seconds: float,
) -> None:
    arrays, values = trainer.state()
    curves = [[vars(score) for score in own] for own in scores]
    checkpoint.save(
        path, arrays, {"trainer": values, "runs": list(names), "scores": curves, "seconds": seconds}
    )


def _restored(path: Path, trainer: Trainer, scores: Sequence[list[Score]]) -> float:
    """Restore a stored piece; the seconds that were spent on it."""
    arrays, values = checkpoint.load(path)
    with checkpoint.fitting(path, "experiment"):
        trainer.restore(arrays, values["trainer"])
        for own, stored in zip(scores, values["scores"], strict=True):
            own += map(Score.of, stored)
        return float(values["seconds"])

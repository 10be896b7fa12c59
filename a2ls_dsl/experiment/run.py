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
from a2ls_dsl.rl.runs import checkpoint, keeping
from a2ls_dsl.rl.runs.checkpoint import Pace
from a2ls_dsl.rl.runs.keeping import Keeper
from a2ls_dsl.rl.runs.lock import held
from a2ls_dsl.rl.runs.trainer import Evaluation, Plan, Trainer
from a2ls_dsl.rl.slots.clock import processor_seconds
from a2ls_dsl.rl.slots.evaluation import Score

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


Event: TypeAlias = PieceStarted | PieceEnded | keeping.Event


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
        for runs, left in pieces(experiment):
            piece, begun = Piece(experiment, runs), time.perf_counter()
            with Trainer(piece.plan, chosen, workers) as trainer:
                piece.resume(trainer)
                on_event(PieceStarted(runs, trainer.frames, left))
                if not keeping.train(trainer, piece, on_event, stopping, pace):
                    return False
            piece.store(chosen)
            on_event(PieceEnded(runs, time.perf_counter() - begun))
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


class Piece(Keeper):
    """A stack of runs in training; its state is a file beside the results until these are there."""

    def __init__(self, experiment: Experiment, runs: Sequence[Run]) -> None:
        self._experiment, self._runs = experiment, runs
        self._names = [experiment.hash(run) for run in runs]
        self._path = _path_of(experiment, self._names)
        self._curves: list[list[Score]] = [[] for _ in runs]
        self._begun, self._processor = time.perf_counter(), processor_seconds()
        self._spent = 0.0  # seconds in earlier processes

    @property
    def plan(self) -> Plan:
        """What is trained."""
        first, losses = self._runs[0], tuple(run.arm.loss for run in self._runs)
        training = self._experiment.training(first.env, first.arm)
        return Plan(training, losses, tuple(run.seed for run in self._runs))

    def resume(self, trainer: Trainer) -> None:
        """Train with a trainer of the plan, which goes on from an earlier state if there is one."""
        self._trainer = trainer
        if not self._path.exists():
            return
        arrays, values = checkpoint.load(self._path)
        with checkpoint.fitting(self._path, "experiment"):
            trainer.restore(arrays, values["trainer"])
            self._curves = [list(map(Score.of, scores)) for scores in values["scores"]]
            self._spent = float(values["seconds"])

    @property
    def _seconds(self) -> float:
        """What the piece has taken so far, in all processes."""
        return self._spent + time.perf_counter() - self._begun

    def record(self, evaluation: Evaluation) -> None:
        for scores, score in zip(self._curves, evaluation.scores, strict=True):
            scores.append(score)

    def save(self) -> None:
        arrays, values = self._trainer.state()
        curves = [[vars(score) for score in scores] for scores in self._curves]
        values = {"trainer": values, "runs": self._names, "scores": curves, "seconds": self._seconds}
        checkpoint.save(self._path, arrays, values)

    def store(self, device: str) -> None:
        """Store the results in place of the state, once the workers have ended and their time counts."""
        # The processor time of earlier processes is unknown.
        price = None if self._spent else (processor_seconds() - self._processor) / len(self._runs)
        for run, scores in zip(self._runs, self._curves, strict=True):
            store(self._experiment, run, scores, self._seconds / len(self._runs), device, price)
        checkpoint.remove(self._path)

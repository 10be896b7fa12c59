"""Runs what is missing of an experiment, piece by piece: a piece is a stack of runs on one environment.

The state of the piece in training is stored now and then, and its results when it ends. So the command can be
stopped at any moment and repeated: it does what is missing. A stored piece is named by what it depends on:
one of settings that were edited since is kept, and taken up once the experiment has those settings again.
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
from a2ls_dsl.rl import checkpoint
from a2ls_dsl.rl.checkpoint import Pace
from a2ls_dsl.rl.clock import processor_seconds
from a2ls_dsl.rl.device import choose_device
from a2ls_dsl.rl.evaluation import Score
from a2ls_dsl.rl.lock import held
from a2ls_dsl.rl.slots import Replaced
from a2ls_dsl.rl.trainer import Evaluation, Plan, Progress, Trainer
from a2ls_dsl.rl.windows import check_windows

PIECES = ".piece*.npz"
LOCK = ".lock"
SAVE_SECONDS = 60.0


@dataclass(frozen=True)
class PieceStarted:
    """A stack of runs begins, or goes on from `frames`; left: runs that are missing, these included."""

    runs: tuple[Run, ...]
    frames: int
    left: int


@dataclass(frozen=True)
class PieceEnded:
    """The results of a stack are stored. seconds: that it took in this process."""

    runs: tuple[Run, ...]
    seconds: float


@dataclass(frozen=True)
class PieceStored:
    """The state of a stack is stored: after a stop it goes on from `frames`."""

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
    """Run all that is missing; False if it was stopped before. One process an experiment at a time.

    stopping: asked after every step; once it says so, or after so many hours, the state is stored and the run
    left. Raises `A2lError`.
    """
    pace, chosen = Pace(save_seconds, hours), choose_device(device)
    for env, arm in dict.fromkeys((each.env, each.arm) for each in missing(experiment)):
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
    """Stacks of missing runs, until none is missing; and how many are, those of the stack included.

    What is missing is looked up anew for every piece. Those that were stored half-trained come first.
    """
    while todo := missing(experiment):
        named = {experiment.hash(each): each for each in todo}
        begun = [names for _, names in stored(experiment) if named.keys() >= set(names)]
        if begun:
            yield tuple(named[name] for name in begun[0]), len(todo)
            continue
        first = experiment.training(todo[0].env, todo[0].arm)
        alike = (each for each in todo if experiment.training(each.env, each.arm) == first)
        yield tuple(islice(alike, experiment.stack)), len(todo)


def stored(experiment: Experiment) -> list[tuple[Path, tuple[str, ...]]]:
    """The pieces that are stored half-trained, each with the hashes of its runs."""
    paths = sorted(experiment.folder.glob(PIECES))
    return [(path, tuple(checkpoint.load(path)[1].get("runs", ()))) for path in paths]


def unwanted(experiment: Experiment) -> list[Path]:
    """The half-trained pieces that are kept, but have runs of other settings than the experiment has now."""
    wanted = {experiment.hash(each) for each in experiment.runs}
    return [path for path, names in stored(experiment) if not wanted.issuperset(names)]


def _path_of(experiment: Experiment, names: Sequence[str]) -> Path:
    digest = hashlib.sha256(" ".join(names).encode()).hexdigest()[:12]
    return experiment.folder / f".piece.{digest}.npz"


def _rename_older(experiment: Experiment) -> None:
    """A version before this one had one name for whatever piece it was."""
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
        tuple(each.arm.loss for each in runs),
        tuple(each.seed for each in runs),
    )
    names = [experiment.hash(each) for each in runs]
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
    # The workers have ended and count. What an earlier process took of a processor isn't known.
    price = None if spent else (processor_seconds() - processor) / len(runs)
    for each, own in zip(runs, scores, strict=True):
        store(experiment, each, own, (spent + seconds) / len(runs), device, price)
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
    known = [[vars(score) for score in own] for own in scores]
    checkpoint.save(
        path, arrays, {"trainer": values, "runs": list(names), "scores": known, "seconds": seconds}
    )


def _restored(path: Path, trainer: Trainer, scores: Sequence[list[Score]]) -> float:
    """Take up a stored piece; the seconds that were spent on it."""
    arrays, values = checkpoint.load(path)
    with checkpoint.fitting(path, "experiment"):
        trainer.restore(arrays, values["trainer"])
        for own, known in zip(scores, values["scores"], strict=True):
            own += [Score(**{**each, "returns": tuple(each["returns"])}) for each in known]
        return float(values["seconds"])

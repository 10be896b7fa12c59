"""The results of an experiment: one small CSV per run, with all that it depends on in its first line.

A result of other settings than the experiment has now is not overwritten: it is kept beside the new one,
named by the hash of what it depends on, and counts again once the experiment has those settings again.
"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.experiment.plan import Experiment, Run
from a2ls_dsl.lang.files import write
from a2ls_dsl.rl.envs.tasks import find_task
from a2ls_dsl.rl.runs.curve import area, with_training
from a2ls_dsl.rl.runs.stored import versions
from a2ls_dsl.rl.slots.evaluation import Score

COLUMNS = ("frames", "return", "return_std", "training_return")


@dataclass(frozen=True)
class Result:
    """A run's learning curve, (points,) each.

    training: what training episodes returned, NaN where none ended; about: what the file's first line holds.
    """

    about: dict[str, Any]
    frames: tuple[int, ...]
    returns: tuple[float, ...]
    training: tuple[float, ...]

    @property
    def seed(self) -> int:
        """The seed it was trained with."""
        return int(self.about["seed"])

    @property
    def final(self) -> float:
        """The return at the end of the budget."""
        return self.returns[-1]

    @property
    def area(self) -> float:
        """The area under the curve of its evaluations since learning began."""
        return area(zip(self.frames, self.returns, strict=True), self.learning)

    @property
    def score(self) -> float:
        """Its score in a search: the same area, in which training episodes count."""
        return area(zip(self.frames, self.with_training, strict=True), self.learning)

    @property
    def with_training(self) -> tuple[float, ...]:
        """(points,) of evaluation and training, as scores count them."""
        return tuple(map(with_training, self.returns, self.training))

    @property
    def learning(self) -> int:
        """The frames at which learning began."""
        steps = int(self.about["settings"]["random_steps"])
        return find_task(self.about["env"]).steps_to_frames(steps)


def path_of(experiment: Experiment, run: Run) -> Path:
    """Where a run's result is kept."""
    return experiment.folder / find_task(run.env).file_name / run.arm.name / f"seed-{run.seed}.csv"


def store(
    experiment: Experiment,
    run: Run,
    scores: list[Score],
    seconds: float,
    device: str,
    processor_seconds: float | None = None,
) -> None:
    """Write a run's result, all at once. seconds, processor_seconds: its share of what its stack took."""
    about = {
        "hash": experiment.hash(run),
        "arm": run.arm.name,
        **experiment.identity(run),
        "seconds": round(seconds, 1),
        **({} if processor_seconds is None else {"processor_seconds": round(processor_seconds, 1)}),
        "device": device,
        "versions": versions(),
    }
    text = io.StringIO()
    text.write(f"# {json.dumps(about)}\n")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for score in scores:
        row = (score.mean_return, score.return_std, score.training_return)
        writer.writerow([score.frames, *(f"{value:.2f}" for value in row)])
    path = path_of(experiment, run)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and (before := _read(path)).about.get("hash") != about["hash"]:
        path.rename(path.with_suffix(f".{before.about.get('hash', 'unknown')}.csv"))
    write(path, text.getvalue())


def load(experiment: Experiment, run: Run) -> Result | None:
    """A run's result; None if there is none, or only of other settings than the experiment has now."""
    path, name = path_of(experiment, run), experiment.hash(run)
    for place in (path, path.with_suffix(f".{name}.csv")):
        if place.exists():
            result = _read(place)
            if result.about.get("hash") == name and result.frames:
                return result
    return None


def of_other_settings(experiment: Experiment) -> list[Path]:
    """The results of the experiment's runs that were trained with other settings."""
    kept = []
    for run in experiment.runs:
        path, name = path_of(experiment, run), experiment.hash(run)
        files = [path] * path.exists() + sorted(path.parent.glob(f"{path.stem}.*.csv"))
        kept += [place for place in files if _read(place).about.get("hash") != name]
    return kept


def _read(path: Path) -> Result:
    """The result in a file. Raises `A2lError` if it holds none."""
    try:
        first, *lines = path.read_text(encoding="utf-8").splitlines()
        about = dict(json.loads(first.removeprefix("# ")))
        rows = list(csv.DictReader(lines))
        return Result(
            about,
            tuple(int(row["frames"]) for row in rows),
            tuple(float(row["return"]) for row in rows),
            tuple(float(row["training_return"] or "nan") for row in rows),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise A2lError(
            f"{path} is not a result of a run: {error}", "delete it, and it is run again"
        ) from None


def missing(experiment: Experiment) -> list[Run]:
    """The runs without a result."""
    return [run for run in experiment.runs if load(experiment, run) is None]

"""The folder of a training run: settings, a curve a member, TensorBoard scalars, a checkpoint."""

from __future__ import annotations

import csv
import io
import json
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.lang.files import write
from a2ls_dsl.lang.syntax.printer import print_loss
from a2ls_dsl.rl.agents import algorithm_of
from a2ls_dsl.rl.envs.tasks import Task, read_task, suite_of
from a2ls_dsl.rl.runs import checkpoint
from a2ls_dsl.rl.runs.keeping import Keeper
from a2ls_dsl.rl.runs.lock import held
from a2ls_dsl.rl.runs.stored import training_values, versions
from a2ls_dsl.rl.runs.tracking import tracker
from a2ls_dsl.rl.runs.trainer import Evaluation, Plan, Trainer
from a2ls_dsl.rl.runs.training import Training
from a2ls_dsl.rl.slots.evaluation import Score

LOCK = "lock"


def columns(training: Training) -> tuple[str, ...]:
    """The columns of a curve; the suite's own scores, as `human_normalised`, stand behind returns."""
    scores = suite_of(training.task).scores(training.task, 0.0)
    names = algorithm_of(training.settings).stack.METRICS
    return ("frames", "return", "return_std", *scores, "training_return", *names, "diverged")


def protocol(training: Training) -> str:
    """How scores come about, in words, to be kept beside them."""
    words = algorithm_of(training.settings).scoring(training.settings, training.evaluation.episodes)
    return "; ".join(filter(None, [words, suite_of(training.task).conditions(training.task)]))


def plan_values(plan: Plan, deterministic: bool) -> dict[str, Any]:
    """A plan as JSON values: two runs with equal values compute the same."""
    values = training_values(plan.training) | {
        "losses": [print_loss(loss) if loss is not None else "none" for loss in plan.losses],
        "seeds": list(plan.seeds),
        "deterministic": deterministic,
    }
    if plan.compares:
        values["arms"] = list(plan.arms)
    return values


class RunFolder(Keeper):
    """Writes what a trainer yields. An existing run of the same plan is resumed, any other is left alone.

    A plan with more frames goes on with it, too.

    A context manager; one process at a time. Raises `A2lError` for a folder that holds something else, is in
    use, or can't be written.
    """

    def __init__(self, path: Path, trainer: Trainer, track: str | None = None) -> None:
        """track: a service that is told of every evaluation, too; see `tracking.py`."""
        self.path, self.trainer = path, trainer
        self.rows: list[list[dict[str, float]]] = [[] for _ in trainer.plan.seeds]
        self.checkpoint_frames = 0
        plan = plan_values(trainer.plan, trainer.exact)
        self._open = ExitStack()
        try:
            path.mkdir(parents=True, exist_ok=True)
            known = (path / "run.json").exists()
            strange = sorted(file.name for file in path.iterdir() if file.name != LOCK)
            if strange and not known:
                raise A2lError(
                    f"{path} is not a run: it holds {strange[0]}", "choose another folder with --out"
                )
            fix = "wait for it, end it, or choose another folder with --out"
            self._open.enter_context(held(path / LOCK, f"the run {path}", fix))
            about = {"plan": plan, "protocol": protocol(trainer.plan.training), "versions": versions()}
            if known:
                about |= self._resume(plan)
            self._write("run.json", json.dumps(about | {"plan": plan}, indent=2) + "\n")
            self._writers = self._tensorboard()
            self._tracker = tracker(track, path, trainer.plan.curves, plan)
        except OSError as error:
            self._open.close()
            raise A2lError(
                f"cannot write to the folder {path}: {error.strerror}", "choose another one with --out"
            ) from None
        except BaseException:
            self._open.close()
            raise

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(self, *_: object) -> None:
        for writer in self._writers:
            writer.close()
        self._tracker.close()
        self._open.close()

    @property
    def finished(self) -> bool:
        """Whether the run had ended before."""
        return self.trainer.finished

    def record(self, evaluation: Evaluation) -> None:
        for member, rows in enumerate(self.rows):
            rows.append(_row(evaluation.scores[member], self.trainer.plan.training.task))
            self._write_curve(member)
            self._tracker.tell(member, rows[-1])
            if self._writers:
                for name, value in rows[-1].items():
                    self._writers[member].add_scalar(name, value, evaluation.frames)
        if self.finished:
            self.save()

    def save(self) -> None:
        arrays, values = self.trainer.state()
        checkpoint.save(self.path / "checkpoint.npz", arrays, {"trainer": values, "rows": self.rows})
        self.checkpoint_frames = self.trainer.frames

    def _resume(self, plan: dict[str, Any]) -> dict[str, Any]:
        """Go on with what is there; gives what is said of it in `run.json`."""
        try:
            about: dict[str, Any] = json.loads((self.path / "run.json").read_text())
            stored = about["plan"]
            if not isinstance(stored, dict):
                raise TypeError("no settings")
            if "game" in stored:  # the name says all of it now
                stored |= {"env": read_task({"suite": "atari", "task": stored["game"]}).name}
        except (ValueError, KeyError, TypeError):
            raise A2lError(
                f"{self.path / 'run.json'} is not the settings of a run", "choose another folder with --out"
            ) from None
        more = stored | {"frames": max(plan["frames"], int(stored.get("frames", 0)))}
        if changed := _differences(more, plan):
            raise A2lError(
                f"{self.path} holds a run with other settings: {', '.join(changed)}",
                "repeat its settings to resume it, or choose another folder with --out",
            )
        if (self.path / "checkpoint.npz").exists():
            arrays, values = checkpoint.load(self.path / "checkpoint.npz")
            with checkpoint.fitting(self.path / "checkpoint.npz", "run"):
                self.trainer.restore(arrays, values["trainer"])
                self.rows = values["rows"]
            self.checkpoint_frames = self.trainer.frames
        for member in range(len(self.rows)):
            self._write_curve(member)
        return about

    def _write_curve(self, member: int) -> None:
        text = io.StringIO()
        names = columns(self.trainer.plan.training)
        writer = csv.DictWriter(text, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows[member])
        self._write(f"{self.trainer.plan.curves[member]}.csv", text.getvalue())

    def _write(self, name: str, text: str) -> None:
        write(self.path / name, text)

    def _tensorboard(self) -> list[Any]:
        """A writer a member where TensorBoard (the extra `track`) is installed, else none."""
        if find_spec("tensorboard") is None:
            return []
        from torch.utils.tensorboard import SummaryWriter

        folder = self.path / "tensorboard"
        return [SummaryWriter(str(folder / curve)) for curve in self.trainer.plan.curves]


def _row(score: Score, task: Task) -> dict[str, float]:
    mean = score.mean_return
    return {
        "frames": score.frames,
        "return": mean,
        "return_std": score.return_std,
        **suite_of(task).scores(task, mean),
        "training_return": score.training_return,
        **score.metrics,
        "diverged": int(score.diverged),
    }


def _differences(stored: dict[str, Any], plan: dict[str, Any]) -> list[str]:
    """The settings in which two plans differ: `frames (10000, now 20000)`."""
    changed: list[str] = []
    for name in sorted(stored.keys() | plan.keys()):
        before, now = stored.get(name), plan.get(name)
        if isinstance(before, dict) and isinstance(now, dict):
            changed += _differences(before, now)
        elif before != now:
            changed.append(f"{name} ({before}, now {now})")
    return changed

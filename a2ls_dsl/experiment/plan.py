"""An experiment as its file defines it: arms x environments x seeds, and how all of them train.

name = "vector-parity"
question = "Do the published losses help on vector observations?"
envs = ["cartpole-swingup", "cheetah-run"]
seeds = 5                   # 0..4, or from `first_seed` on
frames = 60_000

[arms]                      # name = loss: a file, a shipped loss by name, or none
none = "none"
a2_winner = "a2_winner"

[settings]                  # optional: fields of the agent's settings, evaluation, observations
hidden = 256
eval_every = 10_000

`claims.py` describes the other tables: claims to be judged, and published scores to compare with.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, get_type_hints

from a2ls_dsl.diagnostics import A2lError, unknown
from a2ls_dsl.experiment.claims import Claim, Published, read_claims, read_published
from a2ls_dsl.lang.load import load_one
from a2ls_dsl.lang.syntax.printer import print_loss
from a2ls_dsl.lang.syntax.tree import Loss
from a2ls_dsl.rl.agents import ALGORITHMS, algorithm_named
from a2ls_dsl.rl.algorithm import Algorithm
from a2ls_dsl.rl.compute.arithmetic import Precision
from a2ls_dsl.rl.envs.task import Task, check_observations
from a2ls_dsl.rl.envs.tasks import find_task, suite_of
from a2ls_dsl.rl.given import checked
from a2ls_dsl.rl.given import settings as given_settings
from a2ls_dsl.rl.runs.stored import training_values
from a2ls_dsl.rl.runs.training import Training, check_learning
from a2ls_dsl.rl.settings import Computation, EvaluationSettings, PixelSettings

_KEYS = (
    "name",
    "question",
    "envs",
    "seeds",
    "first_seed",
    "frames",
    "stack",
    "arms",
    "settings",
    "claims",
    "published",
)
_REQUIRED = ("name", "envs", "seeds", "frames", "arms")
_OTHERS = {
    "agent": str,
    "obs": str,
    "random_crops": bool,
    "shadow_size": int,
    "eval_every": int,
    "eval_episodes": int,
    "precision": str,
}
MOST_SEED = 2**32
"""The largest first seed: that of `a2l train`, and room for the fresh ones of a validation."""

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")
"""Names that are safe for a folder: none leads out of its parent."""


@dataclass(frozen=True)
class Arm:
    """What is compared: a name, a loss (None: no auxiliary loss), and settings of its own."""

    name: str
    loss: Loss | None
    settings: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def text(self) -> str:
        """The loss' canonical print, or `none`."""
        return "none" if self.loss is None else print_loss(self.loss)


@dataclass(frozen=True)
class Run:
    """One training: an arm on an environment with a seed."""

    env: str
    arm: Arm
    seed: int


@dataclass(frozen=True)
class Experiment:
    """Everything in a file."""

    path: Path
    name: str
    question: str
    envs: tuple[str, ...]
    seeds: int
    frames: int
    stack: int
    arms: tuple[Arm, ...]
    settings: Mapping[str, Any]
    claims: tuple[Claim, ...] = ()
    published: Published | None = None
    first_seed: int = 0

    @property
    def folder(self) -> Path:
        """Where results are kept: `results/NAME` beside the file."""
        return self.path.parent / self.name

    @property
    def runs(self) -> tuple[Run, ...]:
        """Every run, seed by seed, so that all arms have a few seeds before any has many."""
        seeds = range(self.first_seed, self.first_seed + self.seeds)
        return tuple(Run(env, arm, seed) for env in self.envs for seed in seeds for arm in self.arms)

    def training(self, env: str, arm: Arm) -> Training:
        """How the runs of an arm on an environment train."""
        task, given = find_task(env), {**self.settings, **arm.settings}
        algorithm = algorithm_named(given.get("agent"), task)
        agent = algorithm.published(task, self.frames)
        usual = suite_of(task).protocol
        every = given.get("eval_every", usual.eval_every)
        return Training(
            task,
            self.frames,
            replace(agent, **{name: value for name, value in given.items() if name not in _OTHERS}),
            EvaluationSettings(every, given.get("eval_episodes", usual.eval_episodes)),
            _pixels(task, algorithm, given),
            Computation(Precision(given.get("precision", "tf32"))),
        )

    def identity(self, run: Run) -> dict[str, Any]:
        """All that a run's result depends on, as JSON values."""
        values = training_values(self.training(run.env, run.arm))
        named = {"game", "algorithm"}  # the task's name and the settings say as much
        kept = {name: value for name, value in values.items() if name not in named}
        return kept | {"loss": run.arm.text, "seed": run.seed}

    def hash(self, run: Run) -> str:
        """16 hexadecimal digits that name a run: two runs with the same ones compute the same."""
        text = json.dumps(self.identity(run), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def read(path: Path) -> Experiment:
    """The experiment of a TOML file. Raises `A2lError` that names what is wrong in it."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise A2lError(f"{path} is not an experiment: {error}", "see results/*.toml for examples") from None
    for name in data:
        if name not in _KEYS:
            raise unknown(f"key in {path}", name, _KEYS)
    for name in _REQUIRED:
        if name not in data:
            raise A2lError(f"{path} has no `{name}`", f"an experiment has {', '.join(_REQUIRED)}")
    settings = given_settings(str(path), _checked(path, data, "settings", dict, {}), _kinds())
    arms = _checked(path, data, "arms", dict, {})
    for name in (_checked(path, data, "name", str), *arms):
        if not _NAME.fullmatch(name):
            raise A2lError(
                f"{path}: {name!r} can't name a folder of results",
                "use letters, digits, `_`, `-` and `.`, but don't begin with `.`",
            )
    experiment = Experiment(
        path,
        _checked(path, data, "name", str),
        _checked(path, data, "question", str, ""),
        tuple(find_task(env).name for env in _checked(path, data, "envs", list[str])),
        _checked(path, data, "seeds", int),
        _checked(path, data, "frames", int),
        _checked(path, data, "stack", int, 64),
        tuple(_arm(path, name, given) for name, given in arms.items()),
        settings,
        read_claims(path, data.get("claims", []), tuple(arms)),
        read_published(path, _checked(path, data, "published", dict, {}), data["frames"]),
        _checked(path, data, "first_seed", int, 0),
    )
    if not (experiment.arms and experiment.envs) or min(experiment.seeds, experiment.stack) < 1:
        raise A2lError(f"{path} has nothing to run", "give it arms, envs and one seed or more")
    for env in experiment.envs:
        if experiment.envs.count(env) > 1:
            raise A2lError(f"{path}: {env} is among `envs` twice", "name it once")
    if not 0 <= experiment.first_seed <= MOST_SEED:
        raise A2lError(f"{path}: `first_seed` is {experiment.first_seed}", f"use 0 to {MOST_SEED:,}")
    for env in experiment.envs:
        for arm in experiment.arms:
            _tried(path, experiment, env, arm)
    return experiment


def _checked(path: Path, data: Mapping[str, Any], name: str, kind: Any, otherwise: object = None) -> Any:
    return checked(str(path), name, data.get(name, otherwise), kind)


@cache
def _kinds() -> dict[str, Any]:
    """The settings that an experiment may give, with their types."""
    kinds: dict[str, Any] = {}
    for algorithm in ALGORITHMS.values():
        kinds |= get_type_hints(algorithm.settings)
    return kinds | _OTHERS


def _pixels(task: Task, algorithm: Algorithm[Any], given: Mapping[str, Any]) -> PixelSettings | None:
    """How frames are shown; None for vectors, to which settings of frames don't apply."""
    check_observations(task, given.get("obs"))
    pixels = algorithm.pixels(task, given.get("obs"))
    if pixels is None:
        return None
    rendering = replace(pixels.rendering, shadow_size=given.get("shadow_size", pixels.rendering.shadow_size))
    crops = given.get("random_crops", pixels.random_crops)
    return replace(pixels, rendering=rendering, random_crops=crops)


def _arm(path: Path, name: str, given: object) -> Arm:
    """`name = "loss"`, or `name = { loss = "...", SETTING = ... }`."""
    if isinstance(given, str):
        return Arm(name, _loss(path, given))
    if not isinstance(given, dict) or not isinstance(given.get("loss"), str):
        raise A2lError(f"{path}: the arm `{name}` has no loss", f'write for example {name} = "none"')
    others = {key: value for key, value in given.items() if key != "loss"}
    settings = given_settings(str(path), others, _kinds())
    return Arm(name, _loss(path, given["loss"]), settings)


def _loss(path: Path, text: str) -> Loss | None:
    """A shipped loss by name, or a loss file relative to the experiment's folder."""
    if text == "none":
        return None
    beside = path.parent / text
    return load_one(beside if beside.exists() else text)[1]


def _tried(path: Path, experiment: Experiment, env: str, arm: Arm) -> None:
    try:
        training = experiment.training(env, arm)
        check_learning(training.task, training.frames, training.settings)
    except (TypeError, ValueError) as error:
        raise A2lError(f"{path}: its settings don't fit: {error}", "see `a2l train --help`") from None

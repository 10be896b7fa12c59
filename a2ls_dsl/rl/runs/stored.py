"""How training is kept as JSON values, and read again."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import torch

from a2ls_dsl import __version__
from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.rl.agents import algorithm_of, identity_of, read_tagged
from a2ls_dsl.rl.compute.arithmetic import Precision
from a2ls_dsl.rl.envs.rendering import Rendering
from a2ls_dsl.rl.envs.tasks import find_task, read_task, suite_of
from a2ls_dsl.rl.runs.training import Training
from a2ls_dsl.rl.settings import Computation, EvaluationSettings, PixelSettings


def versions() -> dict[str, str]:
    """What results were computed with, to be kept beside them."""
    return {"a2ls_dsl": __version__, "torch": torch.__version__, "python": platform.python_version()}


def training_values(training: Training) -> dict[str, Any]:
    """How members train, as JSON values; how it is computed is there as far as it changes results."""
    values: dict[str, Any] = {
        "env": training.task.name,
        "frames": training.frames,
        "settings": identity_of(training.settings),
        "evaluation": asdict(training.evaluation),
        "pixels": asdict(training.pixels) if training.pixels else None,
        "precision": training.computation.precision,
    }
    values |= suite_of(training.task).identity(training.task)
    algorithm = algorithm_of(training.settings).name
    if algorithm != _unnamed(values):
        values["algorithm"] = algorithm
    normal: dict[str, Any] = json.loads(json.dumps(values))
    return normal


def training_of(values: Mapping[str, Any]) -> Training:
    """What `training_values` wrote. Raises `A2lError` for values of a version that has others."""
    try:
        game, pixels = values.get("game"), values["pixels"]
        task = read_task({"suite": "atari", "task": game}) if game else find_task(values["env"])
        return Training(
            task,
            int(values["frames"]),
            read_tagged(
                {"algorithm": values.get("algorithm", _unnamed(values)), **_plain(values["settings"])}
            ),
            EvaluationSettings(**values["evaluation"]),
            PixelSettings(**pixels | {"rendering": Rendering(**pixels["rendering"])}) if pixels else None,
            Computation(Precision(values["precision"])),
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise A2lError(
            f"its settings can't be read: {error}", "use the version of a2l that made it"
        ) from None


def _unnamed(values: Mapping[str, Any]) -> str:
    """The algorithm of values that name none: there was one for games and one for all other tasks."""
    return "rainbow" if "game" in values else "sac"


def _plain(value: Any) -> Any:
    """JSON knows no tuples; settings know no lists."""
    if isinstance(value, list):
        return tuple(map(_plain, value))
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    return value

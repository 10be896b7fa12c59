"""Options shared by commands that train: the task, the agent, what it sees, settings by name, the device."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from a2ls_dsl.rl.agents import AgentSettings
    from a2ls_dsl.rl.algorithm import Algorithm
    from a2ls_dsl.rl.envs.tasks import Task
    from a2ls_dsl.rl.settings import EvaluationSettings, PixelSettings

Env = Annotated[
    str, typer.Option(metavar="TASK", help="walker-walk, Pong, gymnasium:Pendulum-v1, my_env:make.")
]
EnvArguments = Annotated[
    list[str] | None,
    typer.Option(
        "--env-arg",
        metavar="NAME=VALUE",
        help="An option of the task, such as sticky=0.25 for a game (repeatable).",
    ),
]
Ale = Annotated[str | None, typer.Option(help="The emulator for Atari: ale-py (the default) or atari-py.")]
Device = Annotated[str | None, typer.Option(help="cpu or cuda; by default the GPU if there is one.")]
NoCapture = Annotated[
    bool,
    typer.Option("--no-capture", help="On a GPU: launch kernels one by one, not as CUDA graphs; slower."),
]
AgentName = Annotated[
    str | None, typer.Option(help="sac, simba or rainbow; by default the usual one for the task.")
]
Obs = Annotated[
    str | None, typer.Option(help="What the agent sees: vectors (the default) or pixels; for a game, pixels.")
]
ShadowSize = Annotated[
    int | None,
    typer.Option(
        min=1, help="Pixels: a smaller shadow map, faster without a GPU; edges of shadows look different."
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="A setting of the agent, of evaluation or of frames, such as hidden=256 (repeatable).",
    ),
]


def pixels_of(
    task: Task, obs: str | None, shadow_size: int | None, algorithm: Algorithm[Any]
) -> PixelSettings | None:
    """The meaning of --obs and its options: how frames are rendered; None for vectors and games."""
    from dataclasses import replace

    from a2ls_dsl.diagnostics import A2lError
    from a2ls_dsl.rl.envs.task import check_observations
    from a2ls_dsl.rl.envs.tasks import suite_of

    check_observations(task, obs)
    pixels = algorithm.pixels(task, obs)
    if shadow_size is None:
        return pixels
    if pixels is None or not suite_of(task).shadows:
        raise A2lError(f"the observations of {task.name} have no shadows", "leave out --shadow-size")
    return replace(pixels, rendering=replace(pixels.rendering, shadow_size=shadow_size))


def with_set(
    agent: AgentSettings,
    evaluation: EvaluationSettings,
    pixels: PixelSettings | None,
    texts: Iterable[str],
    options: Mapping[str, Any] | None = None,
) -> tuple[Any, EvaluationSettings, PixelSettings | None]:
    """Agent, evaluation and frames with the settings given by --set and by options of their own.

    options: settings that have an option, by name; None for one that is not given. Raises `A2lError` for
    an unknown name, for a wrong type, and if --set and an option both give a setting.
    """
    from dataclasses import replace
    from typing import get_type_hints

    from a2ls_dsl.diagnostics import A2lError
    from a2ls_dsl.rl.given import assigned
    from a2ls_dsl.rl.settings import EVALUATION

    kinds = get_type_hints(type(agent)) | dict.fromkeys(EVALUATION, int)
    if pixels is not None:
        kinds["random_crops"] = bool
    given = assigned("--set", texts, kinds)
    for name, value in (options or {}).items():
        if value is None:
            continue
        if name in given:
            option = f"--{name.replace('_', '-')}"
            raise A2lError(f"`{name}` is given by {option} and by --set", "give it once")
        given[name] = value
    crops = {name: given.pop(name) for name in ("random_crops",) if name in given}
    scored = {field: given.pop(name) for name, field in EVALUATION.items() if name in given}
    return (
        replace(agent, **given),
        replace(evaluation, **scored),
        replace(pixels, **crops) if pixels is not None else None,
    )

"""`a2l train`: train agents with a loss or several, all seeds as one stack."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from a2ls_dsl.cli.agent_options import (
    AgentName,
    Ale,
    Device,
    Env,
    EnvArguments,
    NoCapture,
    Obs,
    Set,
    ShadowSize,
    pixels_of,
    with_set,
)
from a2ls_dsl.cli.application import app
from a2ls_dsl.cli.stopping import Hours, follow

if TYPE_CHECKING:
    from a2ls_dsl.rl.agents import AgentSettings
    from a2ls_dsl.rl.algorithm import Algorithm
    from a2ls_dsl.rl.envs.tasks import Task
    from a2ls_dsl.rl.runs.keeping import Event
    from a2ls_dsl.rl.runs.trainer import Plan
    from a2ls_dsl.rl.settings import Computation, Scale


class ScaleName(StrEnum):
    """The scales of `rl/settings.py`, which is not imported here as it would slow `--help` down."""

    LAPTOP = "laptop"


@app.command()
def train(
    env: Env,
    loss: Annotated[
        str,
        typer.Option(
            metavar="LOSS[,LOSS...]",
            help="A .a2l file, the name of a shipped loss, or none (plain RL); several are compared.",
        ),
    ],
    env_arg: EnvArguments = None,
    name: Annotated[str | None, typer.Option(help="Which loss of the file; the last one by default.")] = None,
    preset: Annotated[
        ScaleName | None,
        typer.Option(
            help="laptop: vectors, 50,000 frames, 64 hidden units, batches of 64, 3 episodes per evaluation."
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds per loss, all as one stack.")] = 1,
    seed: Annotated[int, typer.Option(min=0, max=2**31, help="The first seed; the others follow it.")] = 0,
    frames: Annotated[
        int | None,
        typer.Option(min=1, help="Environment frames per seed; by default 500,000, on a game 400,000."),
    ] = None,
    eval_every: Annotated[
        int | None,
        typer.Option(min=1, help="Frames between two evaluations; by default 10,000, on a game 40,000."),
    ] = None,
    eval_episodes: Annotated[int | None, typer.Option(min=1, help="Per evaluation; by default 10.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=2, help="Instead of the paper's setting.")] = None,
    obs: Obs = None,
    shadow_size: ShadowSize = None,
    replay_capacity: Annotated[
        int | None, typer.Option(min=100, help="Agent steps in the replay, instead of the paper's 100,000.")
    ] = None,
    random_steps: Annotated[
        int | None,
        typer.Option(min=2, help="Agent steps before learning begins, instead of 1,000 (Atari: 1,600)."),
    ] = None,
    hidden: Annotated[
        int | None,
        typer.Option(min=1, max=65_536, help="Hidden units of actor and critics, or of the value heads."),
    ] = None,
    agent: AgentName = None,
    set_: Set = None,
    encoder_gradient: Annotated[
        str | None,
        typer.Option(help="What trains the encoder: critic+auxiliary (the default), or auxiliary alone."),
    ] = None,
    rainbow: Annotated[
        str | None, typer.Option(help="Atari: the settings of Rainbow, efficient (the default) or spr.")
    ] = None,
    parity: Annotated[
        str | None,
        typer.Option(help="SAC: release, for updates as in the code of He et al. 2022 where it differs."),
    ] = None,
    ale: Ale = None,
    track: Annotated[
        str | None,
        typer.Option(help="wandb: also log to Weights & Biases; WANDB_MODE=offline works."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the run; runs/ENV-LOSS... by default.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes for environments.")] = None,
    device: Device = None,
    precision: Annotated[
        str, typer.Option(help="Of matrix products: tf32 (on a CPU the same as float32), float32 or bf16.")
    ] = "tf32",
    compile: Annotated[
        bool,
        typer.Option("--compile", help="Fuse the losses with torch.compile; takes a minute at the start."),
    ] = False,
    no_capture: NoCapture = False,
    deterministic: Annotated[bool, typer.Option(help="On the CPU: repeat a run bit for bit.")] = False,
    hours: Hours = None,
) -> None:
    """Train SAC, or Rainbow on a game, with auxiliary losses; run the same command again to resume."""
    from dataclasses import replace

    from a2ls_dsl.cli.arms import losses
    from a2ls_dsl.diagnostics import A2lError
    from a2ls_dsl.rl.agents import algorithm_named, algorithm_of
    from a2ls_dsl.rl.compute.device import choose_device
    from a2ls_dsl.rl.envs.atari_suite import emulated_by
    from a2ls_dsl.rl.envs.task import read_arguments
    from a2ls_dsl.rl.envs.tasks import find_task, suite_of
    from a2ls_dsl.rl.runs.trainer import Plan
    from a2ls_dsl.rl.runs.training import Training
    from a2ls_dsl.rl.settings import EvaluationSettings

    task = emulated_by(find_task(env, read_arguments(env_arg or [])), ale)
    usual = suite_of(task).protocol
    scale = _scale(task, preset, obs)
    frames = frames or (scale.frames if scale else usual.frames)
    arms = losses(loss, name)
    options: dict[str, Any] = {
        "batch_size": batch_size,
        "hidden": hidden,
        "replay_capacity": replay_capacity,
        "random_steps": random_steps,
        "encoder_gradient": encoder_gradient,
        "eval_every": eval_every,
        "eval_episodes": eval_episodes,
    }
    algorithm = algorithm_named(agent, task)
    published = _published(task, frames, rainbow, algorithm)
    if scale is not None and algorithm is not algorithm_of(scale.sac):
        raise A2lError(f"the preset {preset} is for SAC, not for {algorithm.title}", "leave out --preset")
    if encoder_gradient is not None and not hasattr(published, "encoder_gradient"):
        raise A2lError(f"{algorithm.title} has a single gradient", "leave out --encoder-gradient")
    settings, evaluation, pixels = with_set(
        replace(scale.sac if scale else published, **_parity(task, parity, algorithm)),
        scale.evaluation if scale else EvaluationSettings(usual.eval_every, usual.eval_episodes),
        pixels_of(task, obs, shadow_size, algorithm),
        set_ or [],
        options,
    )
    used = computation(precision, compile, not no_capture, choose_device(device))
    training = Training(task, frames, settings, evaluation, pixels, used)
    if precision == "bf16" and training.sees_vectors:
        text = "on vectors bf16 saves no bytes, as weights stay in 32 bits; tf32 is advised there"
        typer.echo(f"warning: {text}", err=True)
    members = [(arm, number) for arm in arms for number in range(seed, seed + seeds)]
    plan = Plan(
        training,
        tuple(arms[arm] for arm, _ in members),
        tuple(number for _, number in members),
        tuple(arm for arm, _ in members),
    )
    folder = out or Path("runs") / "-".join([task.file_name, *arms])
    _run(plan, folder, device, workers, deterministic, hours, track)


def _scale(task: Task, preset: ScaleName | None, obs: str | None) -> Scale | None:
    """The scale that --preset stands for."""
    from a2ls_dsl.diagnostics import A2lError
    from a2ls_dsl.rl.agents import check_actions
    from a2ls_dsl.rl.envs.task import PIXELS
    from a2ls_dsl.rl.settings import SCALES

    if preset is None:
        return None
    scale = SCALES[preset]
    if (obs or task.observations[0]) == PIXELS:
        raise A2lError(f"the preset {preset} is for vectors, not for frames", "leave out --preset")
    check_actions(scale.sac, task)
    return scale


def _published(task: Task, frames: int, rainbow: str | None, algorithm: Algorithm[Any]) -> AgentSettings:
    """The published settings of the agent, with those that --rainbow stands for."""
    from a2ls_dsl.diagnostics import A2lError, unknown

    if rainbow is not None and not algorithm.presets:
        raise A2lError(f"{task.name} is learned by {algorithm.title}", "leave out --rainbow")
    if rainbow is not None and rainbow not in algorithm.presets:
        raise unknown("setting of Rainbow", rainbow, algorithm.presets)
    preset = algorithm.presets[rainbow] if rainbow else None
    settings: AgentSettings = algorithm.published(task, frames, preset)
    return settings


def _parity(task: Task, parity: str | None, algorithm: Algorithm[Any]) -> dict[str, Any]:
    """The settings that --parity stands for."""
    from a2ls_dsl.diagnostics import A2lError, unknown

    if parity is None:
        return {}
    if not algorithm.parities:
        raise A2lError(
            f"{task.name} isn't learned by SAC, but the release has SAC only", "leave out --parity"
        )
    if parity not in algorithm.parities:
        raise unknown("code to be at parity with", parity, algorithm.parities)
    return dict(algorithm.parities[parity])


def computation(precision: str, compile: bool, capture: bool, device: str) -> Computation:
    """The meaning of --precision, --compile and --no-capture; checks that torch can compile."""
    from a2ls_dsl.diagnostics import unknown
    from a2ls_dsl.rl.compute.arithmetic import Precision
    from a2ls_dsl.rl.settings import Computation

    if precision not in list(Precision):
        raise unknown("precision", precision, Precision)
    refuse_idle_capture(capture, device)
    if compile:
        from a2ls_dsl.rl.compute.compiling import require_compile

        require_compile(device)
    return Computation(Precision(precision), capture, compile)


def refuse_idle_capture(capture: bool, device: str) -> None:
    """Refuse --no-capture where nothing would be captured."""
    from a2ls_dsl.diagnostics import A2lError

    if not capture and device == "cpu":
        raise A2lError("--no-capture would do nothing: graphs are captured on a GPU only", "leave it out")


def _run(
    plan: Plan,
    out: Path,
    device: str | None,
    workers: int | None,
    deterministic: bool,
    hours: float | None,
    track: str | None,
) -> None:
    """Train and show progress; the results go to a folder."""
    from a2ls_dsl.cli.arms import evaluation, header
    from a2ls_dsl.cli.console import StatusLine
    from a2ls_dsl.cli.train_view import announce, compare, evaluation_line, progress_line
    from a2ls_dsl.rl.compute.device import choose_device, make_deterministic
    from a2ls_dsl.rl.runs import keeping
    from a2ls_dsl.rl.runs.checkpoint import Pace
    from a2ls_dsl.rl.runs.folder import RunFolder
    from a2ls_dsl.rl.runs.trainer import Evaluation, Progress, Trainer
    from a2ls_dsl.rl.slots.slots import Replaced

    pace, chosen = Pace(hours=hours), choose_device(device)
    if deterministic:
        make_deterministic(chosen)
    line = StatusLine()

    def show(event: Event) -> None:
        if isinstance(event, Evaluation):
            line.say((evaluation if plan.compares else evaluation_line)(event, plan))
        elif isinstance(event, Progress):
            line.show(progress_line(event))
        elif isinstance(event, Replaced):
            line.say(event.text)

    with (
        Trainer(plan, chosen, workers, exact=deterministic) as trainer,
        RunFolder(out, trainer, track) as folder,
    ):
        announce(plan, folder, chosen)
        if plan.compares and not folder.finished:
            line.say(header(plan))
        again = "stopped at {:,} frames; run the same command again to go on from {:,} frames"
        follow(
            lambda stop: keeping.train(trainer, folder, show, stop, pace),
            line.say,
            lambda: again.format(trainer.frames, folder.checkpoint_frames),
        )
        if plan.compares:
            compare(folder)
        else:
            line.say(f"curves: {out}/seed-*.csv")

"""What `a2l train` prints: what is about to be spent, progress, evaluations, how losses compare."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from a2ls_dsl.rl.runs.folder import RunFolder
    from a2ls_dsl.rl.runs.trainer import Evaluation, Plan, Progress


def compare(folder: RunFolder) -> None:
    """Print how several losses compare at the end, and write their curves as one picture to the folder."""
    from rich.console import Console
    from rich.text import Text

    from a2ls_dsl.cli.arms import summary, trained
    from a2ls_dsl.cli.tables import show
    from a2ls_dsl.lang.files import write
    from a2ls_dsl.report.arms import chart

    training, arms, picture = folder.trainer.plan.training, trained(folder), folder.path / "curves.svg"
    write(picture, chart(arms, f"Learning curves on {training.task.name}"))
    table, notes = summary(arms, training.learning)
    console = Console(highlight=False)
    console.print()
    show(console, table)
    for note in (*notes, f"curves: {folder.path}/*-seed-*.csv, side by side in {picture}"):
        show(console, Text(note))


def announce(plan: Plan, folder: RunFolder, device: str) -> None:
    """Print what is about to be trained, and where the results go."""
    from a2ls_dsl.backend.window import views_without_effect
    from a2ls_dsl.cli.console import size

    trainer, training = folder.trainer, plan.training
    kind = "vectors" if training.sees_vectors else "frames"
    names, count = dict.fromkeys(plan.arms), len(set(plan.seeds))
    losses = f"loss{'es' * plan.compares} {', '.join(names)}"
    seeds = f"{count} seed{'s' * (count > 1)}{' of each' * plan.compares}"
    repeat = training.task.action_repeat
    print(
        f"{training.task.name}, {losses}: {seeds} as one stack on {device}, {training.frames:,} frames "
        f"each = {training.steps:,} agent steps of {repeat} frames"
    )
    memory = size(trainer.slots.memory_bytes)
    print(f"replay of {kind}, about {memory} of memory in all; results in {folder.path}")
    for warning in views_without_effect(plan.losses, frames=not training.sees_vectors):
        print(f"warning: {warning}")
    if folder.finished:
        print("this run has already ended")
    elif folder.checkpoint_frames:
        print(f"resuming from {folder.checkpoint_frames:,} frames")


def progress_line(event: Progress) -> str:
    """How far the run is."""
    import numpy as np

    from a2ls_dsl.cli.console import duration

    returns = event.training_return[~np.isnan(event.training_return)]
    recent = f"{returns.mean():.0f}" if len(returns) else "-"
    return (
        f"{event.frames:,}/{event.total_frames:,} frames  {event.frames_per_second:,.0f} frames/s a seed  "
        f"training return {recent}  {duration(event.seconds_left)} to go"
    )


def evaluation_line(event: Evaluation, plan: Plan) -> str:
    """The returns of one loss: the mean and that of each seed. For several losses see `arms.evaluation`."""
    from a2ls_dsl.rl.envs.scores import has_human_score, human_normalised

    env = plan.training.task.name
    values = " ".join(f"{value:.0f}" for value in event.mean_return)
    mean = event.mean_return.mean()
    human = f"  human-normalised {human_normalised(env, mean):.3f}" if has_human_score(env) else ""
    seeds = [str(seed) for seed, diverged in zip(plan.seeds, event.diverged, strict=True) if diverged]
    lost = f"  diverged and stopped: seed {', '.join(seeds)}" if seeds else ""
    return f"{event.frames:>9,} frames  return {mean:6.1f}  (seeds: {values}){human}{lost}"

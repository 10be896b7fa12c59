"""`a2l play`: watch a trained policy, or export it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from a2ls_dsl.cli.application import app
from a2ls_dsl.english import count

if TYPE_CHECKING:
    from a2ls_dsl.rl.policies.policy import Policy


@app.command()
def play(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="RUN|STUDY",
            help="A folder of `a2l train` or `a2l evolve`, or a policy file of a study.",
        ),
    ],
    curve: Annotated[
        str | None,
        typer.Option(help="Which member of a run, such as seed-3 or curl-seed-0; by default the best."),
    ] = None,
    episodes: Annotated[
        int | None, typer.Option(min=1, help="How many; by default those of an evaluation.")
    ] = None,
    video: Annotated[
        Path | None, typer.Option(metavar="FILE.mp4", help="Film the episodes; needs no display.")
    ] = None,
    export: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Don't play; write policy and encoder: .pt2, which needs torch only, or .safetensors.",
        ),
    ] = None,
) -> None:
    """Play episodes with a trained policy and print their returns; film them, or write the policy."""
    from a2ls_dsl.diagnostics import A2lError
    from a2ls_dsl.rl.policies.policy import load_policy

    if export is not None and (video is not None or episodes is not None):
        raise A2lError("--export plays nothing", "leave out --video and --episodes, or run the command twice")
    policy = load_policy(path, curve)
    print(_about(policy))
    if export is not None:
        from a2ls_dsl.rl.policies.export import write_policy

        write_policy(policy, export)
        acts = f"{policy.action_size} actions" if policy.discrete else f"actions ({policy.action_size},)"
        print(f"{export}: observations {policy.seen} -> {acts}, features ({policy.features},)")
        return
    _play(policy, episodes or policy.trained.training.evaluation.episodes, video)


def _about(policy: Policy) -> str:
    trained = policy.trained
    score = "not evaluated yet" if trained.score is None else f"last evaluation {trained.score:.1f}"
    env = trained.training.task.name
    return f"{trained.name}: {env}, seed {trained.seed}, {trained.frames:,} frames of training, {score}"


def _play(policy: Policy, episodes: int, video: Path | None) -> None:
    from contextlib import nullcontext

    from a2ls_dsl.cli.console import StatusLine
    from a2ls_dsl.rl.policies.play import Video, play

    line, returns = StatusLine(), list[float]()
    repeat = policy.trained.training.task.action_repeat
    with Video(video, repeat) if video else nullcontext() as film:
        for moment in play(policy, episodes, pictures=film is not None):
            if film is not None and moment.picture is not None:
                film.add(moment.picture)
            if moment.last:
                returns.append(moment.total)
                end = "ended by its task" if moment.terminated else "at its time limit"
                line.say(
                    f"episode {moment.episode + 1}: return {moment.total:.1f}, "
                    f"{count(moment.step, 'step')}, {end}"
                )
            else:
                line.show(
                    f"episode {moment.episode + 1}/{episodes}  step {moment.step:,}  {moment.total:.1f}"
                )
    if len(returns) > 1:
        print(f"mean return {sum(returns) / len(returns):.1f}")
    if video:
        print(f"video: {video}")

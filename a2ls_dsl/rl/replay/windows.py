"""Whether a loss can ever have a window: inside an episode, in the replay, within the budget."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import TYPE_CHECKING

from a2ls_dsl.backend.window import reach
from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.english import count
from a2ls_dsl.lang.syntax.printer import print_loss
from a2ls_dsl.lang.syntax.tree import Loss
from a2ls_dsl.rl.agents import algorithm_of

if TYPE_CHECKING:
    from a2ls_dsl.rl.runs.training import Training


def rows_needed(steps: int, stack: int) -> int:
    """The fewest rows of a ring that hold a window looking `steps` ahead, with `stack` frames a state.

    Besides the window's own rows there are the frames before it, an episode's last observation, and the row
    that is written next.
    """
    return steps + stack + 2


def check_windows(training: Training, losses: Iterable[Loss | None]) -> None:
    """Raise `A2lError` where members that train like this could never sample what they learn from."""
    task, settings = training.task, training.settings
    if settings.random_steps < 1:
        raise A2lError(
            "learning would begin before there is a step to learn from", "take one random step or more"
        )
    stack = algorithm_of(settings).stacked_frames(settings, training.pixels)
    least = rows_needed(0, stack)
    if settings.replay_capacity < least:
        raise A2lError(
            f"a replay of {settings.replay_capacity} agent steps holds no step to learn from",
            f"store {least} or more",
        )
    for loss in losses:
        ahead = reach(loss)
        if loss is None or not ahead:
            continue
        text = textwrap.shorten(print_loss(loss), 100, placeholder=" ...")
        what = f"the loss `{text}` looks {count(loss.horizon, 'agent step')} ahead"
        if ahead >= task.episode_steps:
            raise A2lError(
                f"{what}, and an episode of {task.name} has {task.episode_steps}",
                f"look {task.episode_steps - 1 + loss.horizon - ahead} steps ahead or fewer",
            )
        if settings.replay_capacity < rows_needed(ahead, stack):
            raise A2lError(
                f"{what}, and no such window fits into a replay of {settings.replay_capacity:,} agent steps",
                f"store {rows_needed(ahead, stack):,} or more, or look less far ahead",
            )
        # The last update comes before the last step is stored.
        if training.steps > settings.random_steps and ahead + 1 >= training.steps:
            raise A2lError(
                f"{what}, and training ends after {training.steps:,}",
                f"train for {task.steps_to_frames(ahead + 2):,} frames or more, or look less far ahead",
            )

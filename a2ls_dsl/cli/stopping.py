"""How commands that run long are stopped: by Ctrl-C, by SIGTERM, or because their time is up."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

AGAIN = 75
"""The exit code of a command that stopped after `--hours` with more to do: run it again."""

Hours = Annotated[
    float | None,
    typer.Option(
        min=0.0,
        metavar="H",
        help=f"Stop after this many hours, before a job's limit; exit code {AGAIN} means more to do.",
    ),
]


@contextmanager
def interrupts(on_first: Callable[[], None] = lambda: None) -> Iterator[Callable[[], bool]]:
    """Gives a function that says whether to stop: true after one Ctrl-C (or SIGTERM); a second one stops at
    once."""
    asked: list[int] = []

    def interrupt(number: int, _: object) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)
        on_first()

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def follow(
    run: Callable[[Callable[[], bool]], bool], say: Callable[[str], None], stopped: Callable[[], str]
) -> None:
    """Run to the end; if stopped before, end the command with the words of `stopped`.

    run: takes a function that says whether to stop, and returns whether it ran to the end.
    """
    try:
        with interrupts() as asked:
            ended = run(asked)
            interrupted = asked()
    except KeyboardInterrupt:
        ended, interrupted = False, True
    if not ended:
        say(stopped())
        raise typer.Exit(exit_code(interrupted))


def exit_code(interrupted: bool) -> int:
    """The exit code of a command with more to do, as it was interrupted or its time was up."""
    return 130 if interrupted else AGAIN

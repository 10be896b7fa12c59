"""How long commands are stopped: by Ctrl-C, by a polite kill, or because their time is up."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

AGAIN = 75
"""The exit code of a command that was told to stop after some hours and has more to do: run it again."""

Hours = Annotated[
    float | None,
    typer.Option(
        min=0.0,
        metavar="H",
        help=f"Stop after this many hours, before a job's limit; exit code {AGAIN}: there is more to do.",
    ),
]


@contextmanager
def interrupts(on_first: Callable[[], None] = lambda: None) -> Iterator[Callable[[], bool]]:
    """Ctrl-C (or SIGTERM) once asks to stop, which is told to whoever calls this; twice stops at once."""
    asked: list[int] = []

    def interrupt(number: int, _: object) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)
        on_first()

    before = {each: signal.signal(each, interrupt) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(asked)
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def exit_code(interrupted: bool) -> int:
    """Of a command that has more to do, because it was interrupted or its time was up."""
    return 130 if interrupted else AGAIN

"""Shared by long commands: durations and sizes in words, and progress on a terminal or in a log."""

from __future__ import annotations

import math
import shutil
import sys
import time


def duration(seconds: float) -> str:
    """`42 s`, `3 min 20 s`, `5 h 10 min`; `?` if unknown."""
    if not math.isfinite(seconds):
        return "?"
    total = round(seconds)
    if total < 60:
        return f"{total} s"
    if total < 3600:
        return f"{total // 60} min {total % 60:02d} s"
    return f"{total // 3600} h {total % 3600 // 60:02d} min"


def size(count: float) -> str:
    """Bytes in words: `1.3 GB`."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} GB"


class StatusLine:
    """One line on the progress of a long run: rewritten in place on a terminal, printed now and then
    elsewhere."""

    def __init__(self, every_seconds: float = 10.0) -> None:
        self._terminal = sys.stdout.isatty()
        self._every = every_seconds
        self._printed = -math.inf
        self._width = 0

    def show(self, text: str) -> None:
        """Show the current state in place of the one before."""
        if self._terminal:
            text = text[: shutil.get_terminal_size().columns - 1]  # a line that wraps can't be rewritten
            print(f"\r{text:<{self._width}}", end="", flush=True)
            self._width = len(text)
        elif time.monotonic() - self._printed > self._every:
            self._printed = time.monotonic()
            print(text, flush=True)

    def say(self, text: str) -> None:
        """Print a line that stays."""
        if self._terminal:
            print(f"\r{'':<{self._width}}\r", end="")
        print(text, flush=True)

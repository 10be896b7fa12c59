"""What `a2l evolve` and `a2l best` show: a live table in a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from a2ls_dsl.cli.console import duration
from a2ls_dsl.search.candidates import NO_LOSS, Candidate, ranked
from a2ls_dsl.search.run import (
    Event,
    GenerationStarted,
    SearchStarted,
    SpaceExhausted,
    StackProgress,
    StackScored,
)

PLAIN_SECONDS = 10.0
"""Seconds between two lines of progress where the output is no terminal."""

LIVE_ROWS = 8


def leaderboard(candidates: Sequence[Candidate], limit: int, title: str = "") -> Table:
    """Rank, score, difference to no auxiliary loss, origin and loss: the best `limit`, and the references.

    candidates: scored, the best first. Long losses wrap.
    """
    baseline = next((each.score for each in candidates if each.key == NO_LOSS), None)
    table = Table(box=None, pad_edge=False, title=title or None, title_justify="left", header_style="bold")
    for name in ("rank", "score", "vs none"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("gen", justify="right", no_wrap=True)
    table.add_column("origin", no_wrap=True)
    table.add_column("loss", overflow="fold")
    for rank, each in ranked(candidates, limit):
        score = each.score or 0.0
        table.add_row(
            str(rank or ""),
            f"{score:.1f}",
            "" if baseline is None or each.key == NO_LOSS else f"{round(score - baseline, 1) + 0.0:+.1f}",
            "" if each.is_reference else str(each.generation),
            each.origin,
            Text(named(each)),  # Text, as markup would eat `[t]`.
            style="dim" if each.is_reference else "",
        )
    return table


def named(candidate: Candidate) -> str:
    """A candidate's loss; a reference's by the name it is known by."""
    return candidate.name or candidate.text


class SearchView:
    """Shows a search while it runs: give it every event. A context manager."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._live = (
            Live(console=console, refresh_per_second=4, transient=True) if console.is_terminal else None
        )
        self._heading, self._status = "", ""
        self._board: tuple[Candidate, ...] = ()
        self._generations, self._frames, self._shown = 0, 0, -math.inf

    def __enter__(self) -> SearchView:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def __call__(self, event: Event) -> None:
        """Show what happened."""
        if isinstance(event, SearchStarted):
            self._started(event)
        elif isinstance(event, GenerationStarted):
            self._generation(event)
        elif isinstance(event, StackProgress):
            self._progress(event)
        elif isinstance(event, StackScored):
            self._scored(event)
        else:
            self._exhausted(event)
        if self._live:
            board = leaderboard(self._board, LIVE_ROWS) if self._board else Text("nothing scored yet")
            self._live.update(Group(Text(self._heading), Text(self._status), Text(), board))

    def finish(self) -> None:
        """Print the leaderboard as it is."""
        if self._board:
            self.console.print(leaderboard(self._board, LIVE_ROWS))

    def say(self, text: str) -> None:
        """A line that stays: broken between words where a terminal is too narrow, whole elsewhere."""
        self.console.print(Text(text), soft_wrap=not self.console.is_terminal)

    def _started(self, event: SearchStarted) -> None:
        settings = event.settings
        self._board = event.leaderboard
        self._generations, self._frames = settings.generations, settings.frames
        self.say(
            f"{'resuming' if event.resumed else 'searching'} {settings.grammar} on {settings.env}: "
            f"{settings.generations} generations of {settings.population} candidates, {settings.frames:,} "
            f"frames each, strategy {settings.strategy}, operator {settings.operator}, seed {settings.seed}"
        )
        waiting = event.total - event.done
        self.say(
            f"to train: {waiting} of {event.total} with the two references, {waiting * settings.frames:,} "
            f"frames in all, at most {settings.stack} members in a stack"
        )
        self.say(f"study: {event.folder}")

    def _generation(self, event: GenerationStarted) -> None:
        self._heading = f"generation {event.number}/{self._generations}"
        stacks = " + ".join(str(size) for size in event.stacks)
        self._status = f"{event.candidates} to train, in stacks of {stacks}"
        if not self._live:
            self.say(f"{self._heading}: {self._status}")

    def _progress(self, event: StackProgress) -> None:
        self._status = (
            f"{event.frames:,} of {self._frames:,} frames, {event.members} members, "
            f"{event.frames_per_second * event.members:,.0f} frames/s; "
            f"to go: stack {duration(event.seconds_left)}, search {duration(event.search_seconds_left)}"
        )
        if not self._live and time.monotonic() - self._shown > PLAIN_SECONDS:
            self._shown = time.monotonic()
            self.say(f"{self._heading}: {self._status}")

    def _scored(self, event: StackScored) -> None:
        self._board = event.leaderboard
        baseline = next((each.score for each in self._board if each.key == NO_LOSS), None)
        for each in event.scored:
            if each.reason:
                self.say(f"failed {each.id}: {each.reason}: {named(each)}")
            elif not self._live:
                score = each.score or 0.0
                against = f" ({score - baseline:+.1f})" if baseline is not None else ""
                self.say(f"scored {each.id}: {score:.1f}{against} {each.origin}: {named(each)}")

    def _exhausted(self, event: SpaceExhausted) -> None:
        rest = f"only {event.found} losses are left for it" if event.found else "the search ends here"
        self.say(f"generation {event.generation}: the search space has no more losses: {rest}")

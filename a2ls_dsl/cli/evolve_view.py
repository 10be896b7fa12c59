"""What `a2l evolve` and `a2l best` show: a live table in a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType, TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from a2ls_dsl.cli.console import duration, size
from a2ls_dsl.cli.tables import Column, Fitted, show
from a2ls_dsl.english import count
from a2ls_dsl.report import standing as report
from a2ls_dsl.report.tables import formatted
from a2ls_dsl.rl.slots.slots import Replaced
from a2ls_dsl.search.candidates import NO_LOSS, Candidate, Status, centred, fresh_levels, ranked
from a2ls_dsl.search.conductor import Ended
from a2ls_dsl.search.events import Event, Placed, Progress, RunsEnded, SearchStarted, StudyBusy
from a2ls_dsl.search.price import Price
from a2ls_dsl.search.race import finalists
from a2ls_dsl.search.settings import SearchSettings
from a2ls_dsl.search.study.store import BUSY_SECONDS, BUSY_TIMES

PLAIN_SECONDS, PLAIN_SHARE = 10.0, 0.1
"""If the output is not a terminal, lines of progress are at least so many seconds apart, and at least this
share of the time since the search began: the log of a search of days stays short."""

LIVE_ROWS = 8


def leaderboard(candidates: Sequence[Candidate], limit: int) -> Fitted:
    """Rank, score, difference to no auxiliary loss, origin and loss: the best `limit`, and the references.

    candidates: scored, the best first. Long losses wrap. If there are fresh seeds, their mean (`centred`, as
    it ranks), its standard error and their number come first, and the difference is that on common fresh
    seeds; else all figures are of one run.
    """
    none = report.no_loss(candidates)
    confirmed, levels = any(candidate.fresh for candidate in candidates), fresh_levels(candidates)
    scores = (
        ("fresh seeds", "runs", "vs none", "search score") if confirmed else ("score", "vs none, one run")
    )
    columns = [Column(name, right=True) for name in ("rank", *scores, "gen")]
    rows, dim = [], set()
    for place, (rank, candidate) in enumerate(ranked(candidates, limit)):
        ahead = "" if none is None or candidate is none else _ahead(candidate, none, confirmed)
        score = f"{candidate.score or 0.0:.1f}"
        runs = str(candidate.fresh_runs or "")
        figures = (_fresh(candidate, levels), runs, ahead, score) if confirmed else (score, ahead)
        generation = "" if candidate.is_reference else str(candidate.generation)
        rows.append((str(rank or ""), *figures, generation, str(candidate.origin), named(candidate)))
        dim |= {place} if candidate.is_reference else set()
    about = (Column("origin"), Column("loss", wraps=True))
    return Fitted((*columns, *about), tuple(rows), frozenset(dim))


def _ahead(candidate: Candidate, none: Candidate, confirmed: bool) -> str:
    """By how much a candidate is better than no auxiliary loss; empty if only one of them has fresh runs."""
    if confirmed:
        ahead = report.lead(candidate, none)
        return "" if ahead is None else f"{ahead.value:+.1f}"
    return f"{round((candidate.score or 0.0) - (none.score or 0.0), 1) + 0.0:+.1f}"


def named(candidate: Candidate) -> str:
    """A candidate's loss, or a reference's name."""
    return candidate.name or candidate.text


def _fresh(candidate: Candidate, levels: Mapping[int, float] = MappingProxyType({})) -> str:
    """The mean over fresh seeds, with `levels` of the references centred, and its error: `402.1 ± 5.3`."""
    if not candidate.fresh:
        return ""
    error = "" if candidate.fresh_error is None else f" ± {candidate.fresh_error:.1f}"
    return f"{centred(candidate.fresh, levels):.1f}{error}"


def standing(board: Sequence[Candidate]) -> list[str]:
    """The best so far as a loss, and how it compares with the references, with intervals by fresh seeds."""
    top = report.standing(board)
    if top is None:
        return []
    best = top.best
    if top.is_luck:
        differences = [
            f"{(best.score or 0.0) - (reference.score or 0.0):+.1f} to {reference.name}"
            for reference in top.references
        ]
        how = f"{best.score or 0.0:.1f} in one run, so partly luck: no interval without fresh seeds"
        return [f"highest score so far, in one run: {named(best)}", f"  {'; '.join([how, *differences])}"]
    leads = [(reference, top.lead(reference)) for reference in top.references]
    differences = [
        f"{formatted(lead, 1, True)} to {reference.name}" for reference, lead in leads if lead is not None
    ]
    how = f"{_fresh(best)} over {count(best.fresh_runs, 'fresh seed')}"
    return [f"best so far: {named(best)}", f"  {'; '.join([how, *differences])}"]


def ranking(board: Sequence[Candidate]) -> str:
    """What the ranks of a leaderboard rest on; empty without a candidate."""
    best = next((candidate for candidate in board if not candidate.is_reference), None)
    if best is None:
        return ""
    levels = fresh_levels(board)
    moved = any(
        round(centred(candidate.fresh, levels) - (candidate.fresh_score or 0.0), 1)
        for candidate in board
        if candidate.fresh
    )
    note = "; means of fewer seeds are shown as with all, by what the references score with them"
    return f"the best {best.grounds}{note if moved else ''}"


def _confirming(settings: SearchSettings) -> str:
    plan = ""
    if number := finalists(settings.race_runs):
        plan = f", then a race of the best {number} and these over fresh seeds"
    if settings.confirm:
        seeds = count(settings.confirm_seeds, "fresh seed")
        plan += f", then the best {settings.confirm} and these with {seeds}"
    return plan


def _gates(event: Progress) -> list[str]:
    """What gates have stopped so far; empty without gates."""
    if not event.gates:
        return []
    counts = [
        f"{name} {stopped:,} of {passed + stopped:,}" for name, (passed, stopped, _) in event.gates.items()
    ]
    saved = sum(frames for _, _, frames in event.gates.values())
    return [f"gates stopped: {', '.join(counts)}; {saved:,} frames saved"]


def _cost(event: Progress) -> str:
    to_go = "" if math.isnan(event.frames_left) else f"; to go: about {event.frames_left:,.0f} frames"
    if to_go and math.isfinite(event.seconds_left):
        to_go += f", {duration(event.seconds_left)}"
    return f"cost so far: {event.frames:,} frames, {duration(event.seconds)} in this session{to_go}"


def _priced(price: Price, runs: float) -> str:
    """How long the runs to be trained take on this machine."""
    update, step = f"{1e3 * price.update:,.0f} ms", f"{1e3 * price.step:.1f} ms"
    run, total = duration(price.of_run), duration(runs * price.of_run)
    return (
        f"measured on {price.device}: an update of a member takes {update}, an agent step with its frame "
        f"{step}; a run of {count(price.updates, 'update')} and {count(price.steps, 'step')} takes about "
        f"{run}, all {runs:,.0f} {total}"
    )


class SearchView:
    """Shows a search while it runs: call it with every event. A context manager."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._live = (
            Live(console=console, refresh_per_second=4, transient=True) if console.is_terminal else None
        )
        self._heading, self._status = "", ""
        self._more: list[str] = []
        self._board: tuple[Candidate, ...] = ()
        self._generations, self._shown = 0, -math.inf

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
        elif isinstance(event, Placed):
            return
        elif isinstance(event, StudyBusy):
            most = duration(BUSY_TIMES * BUSY_SECONDS)
            self.say(f"another program writes to the study: waiting for it, at most {most}")
        elif isinstance(event, Replaced):
            self.say(event.text)
        elif isinstance(event, Progress):
            self._progress(event)
        elif isinstance(event, RunsEnded):
            self._ended(event)
        else:
            self.say(f"the search ends here: its space has no more than these {event.losses} losses")
        if self._live:
            self._live.update(self._fitting())

    def _fitting(self) -> Group:
        """The state of the search with as many rows as the terminal has room for, so that none is cut off.

        If not even three candidates fit beside the references, each loss is cut to one line.
        """
        lines = [Text(line) for line in (self._heading, self._status, *self._more)]
        best = [Text(line, style="bold" * (not place)) for place, line in enumerate(standing(self._board))]
        above = [*lines, Text(), *best, *([Text()] if best else [])]
        if not self._board:
            return Group(*above, Text("nothing scored yet"))
        tries = [
            (rows, cut) for cut, least in ((False, 3), (True, 1)) for rows in range(LIVE_ROWS, least - 1, -1)
        ]
        for rows, cut in tries:
            group = Group(*above, replace(leaderboard(self._board, rows), cut=cut))
            if len(self.console.render_lines(group, pad=False)) <= self.console.height:
                break
        return group

    def finish(self) -> None:
        """Print the leaderboard as it is."""
        if self._board:
            show(self.console, leaderboard(self._board, LIVE_ROWS))

    def say(self, text: str) -> None:
        """A line that stays: broken between words where a terminal is too narrow, whole elsewhere."""
        self.console.print(Text(text), soft_wrap=not self.console.is_terminal)

    def _started(self, event: SearchStarted) -> None:
        settings = event.settings
        self._board, self._generations = event.leaderboard, settings.generations
        self.say(
            f"{'resuming' if event.resumed else 'searching'} {settings.grammar} on {settings.where}: "
            f"{count(settings.generations, 'generation')} of {count(settings.population, 'candidate')}, "
            f"{settings.frames:,} frames each, strategy {settings.strategy}, operator {settings.operator}, "
            f"seed {settings.seed}"
        )
        waiting = event.total - event.done
        self.say(
            f"to train: {waiting} of {event.total} with the two references{_confirming(settings)}, at most "
            f"{event.most_frames:,.0f} frames in all, in {count(event.slots, 'slot')} with "
            f"about {size(event.memory_bytes)} of memory"
        )
        if event.price is not None:
            self.say(_priced(event.price, event.most_frames / settings.frames))
        self.say(f"study: {event.folder}")

    def _progress(self, event: Progress) -> None:
        counts = event.counts
        counted = ", ".join(f"{counts[status]} {status}" for status in Status if counts[status])
        self._heading = f"generation {event.generation}/{self._generations}: {counted}"
        doing = "taking up again what was in training" if event.catching_up else f"{event.frames:,} frames"
        self._status = (
            f"{doing}, {event.frames_per_second:,.0f} frames/s, "
            f"{event.busy} of {count(event.slots, 'slot')} busy ({event.utilisation:.0%} so far), "
            f"{duration(event.seconds_left)} to go"
        )
        self._more = [*_gates(event), _cost(event)]
        quiet = max(PLAIN_SECONDS, PLAIN_SHARE * event.seconds)
        if not self._live and time.monotonic() - self._shown > quiet:
            self._shown = time.monotonic()
            self.say(f"{self._heading}: {self._status}")

    def _ended(self, event: RunsEnded) -> None:
        self._board = event.leaderboard
        baseline = next((candidate.score for candidate in self._board if candidate.key == NO_LOSS), None)
        # One line for all runs of a candidate with fresh seeds that end together.
        for ended in {ended.candidate.id: ended for ended in event.ended}.values():
            if ended.status is Status.FAILED:
                self.say(f"failed {ended.candidate.id}: {ended.candidate.reason}: {named(ended.candidate)}")
            elif not self._live:
                self.say(self._line(ended, baseline))

    def _line(self, ended: Ended, baseline: float | None) -> str:
        candidate = ended.candidate
        if candidate.fresh_runs:
            return f"confirmed {candidate.id}: {_fresh(candidate)} over fresh seeds: {named(candidate)}"
        score = candidate.score or 0.0
        against = ""
        if baseline is not None and ended.status is Status.SCORED:
            against = f" ({score - baseline:+.1f})"
        return f"{ended.status} {candidate.id}: {score:.1f}{against} {candidate.origin}: {named(candidate)}"

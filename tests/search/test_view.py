"""What a search shows: lines that fit the terminal, losses unharmed, references marked."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from a2ls_dsl.cli import evolve_view
from a2ls_dsl.cli.evolve_view import SearchView, leaderboard, ranking, standing
from a2ls_dsl.cli.tables import show
from a2ls_dsl.report.statistics import difference
from a2ls_dsl.report.tables import formatted
from a2ls_dsl.search.candidates import Candidate, Run, Status, best_first, references
from a2ls_dsl.search.conductor import Ended
from a2ls_dsl.search.events import Event, Placed, Progress, RunsEnded, SearchStarted, SpaceExhausted
from a2ls_dsl.search.presets import quick
from a2ls_dsl.search.strategies.evolution import Origin

LOSS = "mse({ s[t], s[t+2], s[t+8], a[t..t+5], a[t+7], a[t+8], r[t+3] } -> { s[t+1], s[t+3], s[t+6] })"


def candidate(number: int, score: float, text: str, origin: Origin, key: str = "") -> Candidate:
    return Candidate(number, key or f"key{number}", text, 1, origin, (), Status.SCORED, score, score, "")


NONE = candidate(1, 30.0, "none", Origin.REFERENCE, "none")
WINNER = candidate(2, 40.0, references()[1].text, Origin.REFERENCE, references()[1].key)
BEST = candidate(3, 52.25, LOSS, Origin.RANDOM)
WORST = candidate(4, 10.0, "mse({ s[t] } -> { s[t+1] })", Origin.CROSSOVER)
BOARD = (BEST, WINNER, NONE, WORST)


def printed(width: int, limit: int, terminal: bool = True) -> list[str]:
    file = io.StringIO()
    console = Console(file=file, width=width, force_terminal=terminal, color_system=None)
    show(console, leaderboard(BOARD, limit))
    return [line.rstrip() for line in file.getvalue().splitlines()]


def test_the_leaderboard() -> None:
    assert printed(160, 10) == [
        "rank  score  vs none, one run  gen  origin     loss",
        f"   1   52.2             +22.2    1  random     {LOSS}",
        "       40.0             +10.0       reference  a2_winner_v",
        "       30.0                         reference  none",
        "   2   10.0             -20.0    1  crossover  mse({ s[t] } -> { s[t+1] })",
    ]


def test_a_limit_leaves_the_references() -> None:
    assert [line.split()[0] for line in printed(160, 1)] == ["rank", "1", "40.0", "30.0"]


@pytest.mark.parametrize("width", [50, 80])
def test_long_losses_wrap(width: int) -> None:
    lines = printed(width, 10)
    assert max(map(len, lines)) <= width
    assert "".join(line[-60:].strip() for line in lines).count("mse({") == 2
    text = "".join(re.split(r"\s+|loss", " ".join(lines)))
    assert "".join(LOSS.split())[:40] in text


def test_off_a_terminal_nothing_is_cut_or_wrapped() -> None:
    """In a pipe, a job's log, a file: the width of a console is a guess there."""
    assert printed(20, 10, terminal=False) == printed(160, 10)


def test_on_a_narrow_terminal_rows_are_stacked() -> None:
    lines = printed(40, 10)
    assert max(map(len, lines)) <= 40
    assert [line.split()[-1] for line in lines if line.startswith("score")] == [
        "52.2",
        "40.0",
        "30.0",
        "10.0",
    ]
    assert len([line for line in lines if line.startswith("loss")]) == 4


def run(number: int) -> Run:
    return Run(number, number, None, 0, Status.RUNNING, 0, 0)


COUNTS = dict.fromkeys(Status, 0) | {Status.RUNNING: 4, Status.QUEUED: 10}
CONFIRMED = replace(BEST, fresh={100: 48.5, 101: 50.0, 102: 51.5})
SETTINGS = replace(quick("walker-walk"), population=6, generations=2, frames=5_000)
EVENTS: tuple[Event, ...] = (
    SearchStarted(SETTINGS, Path("studies/mine"), False, 0, 14, 8, 266_000, (), 70_000.0),
    Placed((run(1), run(2))),
    Progress(1, COUNTS, 4, 8, 500, 100.0, 0.5, float("inf"), False),
    Progress(1, COUNTS, 4, 8, 2_500, 200.0, 0.5, 125.0, False),
    RunsEnded((Ended(run(2), Status.SCORED, WINNER), Ended(run(3), Status.SCORED, BEST)), BOARD),
    RunsEnded((Ended(run(4), Status.CULLED, WORST),), BOARD),
    RunsEnded((Ended(run(5), Status.SCORED, CONFIRMED), Ended(run(6), Status.SCORED, CONFIRMED)), BOARD),
    SpaceExhausted(12),
)


def shown(terminal: bool, width: int) -> str:
    file = io.StringIO()
    with SearchView(Console(file=file, width=width, force_terminal=terminal, color_system=None)) as view:
        for event in EVENTS:
            view(event)
    return file.getvalue()


def test_plain_output_is_a_line_an_event() -> None:
    lines = shown(False, 80).splitlines()
    assert lines[0].startswith("searching a2ls on walker-walk: 2 generations of 6 candidates, 5,000 frames")
    assert lines[1] == (
        "to train: 14 of 14 with the two references, then a race of the best 2 and these over fresh seeds, "
        "at most 70,000 frames in all, in 8 slots with about 266 kB of memory"
    )
    assert lines[3] == (
        "generation 1/2: 10 queued, 4 running: 500 frames, 100 frames/s, 4 of 8 slots busy (50% so far), "
        "? to go"
    )
    assert lines[4:] == [
        "scored 2: 40.0 (+10.0) reference: a2_winner_v",
        f"scored 3: 52.2 (+22.2) random: {LOSS}",
        "culled 4: 10.0 crossover: mse({ s[t] } -> { s[t+1] })",
        f"confirmed 3: 50.0 ± 0.9 over fresh seeds: {LOSS}",
        "the search ends here: its space has no more than these 12 losses",
    ]


def test_a_terminal_shows_the_state_of_the_search() -> None:
    text = shown(True, 100)
    assert "2,500 frames, 200 frames/s, 4 of 8 slots busy (50% so far), 2 min 05 s to go" in text
    assert "a2_winner_v" in text
    assert "scored 3" not in text


def test_a_terminal_shows_gates_cost_and_how_the_best_stands() -> None:
    gates = {"batch": (40, 10, 80_000), "rung 2000": (5, 15, 60_000)}
    progress = Progress(1, COUNTS, 4, 8, 2_500, 200.0, 0.5, 125.0, False, gates, 65.0, 25_000.0)
    file = io.StringIO()
    with SearchView(Console(file=file, width=200, force_terminal=True, color_system=None)) as view:
        for event in (EVENTS[0], EVENTS[4], progress):
            view(event)
    text = file.getvalue()
    assert "gates stopped: batch 10 of 50, rung 2000 15 of 20; 140,000 frames saved" in text
    assert (
        "cost so far: 2,500 frames, 1 min 05 s in this session; to go: about 25,000 frames, 2 min 05 s"
        in text
    )
    assert f"highest score so far, in one run: {LOSS}" in text


def test_the_best_stands_to_the_references_with_an_interval_once_it_is_confirmed() -> None:
    assert standing(()) == standing((NONE, WINNER)) == []
    first, second = standing(BOARD)
    assert first == f"highest score so far, in one run: {LOSS}"
    assert second == (
        "  52.2 in one run, so partly luck: no interval without fresh seeds; "
        "+22.2 to none; +12.2 to a2_winner_v"
    )
    none = replace(NONE, fresh={100: 26.0, 101: 30.0, 102: 34.0, 103: 70.0})
    first, second = standing((CONFIRMED, WINNER, none))
    expected = formatted(difference([CONFIRMED.fresh], [none.fresh]), 1, True)
    assert first == f"best so far: {LOSS}"
    assert second == f"  50.0 ± 0.9 over 3 fresh seeds; {expected} to none"
    assert expected.startswith("+20.0 [")  # on the seeds that both have


@pytest.mark.parametrize("height", [24, 30, 50])
def test_the_references_are_in_view_on_a_small_terminal(height: int) -> None:
    """With losses as long as they come: rows are left out, or losses cut, not what they are held against."""
    long = " , ".join(f"s[t+{step}]" for step in range(30))
    board = [
        replace(BEST, id=10 + n, text=f"mse({{ {long} }} -> {{ s[t+1] }})", score=90.0 - n) for n in range(12)
    ]
    gates = {"duplicates": (40, 10, 80_000), "batch": (40, 10, 80_000), "rung 2000": (5, 15, 60_000)}
    progress = Progress(1, COUNTS, 4, 8, 2_500, 200.0, 0.5, 125.0, False, gates, 65.0, 25_000.0)
    file = io.StringIO()
    console = Console(file=file, width=80, height=height, force_terminal=True, color_system=None)
    with SearchView(console) as view:
        for event in (EVENTS[0], progress, RunsEnded((), (*board, WINNER, NONE))):
            view(event)
        shown = console.render_lines(view._fitting(), pad=False)
    text = ["".join(segment.text for segment in line) for line in shown]
    assert len(text) <= height
    assert sum("a2_winner_v" in line for line in text if "reference" in line) == 1
    assert sum("none" in line for line in text if "reference" in line) == 1
    assert sum("random" in line for line in text) >= (3 if height > 24 else 1)
    assert "a2_winner_v" in file.getvalue()


def test_a_long_search_says_less_often_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(evolve_view.time, "monotonic", lambda: now[0])
    file = io.StringIO()
    with SearchView(Console(file=file, width=200)) as view:
        for second in range(0, 36_000, 5):
            now[0] = float(second)
            view(Progress(1, COUNTS, 4, 8, 500, 100.0, 0.5, 9.0, False, seconds=float(second)))
    assert 40 < len(file.getvalue().splitlines()) < 110


def test_confirmed_candidates_show_their_fresh_runs() -> None:
    file = io.StringIO()
    none = replace(NONE, fresh={101: 30.0, 102: 34.0})
    Console(file=file, width=160).print(leaderboard((CONFIRMED, none, WORST), 5))
    head, first, second, third = file.getvalue().splitlines()
    assert head.split()[:8] == ["rank", "fresh", "seeds", "runs", "vs", "none", "search", "score"]
    assert first.split()[:7] == ["1", "50.0", "±", "0.9", "3", "+18.8", "52.2"]
    assert second.split()[:5] == ["32.0", "±", "2.0", "2", "30.0"]
    assert third.split()[:3] == ["2", "10.0", "1"]  # one run says nothing beside fresh seeds


def test_a_leaderboard_shows_the_means_that_it_ranks_by() -> None:
    """A loss that ran with the kind seeds only has no lead by them."""
    none = replace(NONE, fresh={101: 30.0, 102: 34.0, 103: 50.0})
    every = replace(CONFIRMED, fresh={101: 40.0, 102: 45.0, 103: 50.0})
    kind = replace(WORST, fresh={102: 40.0, 103: 56.0})
    board = best_first([kind, none, every])
    file = io.StringIO()
    Console(file=file, width=160).print(leaderboard(board, 5))
    rows = [line.split() for line in file.getvalue().splitlines()[1:]]
    assert [row[:2] for row in rows if row[0] in "12"] == [["1", "45.0"], ["2", "44.0"]]
    assert "as with all" in ranking(board)
    assert "as with all" not in ranking([every, none])

"""What a search shows: lines that fit the terminal, losses unharmed, references marked."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from a2ls_dsl.cli.evolve_view import SearchView, leaderboard
from a2ls_dsl.search.candidates import Candidate, references
from a2ls_dsl.search.evolution import Origin
from a2ls_dsl.search.run import (
    Event,
    GenerationStarted,
    SearchStarted,
    SpaceExhausted,
    StackProgress,
    StackScored,
)
from a2ls_dsl.search.settings import quick

LOSS = "mse({ s[t], s[t+2], s[t+8], a[t..t+5], a[t+7], a[t+8], r[t+3] } -> { s[t+1], s[t+3], s[t+6] })"


def candidate(number: int, score: float, text: str, origin: Origin, key: str = "") -> Candidate:
    return Candidate(number, key or f"key{number}", text, 1, origin, (), "scored", score, score, "")


NONE = candidate(1, 30.0, "none", Origin.REFERENCE, "none")
WINNER = candidate(2, 40.0, references()[1].text, Origin.REFERENCE, references()[1].key)
BEST = candidate(3, 52.25, LOSS, Origin.RANDOM)
WORST = candidate(4, 10.0, "mse({ s[t] } -> { s[t+1] })", Origin.CROSSOVER)
BOARD = (BEST, WINNER, NONE, WORST)


def printed(width: int, limit: int) -> list[str]:
    file = io.StringIO()
    Console(file=file, width=width).print(leaderboard(BOARD, limit))
    return [line.rstrip() for line in file.getvalue().splitlines()]


def test_the_leaderboard() -> None:
    assert printed(160, 10) == [
        "rank  score  vs none  gen  origin     loss",
        f"   1   52.2    +22.2    1  random     {LOSS}",
        "       40.0    +10.0       reference  a2_winner_v",
        "       30.0                reference  none",
        "   2   10.0    -20.0    1  crossover  mse({ s[t] } -> { s[t+1] })",
    ]


def test_a_limit_leaves_the_references() -> None:
    assert [line.split()[0] for line in printed(160, 1)] == ["rank", "1", "40.0", "30.0"]


@pytest.mark.parametrize("width", [50, 80])
def test_long_losses_wrap(width: int) -> None:
    lines = printed(width, 10)
    assert max(map(len, lines)) <= width
    assert "".join(line[38:] for line in lines[1:] if line[:6].strip() in ("", "1")).startswith("mse({")


EVENTS: tuple[Event, ...] = (
    SearchStarted(quick("walker-walk"), Path("studies/mine"), False, 0, 14, ()),
    GenerationStarted(1, 4, (2, 2)),
    StackProgress(1, 2, 500, 100.0, float("inf"), float("inf")),
    StackProgress(1, 2, 2_500, 100.0, 25.0, 125.0),
    StackScored(1, BOARD, BOARD),
    SpaceExhausted(2, 0),
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
    assert lines[1].startswith("to train: 14 of 14 with the two references, 70,000 frames in all")
    assert "generation 1/2: 4 to train, in stacks of 2 + 2" in lines
    assert "generation 1/2: 500 of 5,000 frames, 2 members, 200 frames/s; to go: stack ?, search ?" in lines
    assert f"scored 3: 52.2 (+22.2) random: {LOSS}" in lines
    assert "scored 2: 40.0 (+10.0) reference: a2_winner_v" in lines
    assert lines[-1] == "generation 2: the search space has no more losses: the search ends here"


def test_a_terminal_shows_the_state_of_the_search() -> None:
    text = shown(True, 100)
    assert "2,500 of 5,000 frames, 2 members, 200 frames/s; to go: stack 25 s, search 2 min 05 s" in text
    assert "a2_winner_v" in text
    assert "scored 3" not in text

"""The events of a running search: whoever starts it passes a function that is called with each."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from a2ls_dsl.rl.slots.slots import Replaced
from a2ls_dsl.search.candidates import Candidate, Run, Status
from a2ls_dsl.search.conductor import Ended
from a2ls_dsl.search.price import Price
from a2ls_dsl.search.settings import SearchSettings


@dataclass(frozen=True)
class SearchStarted:
    """The study is open. done: how many of the `total` candidates and references are trained already.

    most_frames: how many frames are trained at most, confirming runs included. price: of a run from pixels,
    on this machine.
    """

    settings: SearchSettings
    folder: Path
    resumed: bool
    done: int
    total: int
    slots: int
    memory_bytes: int
    leaderboard: tuple[Candidate, ...]
    most_frames: float
    price: Price | None = None


@dataclass(frozen=True)
class Placed:
    """Runs took slots."""

    runs: tuple[Run, ...]


@dataclass(frozen=True)
class Progress:
    """Where the search stands.

    frames: trained in all, those of culled candidates included; frames_per_second: of all slots together;
    utilisation: share of the slots that train, on average; seconds_left: infinite while it is unknown.
    gates: how many candidates passed each, how many it stopped, and the frames that this saved; seconds: of
    this process; frames_left: to be trained, if later candidates are stopped as early as earlier ones.
    """

    generation: int
    counts: dict[Status, int]
    busy: int
    slots: int
    frames: int
    frames_per_second: float
    utilisation: float
    seconds_left: float
    catching_up: bool
    gates: Mapping[str, tuple[int, int, int]] = field(default_factory=dict)
    seconds: float = 0.0
    frames_left: float = math.nan


@dataclass(frozen=True)
class RunsEnded:
    """Runs have ended; leaderboard: that of the study now."""

    ended: tuple[Ended, ...]
    leaderboard: tuple[Candidate, ...]


@dataclass(frozen=True)
class SpaceExhausted:
    """The grammar holds fewer losses than the search may train. losses: how many it had."""

    losses: int


@dataclass(frozen=True)
class StudyBusy:
    """Another program writes to the study, and the search waits for it."""


Event: TypeAlias = SearchStarted | Placed | Progress | RunsEnded | SpaceExhausted | StudyBusy | Replaced
OnEvent: TypeAlias = Callable[[Event], None]

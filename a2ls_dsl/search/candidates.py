"""What a study holds: candidates, and what training them gave."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from a2ls_dsl.lang.ast import Loss
from a2ls_dsl.lang.canonical import key
from a2ls_dsl.lang.load import load_one, loads
from a2ls_dsl.lang.printer import print_loss
from a2ls_dsl.search.evolution import Origin
from a2ls_dsl.search.settings import REFERENCES

NO_LOSS = "none"
"""Key and text of the reference without an auxiliary loss."""


@dataclass(frozen=True)
class Candidate:
    """A row of the table of candidates: a loss, where it comes from and what became of it.

    score: AULC of the evaluation returns; training_score: the same of the training returns (None where no
    episode ended in time). Of a candidate that failed, score is 0 and `reason` says why.
    """

    id: int
    key: str
    text: str
    generation: int
    origin: Origin
    parents: tuple[str, ...]
    status: str
    score: float | None
    training_score: float | None
    reason: str

    @property
    def is_reference(self) -> bool:
        """Whether it is there to compare with, and no candidate of the search."""
        return self.origin is Origin.REFERENCE

    @property
    def done(self) -> bool:
        """Whether it need not be trained any more."""
        return self.status in ("scored", "failed")

    @property
    def name(self) -> str:
        """What a reference is known as; empty for a candidate."""
        return next((one.name for one in references() if self.is_reference and one.key == self.key), "")

    @property
    def loss(self) -> Loss | None:
        """The loss, parsed; None is no auxiliary loss."""
        return None if self.key == NO_LOSS else loads(f"loss candidate = {self.text}")["candidate"]


@dataclass(frozen=True)
class Point:
    """One evaluation on a learning curve, after `frames` frames. training_return: NaN without an episode."""

    frames: int
    returns: tuple[float, ...]
    training_return: float

    @property
    def mean_return(self) -> float:
        """The mean over the evaluation's episodes."""
        return math.fsum(self.returns) / len(self.returns)


@dataclass(frozen=True)
class Outcome:
    """What training a candidate gave. `reason` is empty, or says why it failed."""

    candidate: int
    score: float
    training_score: float
    curve: tuple[Point, ...]
    reason: str = ""


@dataclass(frozen=True)
class Reference:
    """A loss that every study scores beside its candidates."""

    name: str
    key: str
    text: str


@cache
def references() -> tuple[Reference, ...]:
    """The references of every study."""
    found = [Reference(NO_LOSS, NO_LOSS, NO_LOSS)]
    for name in REFERENCES:
        if name != NO_LOSS:
            _, loss = load_one(name)
            found.append(Reference(name, key(loss), print_loss(loss)))
    return tuple(found)


def ranked(board: Iterable[Candidate], limit: int) -> list[tuple[int | None, Candidate]]:
    """The best `limit` of a leaderboard with their ranks, and all references, which have none."""
    rows: list[tuple[int | None, Candidate]] = []
    rank = 0
    for each in board:
        rank += not each.is_reference
        if each.is_reference:
            rows.append((None, each))
        elif rank <= limit:
            rows.append((rank, each))
    return rows

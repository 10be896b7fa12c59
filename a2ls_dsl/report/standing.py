"""How the best of a study compares with its references: the one answer that every command and page gives.

The score that brought a candidate to the top is not evidence, as the best of many is partly luck. Evidence is
runs with fresh seeds: those that confirm candidates at the end of a search, and those of `a2l validate` on
the study's own environment. Candidate and reference are compared on the fresh seeds that both have.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from a2ls_dsl.report.statistics import CONFIDENCE, Interval, difference
from a2ls_dsl.search.candidates import NO_LOSS, Candidate

BOARD = 100
"""A leaderboard of this many holds all that have fresh runs, so that the number of choices is known."""


@dataclass(frozen=True)
class Standing:
    """The best of a leaderboard.

    best: by the mean of its fresh runs, as `best_first` ranks; by its search score if nothing has a fresh
    run. choices: how many candidates have fresh runs.
    """

    best: Candidate
    references: tuple[Candidate, ...]
    choices: int

    @property
    def is_luck(self) -> bool:
        """Whether it was chosen by one run, without a fresh run to confirm it."""
        return not self.best.fresh

    def lead(self, reference: Candidate) -> Interval | None:
        """Over a reference, with the interval that holds for the best of all choices; None without fresh
        runs."""
        return lead(self.best, reference, chosen_confidence(self.choices))

    def seeds(self, reference: Candidate) -> int:
        """How many fresh seeds it shares with a reference."""
        return len(self.best.fresh.keys() & reference.fresh.keys())


def standing(board: Sequence[Candidate]) -> Standing | None:
    """The best of a leaderboard; None if no candidate has a score."""
    candidates = [candidate for candidate in board if not candidate.is_reference]
    if not candidates:
        return None
    references = tuple(
        sorted(
            (candidate for candidate in board if candidate.is_reference), key=lambda candidate: candidate.id
        )
    )
    return Standing(candidates[0], references, sum(bool(candidate.fresh) for candidate in candidates))


def lead(candidate: Candidate, reference: Candidate, confidence: float = CONFIDENCE) -> Interval | None:
    """A candidate's mean less a reference's on their common fresh seeds; None if they share none."""
    if not candidate.fresh.keys() & reference.fresh.keys():
        return None
    common = candidate.fresh.keys() & reference.fresh.keys()
    mine, theirs = ({seed: side.fresh[seed] for seed in common} for side in (candidate, reference))
    return difference([mine], [theirs], confidence)


def chosen_confidence(choices: int) -> float:
    """The confidence of one interval such that those of all choices hold together (Bonferroni)."""
    return 1 - (1 - CONFIDENCE) / max(choices, 1)


def no_loss(board: Sequence[Candidate]) -> Candidate | None:
    """The reference without an auxiliary loss."""
    return next((candidate for candidate in board if candidate.key == NO_LOSS), None)


def named(candidate: Candidate) -> str:
    """The name of a reference, the short key of a candidate."""
    return candidate.name or candidate.key[:8]

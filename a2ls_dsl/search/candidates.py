"""What a study holds: candidates, the runs that train them, and their results."""

from __future__ import annotations

import math
import statistics
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache, lru_cache
from typing import TypeVar

from a2ls_dsl.lang.load import load_one, loads
from a2ls_dsl.lang.rules.canonical import key
from a2ls_dsl.lang.syntax.printer import print_loss
from a2ls_dsl.lang.syntax.tree import Loss
from a2ls_dsl.search.settings import REFERENCES
from a2ls_dsl.search.strategies.evolution import Origin

Seed = TypeVar("Seed", bound=Hashable)

NO_LOSS = "none"
"""Key and text of the reference without an auxiliary loss."""


FOUND = "found_"
"""Losses of a study are named by this and the first digits of their key, in files, tables and validations."""


class Status(StrEnum):
    """What became of a candidate.

    culled: stopped at a rung, with a score up to there; failed: diverged; rejected: stopped by a gate before
    it trained.
    """

    QUEUED = "queued"
    RUNNING = "running"
    SCORED = "scored"
    CULLED = "culled"
    FAILED = "failed"
    REJECTED = "rejected"


@dataclass(frozen=True)
class Candidate:
    """A loss, where it comes from and what became of it.

    score: AULC of its search run since learning began, of evaluation and training returns (see `SCORING`);
    training_score: of training returns alone (None if no episode ended in time). A failed or rejected
    candidate has neither, and `reason` says why. frames: trained in all its runs. fresh: the scores, by seed,
    of the runs that confirm it with seeds by which it was not chosen; a diverged run counts as 0. searched:
    over how many runs `score` is the mean: one, or in a merged study one for each part that had it.
    """

    id: int
    key: str
    text: str
    generation: int
    origin: Origin
    parents: tuple[str, ...]
    status: Status
    score: float | None
    training_score: float | None
    reason: str
    frames: int = 0
    fresh: Mapping[int, float] = field(default_factory=dict, hash=False)
    searched: int = 1

    @property
    def runs(self) -> int:
        """The number of runs that `mean` is over."""
        return self.searched + self.fresh_runs

    @property
    def fresh_runs(self) -> int:
        """How many runs with fresh seeds have ended."""
        return len(self.fresh)

    @property
    def fresh_score(self) -> float | None:
        """The mean of the fresh runs; None without any."""
        return statistics.fmean(self.fresh.values()) if self.fresh else None

    @property
    def fresh_error(self) -> float | None:
        """The standard error of `fresh_score`; None with fewer than two runs."""
        runs = self.fresh.values()
        return statistics.stdev(runs) / math.sqrt(len(runs)) if len(runs) > 1 else None

    @property
    def is_reference(self) -> bool:
        """Whether it is only there to compare with, and not a candidate of the search."""
        return self.origin is Origin.REFERENCE

    @property
    def done(self) -> bool:
        """Whether no search run of it is left to train."""
        return self.status not in (Status.QUEUED, Status.RUNNING)

    def mean(self, levels: Mapping[int | None, float]) -> float:
        """The mean of all its runs, the search run included: the score that a strategy sees.

        levels: `levels_of` the references. The fresh runs are `centred` at the level of the search's seed.
        """
        searched = self.score or 0.0
        if not self.fresh:
            return searched
        fresh = centred(self.fresh, levels, levels.get(None))
        return (self.searched * searched + self.fresh_runs * fresh) / self.runs

    @property
    def grounds(self) -> str:
        """What its rank rests on, to be added wherever it is called the best."""
        match self.fresh_runs:
            case 0:
                return "by one run, so partly luck"
            case 1:
                return "by one fresh seed"
            case number:
                return f"by the mean of {number} fresh seeds"

    @property
    def name(self) -> str:
        """The name of a reference; empty for a candidate."""
        return next(
            (reference.name for reference in references() if self.is_reference and reference.key == self.key),
            "",
        )

    @property
    def loss(self) -> Loss | None:
        """The loss, parsed; None is no auxiliary loss."""
        return parsed(self.text)


@dataclass(frozen=True)
class Run:
    """One training of a candidate: with the study's own seed, or with a fresh one to confirm it.

    slot: where it trains; began: the tick of the search at which it took its slot (None while queued).
    """

    id: int
    candidate: int
    loss: Loss | None
    seed: int
    status: Status
    slot: int | None
    began: int | None


@dataclass(frozen=True)
class Reference:
    """A loss that every study scores besides its candidates."""

    name: str
    key: str
    text: str


@cache
def references() -> tuple[Reference, ...]:
    """The references of every study."""
    entries = [Reference(NO_LOSS, NO_LOSS, NO_LOSS)]
    for name in REFERENCES:
        if name != NO_LOSS:
            _, loss = load_one(name)
            entries.append(Reference(name, key(loss), print_loss(loss)))
    return tuple(entries)


@lru_cache(maxsize=4096)
def parsed(text: str) -> Loss | None:
    """The loss that a candidate's text stands for; None is no auxiliary loss."""
    return None if text == NO_LOSS else loads(f"loss candidate = {text}")["candidate"]


def best_first(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Scored candidates and references as every command ranks them.

    First the finalists, by the mean of their fresh runs, `centred`: those that have more than half as many as
    the candidate with the most. Then, ranked likewise, those that were given up with fewer runs. Then those
    without fresh runs, by the score of their search run, the best of which is partly luck. Of equal
    candidates the earlier comes first.
    """
    given = list(candidates)
    most = max((candidate.fresh_runs for candidate in given if not candidate.is_reference), default=0)
    levels = fresh_levels(given)

    def order(candidate: Candidate) -> tuple[int, float, int]:
        if not candidate.fresh:
            return 2, -(candidate.score or 0.0), candidate.id
        return int(2 * candidate.fresh_runs <= most), -centred(candidate.fresh, levels), candidate.id

    return sorted(given, key=order)


def levels_of(candidates: Iterable[Candidate]) -> dict[int | None, float]:
    """The mean score of the references among candidates for each seed; None is the seed of the search."""
    return seed_levels(
        [
            {None: candidate.score} | dict(candidate.fresh)
            for candidate in candidates
            if candidate.is_reference and candidate.score is not None
        ]
    )


def fresh_levels(candidates: Iterable[Candidate]) -> dict[int, float]:
    """The mean score of the references among candidates for each fresh seed."""
    return seed_levels([candidate.fresh for candidate in candidates if candidate.is_reference])


def seed_levels(references: Sequence[Mapping[Seed, float]]) -> dict[Seed, float]:
    """The references' mean score for each seed: of those that have all seeds of any; if none has, of all, for
    the seeds that they share."""
    seeds = set[Seed]().union(*references)
    complete = [runs for runs in references if runs.keys() == seeds] or references
    common = seeds.intersection(*complete)
    return {seed: statistics.fmean(runs[seed] for runs in complete) for seed in common}


def centred(
    runs: Mapping[int, float],
    levels: Mapping[int, float] | Mapping[int | None, float],
    level: float | None = None,
) -> float:
    """The mean of runs as it would be with all seeds: their lead over the references with the same seeds,
    plus the references' mean over all seeds, or another `level` of theirs.

    A seed that is kind to the references is as kind to others. The plain mean if the references lack a seed.
    """
    plain = statistics.fmean(runs.values())
    if not runs.keys() <= levels.keys():
        return plain
    level = statistics.fmean(levels.values()) if level is None else level
    return plain + (level - statistics.fmean(levels[seed] for seed in runs))


def ranked(board: Iterable[Candidate], limit: int) -> list[tuple[int | None, Candidate]]:
    """The best `limit` of a leaderboard with their ranks, and all references, which have none."""
    rows: list[tuple[int | None, Candidate]] = []
    rank = 0
    for candidate in board:
        rank += not candidate.is_reference
        if candidate.is_reference:
            rows.append((None, candidate))
        elif rank <= limit:
            rows.append((rank, candidate))
    return rows

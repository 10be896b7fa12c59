"""Rows of a study's tables as candidates, runs and points."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.rl.runs.curve import Point
from a2ls_dsl.search.candidates import Candidate, Run, Status, parsed
from a2ls_dsl.search.strategies.evolution import Origin


@dataclass(frozen=True)
class Part:
    """A study that a merged one was made of."""

    name: str
    seed: int
    candidates: int


def point_of(frames: int, returns: str, training: float | None) -> Point:
    """A row of the curves: frames, returns as JSON, and the mean return of training."""
    numbers = tuple(float(value) for value in json.loads(returns))
    return Point(frames, numbers, float("nan") if training is None else training)


def run_of(
    number: int, candidate: int, text: str, seed: int, status: str, slot: int | None, began: int | None
) -> Run:
    return Run(number, candidate, parsed(text), seed, Status(status), slot, began)


def candidate_columns(search_seeds: Sequence[int], merged: bool) -> str:
    """What `candidate_of` reads, as columns of a query: scores of fresh runs are pairs of seed and score.

    The last column is the number of search runs that ended as the candidate did, 1 unless the study is
    merged.
    """
    searched = ", ".join(map(str, search_seeds))
    own = ("id", "key", "text", "generation", "origin", "parents", "status", "score", "training_score")
    fresh = (
        "SELECT json_group_array(json_array(fresh.seed, coalesce(fresh.score, 0))) FROM runs AS fresh"
        " WHERE fresh.candidate = candidates.id AND fresh.ended IS NOT NULL"
        f" AND fresh.seed NOT IN ({searched})"
    )
    named = ", ".join(f"candidates.{column}" for column in (*own, "reason", "frames"))
    if not merged:
        return f"{named}, ({fresh}), 1"
    number = (
        "SELECT max(count(*), 1) FROM runs AS own WHERE own.candidate = candidates.id"
        f" AND own.seed IN ({searched}) AND own.status = candidates.status AND own.score IS NOT NULL"
    )
    return f"{named}, ({fresh}), ({number})"


def candidate_of(row: tuple[Any, ...], validated: Mapping[str, Mapping[int, float]]) -> Candidate:
    """The candidate of a row of `candidate_columns`. Raises `A2lError` for a row that no search wrote.

    validated: scores of further fresh runs, by loss and seed.
    """
    number, key, text, generation, origin, parents, status, score, training, *rest = row
    reason, frames, fresh, searched = rest
    try:
        runs = {**dict(json.loads(fresh)), **validated.get(text, {})}
        keys = tuple(json.loads(parents))
        what = number, key, text, generation, Origin(origin), keys, Status(status)
        return Candidate(*what, score, training, reason, frames, runs, searched)
    except (ValueError, TypeError) as error:
        raise A2lError(
            f"candidate {number} of the study can't be read: {error}",
            "use the version of a2l that made it",
        ) from None

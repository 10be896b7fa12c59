"""What an experiment is to answer: claims about its arms, and published scores to compare them with.

[[claims]]
says = "A2-winner learns faster than SAC alone (He et al. 2022, table 2)"
better = "a2_winner"         # arms of this experiment
than = "none"

[published]
file = "published/dmc.csv"   # method,env,frames,mean,sd,source
difference = "their agent acts every 2 frames"
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from a2ls_dsl.diagnostics import A2lError, unknown

COLUMNS = ("method", "env", "frames", "mean", "sd", "source")


@dataclass(frozen=True)
class Claim:
    """That one arm reaches higher returns than another; `says` also names who claims it."""

    says: str
    better: str
    than: str


@dataclass(frozen=True)
class Score:
    """A published mean return, and its standard deviation where one was given."""

    mean: float
    sd: float | None

    def __str__(self) -> str:
        return f"{self.mean:.0f}" if self.sd is None else f"{self.mean:.0f} ± {self.sd:.0f}"


@dataclass(frozen=True)
class Published:
    """Scores of others at the experiment's budget. difference: what sets their experiment apart from ours."""

    scores: Mapping[str, Mapping[str, Score]]  # method -> env -> score
    sources: Mapping[str, str]
    difference: str


def read_claims(path: Path, given: object, arms: tuple[str, ...]) -> tuple[Claim, ...]:
    """The claims of an experiment's file. Raises `A2lError` for one about an arm that isn't there."""
    claims = []
    for claim in given if isinstance(given, list) else [given]:
        if not isinstance(claim, dict) or {*claim} != {"says", "better", "than"} or not _texts(claim):
            raise A2lError(
                f"{path}: {claim!r} is not a claim", "a claim has the texts `says`, `better`, `than`"
            )
        for side in ("better", "than"):
            if claim[side] not in arms:
                raise unknown(f"arm in a claim of {path}", str(claim[side]), arms)
        claims.append(Claim(**claim))
    return tuple(claims)


def _texts(given: Mapping[str, Any]) -> bool:
    return all(isinstance(text, str) for text in given.values())


def read_published(path: Path, given: Mapping[str, Any], frames: int) -> Published | None:
    """The published scores at the experiment's budget. Raises `A2lError` for a file that can't be read."""
    if not given:
        return None
    if {*given} != {"file", "difference"} or not _texts(given):
        raise A2lError(f"{path}: [published] has {', '.join(given)}", "it has the texts `file`, `difference`")
    file = path.parent / given["file"]
    scores: dict[str, dict[str, Score]] = {}
    sources: dict[str, str] = {}
    try:
        with file.open(encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines):
                if int(row["frames"]) == frames:
                    sd = float(row["sd"]) if row["sd"] else None
                    scores.setdefault(row["method"], {})[row["env"]] = Score(float(row["mean"]), sd)
                    sources[row["method"]] = row["source"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise A2lError(
            f"{file} holds no published scores: {error}", f"its columns are {', '.join(COLUMNS)}"
        ) from None
    return Published(scores, sources, str(given["difference"]))

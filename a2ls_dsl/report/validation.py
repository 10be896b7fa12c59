"""The arms of a validation side by side: means over environments, and their lead over no auxiliary loss."""

from __future__ import annotations

from dataclasses import dataclass

from a2ls_dsl.report.statistics import (
    CONFIDENCE,
    Interval,
    difference,
    iqm,
    mean_interval,
    mean_over_tasks,
    probability_of_improvement,
)
from a2ls_dsl.search.candidates import NO_LOSS
from a2ls_dsl.search.validation import Validation


@dataclass(frozen=True)
class Compared:
    """An arm over all environments. Differences and probabilities are against `none`; None for `none` itself.

    is_found: whether the search found its loss. mean: over environments; iqm: the interquartile mean of all
    runs; per_env: the mean over seeds with Student's interval.
    """

    arm: str
    is_found: bool
    mean: Interval
    iqm: float
    difference: Interval | None
    probability: Interval | None
    per_env: dict[str, Interval]


def compare(validation: Validation, confidence: float = CONFIDENCE) -> tuple[Compared, ...]:
    """Every arm over the environments on which it and `none` have scores, the best first."""
    compared = []
    for arm in validation.arms:
        envs = [env for env in validation.envs if validation.of(arm, env) and validation.of(NO_LOSS, env)]
        if not envs:
            continue
        mine, none = ([validation.of(name, env) for env in envs] for name in (arm, NO_LOSS))
        other = arm != NO_LOSS
        compared.append(
            Compared(
                arm,
                validation.is_found(arm),
                mean_over_tasks(mine, confidence),
                iqm([score for runs in mine for score in runs.values()]),
                difference(mine, none, confidence) if other else None,
                probability_of_improvement(mine, none, confidence) if other else None,
                {
                    env: mean_interval(list(runs.values()), confidence)
                    for env, runs in zip(envs, mine, strict=True)
                },
            )
        )
    return tuple(sorted(compared, key=lambda row: -row.mean.value))


def seeds(validation: Validation) -> int:
    """The least number of seeds that any arm has on any environment."""
    counts = [len(validation.of(arm, env)) for arm in validation.arms for env in validation.envs]
    return min((count for count in counts if count), default=0)

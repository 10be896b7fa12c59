"""Arms beside each other on environments: of an experiment, a validation, or losses trained side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from a2ls_dsl.report.statistics import (
    CONFIDENCE,
    Interval,
    Runs,
    difference,
    iqm,
    mean_interval,
    mean_over_tasks,
    probability_of_improvement,
)
from a2ls_dsl.search.candidates import NO_LOSS
from a2ls_dsl.search.study.validation import Validation


@dataclass(frozen=True)
class Comparison:
    """One arm beside another on the environments where both have runs.

    difference: the mean over environments of that within seeds; improvement: the probability that a run of
    the first is better.
    """

    envs: tuple[str, ...]
    difference: Interval
    improvement: Interval


@dataclass(frozen=True)
class Scores:
    """The scores of runs by arm, environment and seed. Intervals hold with probability `confidence` each."""

    runs: Mapping[str, Mapping[str, Runs]]
    confidence: float = CONFIDENCE

    def envs_of(self, *arms: str) -> tuple[str, ...]:
        """The environments on which all these arms have a run."""
        return tuple(env for env in self.runs[arms[0]] if all(self.runs[arm].get(env) for arm in arms))

    def on(self, envs: Sequence[str], arm: str) -> list[Runs]:
        """An arm's runs on each of some environments."""
        return [self.runs[arm][env] for env in envs]

    def mean(self, arm: str, env: str) -> Interval | None:
        """The mean of an arm on an environment with Student's interval; None without runs."""
        runs = self.runs[arm][env]
        return mean_interval(list(runs.values()), self.confidence) if runs else None

    def total(self, arm: str, envs: Sequence[str]) -> Interval:
        """The mean over environments, on all of which the arm has runs."""
        return mean_over_tasks(self.on(envs, arm), self.confidence)

    def iqm(self, arm: str, envs: Sequence[str]) -> float:
        """The interquartile mean of an arm's runs on all these environments."""
        return iqm([score for runs in self.on(envs, arm) for score in runs.values()])

    def compare(self, arm: str, other: str) -> Comparison | None:
        """An arm beside another; None where no environment has runs of both."""
        envs = self.envs_of(arm, other)
        if not envs:
            return None
        both = self.on(envs, arm), self.on(envs, other)
        return Comparison(
            envs, difference(*both, self.confidence), probability_of_improvement(*both, self.confidence)
        )


@dataclass(frozen=True)
class Compared:
    """An arm of a validation over all environments. beside: it and `none`; None for `none` itself.

    is_found: whether the search found its loss. mean: over environments; iqm: the interquartile mean of all
    runs; per_env: the mean over seeds with Student's interval.
    """

    arm: str
    is_found: bool
    mean: Interval
    iqm: float
    beside: Comparison | None
    per_env: dict[str, Interval]

    @property
    def difference(self) -> Interval | None:
        """By how much it is better than `none`."""
        return self.beside.difference if self.beside else None

    @property
    def probability(self) -> Interval | None:
        """That a run of it is better than one of `none`."""
        return self.beside.improvement if self.beside else None


def compare(validation: Validation, confidence: float = CONFIDENCE) -> tuple[Compared, ...]:
    """Every arm over the environments on which it and `none` have scores, the best first."""
    scores = Scores(validation.runs, confidence)
    compared = [
        Compared(
            arm,
            validation.is_found(arm),
            scores.total(arm, envs),
            scores.iqm(arm, envs),
            scores.compare(arm, NO_LOSS) if arm != NO_LOSS else None,
            {env: mean for env in envs if (mean := scores.mean(arm, env))},
        )
        for arm in validation.arms
        if (envs := scores.envs_of(arm, NO_LOSS))
    ]
    return tuple(sorted(compared, key=lambda row: -row.mean.value))


def seeds(validation: Validation) -> int:
    """The least number of seeds that any arm has on any environment."""
    counts = [len(runs) for by_env in validation.runs.values() for runs in by_env.values()]
    return min((count for count in counts if count), default=0)

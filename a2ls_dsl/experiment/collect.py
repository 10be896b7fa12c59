"""What the results of an experiment show: intervals, comparisons, and a verdict on each of its claims.

Claims are judged by the return at the end of the budget: the mean over environments of the difference within
seeds, as all arms share their seeds. Areas under the curves and interquartile means are given as well. Each
interval is a 95 % one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from a2ls_dsl.experiment.claims import Claim
from a2ls_dsl.experiment.plan import Arm, Experiment
from a2ls_dsl.experiment.store import Result, load
from a2ls_dsl.report.comparison import Comparison, Scores
from a2ls_dsl.report.statistics import Blocked, Interval, blocked, mean_interval
from a2ls_dsl.rl.envs.scores import has_human_score, human_normalised


class Verdict(StrEnum):
    """What the runs show about a claim."""

    HOLDS = "holds here"
    OPPOSITE = "does not hold here, the opposite does"
    OPEN = "open: the interval holds 0"
    FEW_SEEDS = "open: too few seeds for an interval"
    MISSING = "open: not run"


@dataclass(frozen=True)
class Collected:
    """An experiment and its results so far: results[arm][env] has one per seed."""

    experiment: Experiment
    results: Mapping[str, Mapping[str, tuple[Result, ...]]]

    @property
    def count(self) -> int:
        """How many runs have a result."""
        return sum(len(runs) for arm in self.results.values() for runs in arm.values())

    @property
    def seconds(self) -> dict[str, float]:
        """The time that all runs took, by device; the runs of a stack share its time."""
        spent: dict[str, float] = {}
        for result in self.all:
            device = str(result.about["device"])
            spent[device] = spent.get(device, 0.0) + float(result.about["seconds"])
        return spent

    @property
    def all(self) -> list[Result]:
        """Every result."""
        return [run for arm in self.results.values() for runs in arm.values() for run in runs]

    def mean(self, arm: str, env: str) -> Interval | None:
        """The mean final return of an arm on an environment with Student's interval; None without runs."""
        runs = self.results[arm][env]
        return mean_interval([run.final for run in runs]) if runs else None

    def total(self, arm: str, area: bool = False) -> Interval | None:
        """The mean over all environments; None if one of them has no run."""
        scores, envs = self.scores(area), self.experiment.envs
        return scores.total(arm, envs) if scores.envs_of(arm) == envs else None

    def iqm(self, arm: str) -> float | None:
        """The interquartile mean of all runs of all environments; None as for `total`."""
        scores, envs = self.scores(), self.experiment.envs
        return scores.iqm(arm, envs) if scores.envs_of(arm) == envs else None

    def blocked(self, env: str, area: bool) -> Blocked | None:
        """Whether arms, compared within seeds, differ on an environment, and whether seeds do."""
        return blocked([runs for by_env in self.scores(area).runs.values() if (runs := by_env[env])])

    def compare(self, arm: str, other: str) -> Comparison | None:
        """An arm beside another; None where no environment has runs of both."""
        return self.scores().compare(arm, other)

    def judge(self, claim: Claim) -> tuple[Verdict, Comparison | None]:
        """Whether the interval of the difference lies above 0, below, or around it."""
        comparison = self.compare(claim.better, claim.than)
        if comparison is None:
            return Verdict.MISSING, None
        if not comparison.difference.bounded:
            return Verdict.FEW_SEEDS, comparison
        if not comparison.difference.excludes(0.0):
            return Verdict.OPEN, comparison
        return (Verdict.HOLDS if comparison.difference.value > 0 else Verdict.OPPOSITE), comparison

    @property
    def normalised(self) -> bool:
        """Whether all environments are games, whose scores are combined human-normalised."""
        return all(has_human_score(env) for env in self.experiment.envs)

    def scores(self, area: bool = False) -> Scores:
        """The final returns of all runs, or the areas under their curves; of games human-normalised."""
        return Scores(
            {
                arm: {
                    env: {run.seed: self._scaled(env, run.area if area else run.final) for run in runs}
                    for env, runs in by_env.items()
                }
                for arm, by_env in self.results.items()
            }
        )

    def _scaled(self, env: str, score: float) -> float:
        return human_normalised(env, score) if self.normalised else score


def collect(experiment: Experiment) -> Collected:
    """All results of an experiment so far."""

    def results(arm: Arm, env: str) -> tuple[Result, ...]:
        own = (load(experiment, run) for run in experiment.runs if (run.arm.name, run.env) == (arm.name, env))
        return tuple(result for result in own if result is not None)

    return Collected(
        experiment,
        {arm.name: {env: results(arm, env) for env in experiment.envs} for arm in experiment.arms},
    )

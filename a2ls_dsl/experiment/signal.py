"""What scores of an experiment's runs are worth, task by task and budget by budget."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.experiment.collect import Collected
from a2ls_dsl.report.reliability import reliability
from a2ls_dsl.search.signal import Signal

NONE = "none"


def signals(collected: Collected) -> Iterator[Signal]:
    """A row for each task and evaluation of an experiment, on the seeds that all its arms have. Evaluations
    before learning begins are left out.

    The score at a budget is that of a search: the area up to it, in which training episodes count, too. A run
    costs its processor time, scaled by the budget's share of its frames; runs stored without a time are left
    out of the price. Raises `A2lError` where arms have no common budgets.
    """
    experiment = collected.experiment
    names = [arm.name for arm in experiment.arms]
    for env in experiment.envs:
        settings = experiment.training(env, experiment.arms[0]).settings
        runs = [{run.seed: run for run in collected.results[name][env]} for name in names]
        seeds = sorted(set.intersection(*(set(own) for own in runs)))
        if not seeds:
            continue
        chosen = [[own[seed] for seed in seeds] for own in runs]
        if len({run.frames for own in chosen for run in own}) > 1:
            raise A2lError(
                f"{experiment.path}: arms are evaluated after different frames on {env}",
                "give all of them one `eval_every`",
            )
        returns = np.array([[run.with_training for run in own] for own in chosen])  # (arms, seeds, points)
        prices = [run.about.get("processor_seconds", math.nan) for own in chosen for run in own]
        price = float(np.nanmean(prices)) if not np.isnan(prices).all() else math.nan
        frames, learning = chosen[0][0].frames, chosen[0][0].learning
        first = sum(point <= learning for point in frames)
        for point, budget in enumerate(frames[first:], first):
            areas = returns[:, :, first : point + 1].mean(axis=2)
            worth, means = reliability(areas), areas.mean(axis=1)
            yield Signal(
                env,
                budget,
                settings.hidden,
                settings.batch_size,
                settings.learning_rate,
                len(names),
                len(seeds),
                worth.icc,
                worth.p,
                float(means[names.index(NONE)]) if NONE in names else math.nan,
                float(means.max()),
                price * budget / frames[-1],
            )

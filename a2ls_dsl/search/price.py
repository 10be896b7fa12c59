"""How long a search from frames takes on this machine, measured before it begins.

An update on frames takes hundreds of times as long as one on vectors, and how long depends on the machine.
"""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass

from a2ls_dsl.lang.syntax.tree import Loss
from a2ls_dsl.rl.agents import observations_of
from a2ls_dsl.rl.bench.environments import seconds_of_step
from a2ls_dsl.rl.bench.floor import synchronize
from a2ls_dsl.rl.compute.footprint import small_learner
from a2ls_dsl.rl.envs.pool import EnvPool, usable_cores
from a2ls_dsl.rl.runs.training import Training

_BATCH = 8  # frames per batch at most on a CPU, where time is proportional to their number


@dataclass(frozen=True)
class Price:
    """Seconds of a member's update and of an agent step of an environment, and how many of each a run has.

    device: where updates were measured; workers: processes that share the steps.
    """

    device: str
    update: float
    updates: int
    step: float
    steps: int
    workers: int

    @property
    def of_run(self) -> float:
        """About the seconds of a run: losses differ, and a larger stack is a little faster per member."""
        return self.updates * self.update + self.steps * self.step / self.workers


def price(training: Training, loss: Loss, device: str, workers: int | None) -> Price:
    """The price of runs that train like this, measured with a loss. Raises `A2lError` if nothing can be
    rendered."""
    settings, evaluation, task = training.settings, training.evaluation, training.task
    rendering = training.pixels.rendering if training.pixels else None
    with EnvPool(task, 1, 1, rendering=rendering) as pool:
        step = seconds_of_step(pool)
        observations = observations_of(settings, pool.observation_shape, training.pixels)
        action = pool.action_size
    batch = min(settings.batch_size, _BATCH) if device == "cpu" else settings.batch_size
    with closing(small_learner(settings, [loss], observations, action, batch, device)) as learner:
        learner.update()
        synchronize(device)
        begin = time.perf_counter()
        for _ in range(settings.cycle):  # updates with all parts and without
            learner.update()
        synchronize(device)
        update = (time.perf_counter() - begin) / settings.cycle * settings.batch_size / batch
    evaluations = -(-training.frames // evaluation.every_frames)
    return Price(
        device,
        update,
        (training.steps - settings.random_steps) * settings.updates_per_step,
        step,
        training.steps + evaluations * evaluation.episodes * task.episode_steps,
        workers or usable_cores(),
    )

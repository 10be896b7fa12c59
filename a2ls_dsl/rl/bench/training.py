"""Real training with environments: member-updates per second, and how the time is spent."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from a2ls_dsl.lang.syntax.tree import Loss
from a2ls_dsl.rl.agents import AgentSettings
from a2ls_dsl.rl.bench.floor import synchronize
from a2ls_dsl.rl.compute.capture import WARM_UP
from a2ls_dsl.rl.envs.tasks import Task
from a2ls_dsl.rl.runs.training import Member, Training
from a2ls_dsl.rl.settings import Computation, EvaluationSettings, PixelSettings
from a2ls_dsl.rl.slots.parts import Running
from a2ls_dsl.rl.slots.slots import Slots

CANDIDATE_FRAMES = 100_000


@dataclass(frozen=True)
class TrainingSpeed:
    """The speed of a stack on real environments.

    updates_per_second: of all members together; shares: of the host's time, by part. Waiting for an update on
    a GPU counts as `acting`, which needs its result.
    """

    observations: str
    batch_size: int
    members: int
    action_repeat: int
    updates_per_second: float
    updates_per_step: int
    shares: dict[str, float]

    @property
    def milliseconds(self) -> float:
        """Milliseconds per member-update."""
        return 1e3 / self.updates_per_second

    @property
    def candidates_per_hour(self) -> float:
        """Candidates per hour that train for 100,000 frames each."""
        steps = self.updates_per_second / self.updates_per_step
        return 3600 * steps * self.action_repeat / CANDIDATE_FRAMES


def measure_training(
    task: Task,
    loss: Loss | None,
    members: int,
    settings: AgentSettings,
    pixels: PixelSettings | None,
    device: str,
    computation: Computation,
    budget: float,
) -> TrainingSpeed:
    """Train for about `budget` seconds after a warm-up; evaluations are left out."""
    begin = 2 * (WARM_UP + 2)
    short = replace(settings, random_steps=max(settings.batch_size, 32), replay_capacity=5_000)
    frames = task.steps_to_frames(100_000)
    training = Training(task, frames, short, EvaluationSettings(every_frames=frames), pixels, computation)
    with Slots(training, [Member(loss, seed) for seed in range(members)], Running(device)) as slots:
        first, ticks = short.random_steps + begin, 0
        for _ in range(first):
            slots.tick()
        synchronize(device)
        slots.clock.seconds.clear()
        started = time.perf_counter()
        while ticks < 2 or time.perf_counter() - started < budget:
            slots.tick()
            ticks += 1
        synchronize(device)
        seconds, spent = time.perf_counter() - started, dict(slots.clock.seconds)
    shares = {name: part / seconds for name, part in spent.items()}
    shares["other"] = 1.0 - sum(shares.values())
    kind = "vectors" if training.sees_vectors else "pixels" if pixels else "game"
    rate = members * ticks * settings.updates_per_step / seconds
    return TrainingSpeed(
        kind, settings.batch_size, members, task.action_repeat, rate, settings.updates_per_step, shares
    )

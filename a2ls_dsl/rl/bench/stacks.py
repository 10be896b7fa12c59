"""A search's training as it runs, physics included: in one stack, and in as many processes as it takes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from a2ls_dsl.lang.syntax.tree import Loss
from a2ls_dsl.rl.bench.mix import CandidateTime, updates_of
from a2ls_dsl.rl.envs.tasks import Task
from a2ls_dsl.rl.runs.training import Member, Training
from a2ls_dsl.rl.settings import Computation, EvaluationSettings, SacSettings
from a2ls_dsl.rl.slots.parts import Running
from a2ls_dsl.rl.slots.stacks import Stacks, stacks_for

_LONG = 100_000  # agent steps: more than are measured


@dataclass(frozen=True, kw_only=True)
class StacksTime(CandidateTime):
    """What training took in so many stacks, without evaluations."""

    stacks: int


def measure_stacks(
    losses: Sequence[Loss],
    task: Task,
    frames: int,
    settings: SacSettings,
    device: str,
    computation: Computation,
    budget: float,
) -> Iterator[StacksTime]:
    """One after the other, for about `budget` seconds in all; frames: of training a candidate.

    Raises `A2lError` for frames without an update.
    """
    updates = updates_of(task, frames, settings)
    members = [Member(loss, number) for number, loss in enumerate(losses)]
    whole = Training(task, frames, settings, computation=computation)
    short = replace(settings, random_steps=max(settings.batch_size, 32), replay_capacity=5_000)
    long = task.steps_to_frames(_LONG)
    training = replace(whole, frames=long, settings=short, evaluation=EvaluationSettings(every_frames=long))
    counts = dict.fromkeys((1, stacks_for(whole, len(members), device)))
    for count in counts:
        with Stacks(training, members, Running(device, refill=True), count) as stacks:
            for _ in range(short.random_steps + 2 * short.cycle):
                stacks.tick()
            ticks, begin = 0, time.perf_counter()
            while not ticks or time.perf_counter() - begin < budget / len(counts):
                for _ in range(short.cycle):  # updates with the actor's part and without
                    stacks.tick()
                ticks += short.cycle
            seconds = time.perf_counter() - begin
        made = ticks * short.updates_per_step * len(members)
        yield StacksTime(stacks=count, milliseconds=1e3 * seconds / made, updates=updates)

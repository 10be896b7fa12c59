"""What slots are made of: worker processes with environments, and a learner, if all fit into memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from a2ls_dsl.lang.syntax.tree import Loss
from a2ls_dsl.rl.agents import observations_of
from a2ls_dsl.rl.compute.footprint import footprint_of
from a2ls_dsl.rl.envs.pool import EnvPool, FirstEnvironments, usable_cores
from a2ls_dsl.rl.runs.training import Member, Training
from a2ls_dsl.rl.slots.learner import Learner
from a2ls_dsl.rl.slots.roster import narrows


@dataclass(frozen=True)
class Running:
    """How slots are computed, beyond how their members train.

    workers: processes with environments, by default one a core. exact: a member's results are the same, bit
    for bit, in any company (see `learner.py`). refill: whether slots are given to others than their first
    members. expected: losses such as may come, to count the memory that they need. stacks: that many stacks
    of this size have to fit into memory.
    """

    device: str = "cpu"
    workers: int | None = None
    exact: bool = False
    refill: bool = False
    expected: tuple[Loss | None, ...] = ()
    stacks: int = 1


class Parts:
    """The environments of training and of evaluations, and the learner.

    observations: what agents see of what environments give. replay_rows: of each member. Raises `A2lError`
    where the members don't fit into memory.
    """

    def __init__(self, training: Training, members: Sequence[Member | None], running: Running) -> None:
        size, device = len(members), running.device
        rendering = training.pixels.rendering if training.pixels else None
        # An episode takes one row more than it has steps, and one row is being written. Where episodes
        # end early there are more of them, and the oldest rows are overwritten a little sooner.
        episodes = training.steps // training.task.episode_steps + 2
        self.replay_rows = min(training.settings.replay_capacity, training.steps + 2 * episodes)
        losses = tuple(dict.fromkeys([*(member.loss for member in members if member), *running.expected]))

        def admit(first: FirstEnvironments) -> None:
            seen = observations_of(training.settings, first.observation_shape, training.pixels)
            sizes = seen, first.action_size, self.replay_rows
            alone = footprint_of(training.settings, losses or (None,), *sizes, running.exact, device)
            footprint = replace(alone, environment=first.environment, process=first.process)
            if narrows(running.refill, device, seen, running.exact, training.computation):
                footprint = replace(footprint, replay=2 * alone.replay, networks=2 * alone.networks)
            count = usable_cores() if running.workers is None else running.workers
            footprint.check(running.stacks * size, running.stacks * count, device)
            self.memory_bytes = footprint.total(size, count)

        self.pool = EnvPool(
            training.task, size, running.workers, rendering=rendering, life_loss=True, admit=admit
        )
        try:
            self.evaluation_pool = EnvPool(training.task, size, rendering=rendering, beside=self.pool)
            shape = self.pool.observation_shape
            self.observations = observations_of(training.settings, shape, training.pixels)
            self.learner = Learner(
                [member.loss if member else None for member in members],
                [member.seed if member else 0 for member in members],
                self.observations,
                self.pool.action_size,
                self.replay_rows,
                training.settings,
                device,
                running.exact,
                training.computation,
                running.refill,
                training.task.steps_to_frames(1),
            )
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the worker processes."""
        for name in ("pool", "evaluation_pool"):
            if hasattr(self, name):
                getattr(self, name).close()

"""What a stack of members will take of memory, before anything takes it.

Networks are counted on a small stack of such losses, which is made and updated: all tensors have a leading
slot axis, so that a larger one takes so many times as much. Environments are measured on the first ones that
are made.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from a2ls_dsl.backend.stacked import PADDING_ON_GPU
from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.lang.syntax.tree import Loss
from a2ls_dsl.rl.agents import AgentSettings, algorithm_of
from a2ls_dsl.rl.compute.memory import free_bytes, free_of_machine, give_back
from a2ls_dsl.rl.replay.observations import Observations
from a2ls_dsl.rl.settings import Computation
from a2ls_dsl.rl.slots.learner import Learner

_ROWS = 40  # of a replay that is updated from once, beyond the horizon
_BATCH = 32  # frames a batch at most: what these take grows in step with their number


@dataclass(frozen=True)
class Footprint:
    """Bytes that a member takes, and its environments.

    networks: with their optimizers; update: gradients and activations; exact: members are updated one after
    the other, so that one update is there at a time. environment: of one, of which a member has two, for
    training and for evaluation; process: of a worker without any.
    """

    replay: int
    networks: int
    update: int
    exact: bool
    environment: int
    process: int

    def of_learner(self, members: int) -> int:
        """What the learner of so many members takes, on its device."""
        return members * (self.replay + self.networks) + (1 if self.exact else members) * self.update

    def of_environments(self, members: int, workers: int) -> int:
        """What their environments take, on the machine."""
        return min(workers, members) * self.process + 2 * members * self.environment

    def total(self, members: int, workers: int) -> int:
        """All of it."""
        return self.of_learner(members) + self.of_environments(members, workers)

    def fitting(self, members: int, workers: int, device: str) -> int:
        """How many of so many members fit into what is free.

        What this process has freed and kept counts, and is given back where not all fit without it.
        """
        fitting = self._fitting(members, workers, device)
        if fitting < members:
            give_back(device)  # not always: it looks through all objects of the process
            fitting = self._fitting(members, workers, device)
        return fitting

    def _fitting(self, members: int, workers: int, device: str) -> int:
        on_device, on_machine = free_bytes(device), free_of_machine()

        def fits(members: int) -> bool:
            learner, here = self.of_learner(members), self.of_environments(members, workers)
            return learner <= on_device and here + (learner if device == "cpu" else 0) <= on_machine

        return next((n for n in range(members, 0, -1) if fits(n)), 0)

    def check(self, members: int, workers: int, device: str) -> None:
        """Raises `A2lError` where so many members don't fit into what is free; says how many do."""
        fitting = self.fitting(members, workers, device)
        if fitting == members:
            return
        on_device, on_machine = free_bytes(device), free_of_machine()
        where = "" if device == "cpu" else f" and {on_device / 1e9:.1f} GB on {device}"
        parts = {
            "replay": members * self.replay,
            "networks": members * self.networks,
            "updates": (1 if self.exact else members) * self.update,
            "environments": self.of_environments(members, workers),
        }
        listed = ", ".join(f"{name} {size / 1e9:.2f}" for name, size in parts.items())
        free = min(on_machine, free_bytes("cpu"))
        fix = (
            f"train at most {fitting} at once: `a2l evolve --stack {fitting}`, `a2l train --seeds {fitting}`"
        )
        who = f"{members} members take" if members > 1 else "one member takes"
        raise A2lError(
            f"{who} {self.total(members, workers) / 1e9:.2f} GB of memory ({listed}), "
            f"but {free / 1e9:.2f} GB{where} are free",
            fix if fitting else "use smaller settings, or a machine with more memory",
        )


def footprint_of(
    settings: AgentSettings,
    losses: Sequence[Loss | None],
    observations: Observations,
    action: int,
    rows: int,
    exact: bool = False,
    device: str = "cpu",
) -> Footprint:
    """Of members with such losses and replays of so many rows on a device, without their environments."""
    return Footprint(
        algorithm_of(settings).replay.bytes_needed(1, rows, observations, action),
        *measure_member(settings, tuple(dict.fromkeys(losses)), observations, action, device == "cpu"),
        exact=exact,
        environment=0,
        process=0,
    )


@cache
def measure_member(
    settings: AgentSettings,
    losses: tuple[Loss | None, ...],
    observations: Observations,
    action: int,
    on_cpu: bool = True,
) -> tuple[int, int]:
    """Bytes of networks with optimizers, and of what an update takes besides, of a member on average.

    What a GPU takes is counted on tensors without values, which are computed in the same way.
    """
    batch = min(settings.batch_size, _BATCH) if observations.crop is not None else settings.batch_size
    computation = Computation() if on_cpu else Computation(padding=PADDING_ON_GPU, spare=True)
    device = "cpu" if on_cpu else "meta"
    learner = small_learner(settings, losses, observations, action, batch, device, computation)
    stack = learner.stacks[0]
    state = [*stack.parameters(), *stack.buffers()]
    networks = sum(tensor.nbytes for tensor in state)
    with _Allocations([*state, *learner.replays[0].buffers()]) as made:
        learner.update()
        learner.update()
    gradients = max(sum(parameter.nbytes for parameter in adam.trained) for adam in stack.optimizers.values())
    update = gradients + max(made.peak - gradients, 0) * settings.batch_size // batch
    return networks // len(losses), update // len(losses)


def small_learner(
    settings: AgentSettings,
    losses: Sequence[Loss | None],
    observations: Observations,
    action: int,
    batch: int,
    device: str = "cpu",
    computation: Computation | None = None,
) -> Learner:
    """A member of each loss with a few steps to learn from, in batches of this size."""
    rows = _ROWS + max(loss.horizon if loss else 0 for loss in losses)
    small = replace(settings, batch_size=batch)
    sizes = losses, range(len(losses)), observations, action, rows, small, device
    learner = Learner(*sizes, computation=computation)
    if device != "meta":  # where there are no values
        _fill(learner, rows - 2)
    return learner


def _fill(learner: Learner, steps: int) -> None:
    """An episode of random experience."""
    rng, members = np.random.default_rng(0), learner.members
    every = np.ones(members, np.bool_)

    def seen() -> Any:
        shape = (members, *learner.observations.shape)
        if learner.observations.crop is None:
            return rng.normal(size=shape).astype(np.float32)
        return rng.integers(0, 256, shape, dtype=np.uint8)

    learner.begin(seen(), every)
    for step in range(steps):
        reward = rng.uniform(size=members).astype(np.float32)
        learner.append(learner.random_actions(step), reward, ~every, seen(), ~every)


class _Allocations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Bytes of the tensors that torch makes meanwhile; `peak`: of those that were there at once."""

    def __init__(self, there: Sequence[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._counted = {tensor.untyped_storage()._cdata for tensor in there}
        self._now = self.peak = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Torch's own switch. By default it imports its compiler here, which takes seconds at every start."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                self._count(leaf.untyped_storage())
        return result

    def _count(self, storage: Any) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key in self._counted:
            return
        self._counted.add(key)
        self._now += size
        self.peak = max(self.peak, self._now)
        weakref.finalize(storage, self._free, key, size)

    def _free(self, key: int, size: int) -> None:
        self._counted.discard(key)
        self._now -= size

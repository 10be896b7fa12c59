"""The slots of several stacks as one, each stack in a process of its own: so a CPU's cores all work.

An update of small networks is thousands of small operations. Threads don't speed these up, processes do: a
stack of half the members on each of two cores takes half as long. All stacks take a tick together, so what
comes out doesn't depend on which was faster; a member's neighbours are those of its stack.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from a2ls_dsl import plugins
from a2ls_dsl.rl.envs.pool import usable_cores
from a2ls_dsl.rl.runs.training import Member, TrainedNetworks, Training
from a2ls_dsl.rl.slots.evaluation import Score
from a2ls_dsl.rl.slots.parts import Running
from a2ls_dsl.rl.slots.slot_sets import State, divided, joined
from a2ls_dsl.rl.slots.slots import Slots
from a2ls_dsl.rl.slots.stack_process import Ask, StackProcess, report

WORTH = 20_000
"""Member-updates that pay for the start of one more process."""


def stacks_for(training: Training, members: int, device: str) -> int:
    """How many stacks train that many members best: on a CPU one a core, if each has enough to do.

    Convolutions divide among threads, so that members that see frames share one. Operators and functions
    that this program has registered, but for those of plugins, are known to this process alone.
    """
    if device != "cpu" or not training.sees_vectors or not plugins.hold_all_words():
        return 1
    return max(1, min(usable_cores(), members, members * training.steps // WORTH))


class Stacks:
    """Slots in `stacks` stacks; slot i is one of stack i modulo `stacks`. The first is in this process.

    What it can do is what `Slots` can; the workers are divided among the stacks. first: the stack in this
    process, all of it where there is one. A context manager that ends the processes; they end with this one
    in any case. Raises `A2lError` where a stack can't be made, or its process dies.
    """

    def __init__(
        self,
        training: Training,
        members: Sequence[Member | None],
        running: Running | None = None,
        stacks: int | None = None,
    ) -> None:
        self.training, self.members, self._running = training, list(members), running or Running()
        self._threads = torch.get_num_threads()
        self._open(stacks or stacks_for(training, len(members), self._running.device))

    def _open(self, count: int) -> None:
        size, cores = len(self.members), usable_cores()
        self.count = count = min(count, size)
        self.busy = np.array([member is not None for member in self.members])
        self.frames = np.zeros(size, np.int64)
        self.last_return = np.full(size, np.nan)
        threads = min(self._threads, max(1, cores // count)) if count > 1 else self._threads
        torch.set_num_threads(threads)
        shared = max(1, (self._running.workers or cores) // count) if count > 1 else self._running.workers
        running = replace(self._running, workers=shared, stacks=count)
        self._places = [np.arange(number, size, count) for number in range(count)]
        self._others = list[StackProcess]()
        repeats = torch.are_deterministic_algorithms_enabled()
        try:
            for places in self._places[1:]:
                own = [self.members[slot] for slot in places]
                self._others.append(StackProcess(threads, self.training, own, running, repeats))
            self.first = Slots(self.training, self.members[::count], running)
            self.memory_bytes = self.first.memory_bytes + sum(other.answer() for other in self._others)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the processes."""
        if hasattr(self, "first"):
            self.first.close()
        for other in self._others:
            other.close()
        torch.set_num_threads(self._threads)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def evaluating(self) -> bool:
        """Whether any evaluation has begun and not ended."""
        return self.first.evaluating or any(other.evaluating for other in self._others)

    @property
    def replaced(self) -> list[str]:
        """A sentence for every worker process that was replaced so far."""
        return [*self.first.replaced, *(text for other in self._others for text in other.replaced)]

    def trained(self, slot: int) -> TrainedNetworks:
        """What acted in the last evaluation of a slot, until another member takes it."""
        stack, place = slot % self.count, slot // self.count
        if stack == 0:
            return self.first.trained(place)
        self._others[stack - 1].ask(Ask.TRAINED, place)
        networks: TrainedNetworks = self._others[stack - 1].answer()
        return networks

    def free(self) -> list[int]:
        """The slots that can be filled."""
        return [slot for slot, member in enumerate(self.members) if member is None]

    def lost(self) -> list[int]:
        """The slots whose members were lost: none, or all is lost."""
        return []

    def fill(self, slot: int, member: Member) -> None:
        """Give a free slot to a member; it begins at the next tick, or at one soon after."""
        self.members[slot] = member
        stack, place = slot % self.count, slot // self.count
        if stack == 0:
            self.first.fill(place, member)
        else:
            self._others[stack - 1].fill(place, member)

    def clear(self, slot: int) -> None:
        """Take a member out, whatever it is doing; the slot is free."""
        self.members[slot], self.busy[slot] = None, False
        stack, place = slot % self.count, slot // self.count
        if stack == 0:
            self.first.clear(place)
        else:
            self._others[stack - 1].clear(place)

    def tick(self) -> list[Score]:
        """One agent step and one update of every member, as `Slots.tick`."""
        for other in self._others:
            other.ask(Ask.TICK)
        return self._collect(self.first.tick())

    def evaluate(self) -> list[Score]:
        """One step of the evaluations alone; gives those that ended."""
        for other in self._others:
            other.ask(Ask.EVALUATE)
        return self._collect(self.first.evaluate())

    def _collect(self, own: list[Score]) -> list[Score]:
        reports = [report(self.first, own), *(other.report() for other in self._others)]
        scores = list[Score]()
        for places, news in zip(self._places, reports, strict=True):
            self.busy[places], self.frames[places] = news.busy, news.frames
            self.last_return[places] = news.last_return
            scores += [replace(score, member=int(places[score.member])) for score in news.scores]
        for score in scores:
            if score.frames == self.training.frames:
                self.members[score.member] = None
        return sorted(scores, key=lambda score: score.member)

    def rest(self) -> bool:
        """All stand still between two ticks."""
        return True

    @property
    def about(self) -> dict[str, object]:
        """What has to be equal for other slots to take over a state of these."""
        running = self._running
        return {"slots": len(self.members), "exact": running.exact, "device": running.device}

    def state(self) -> State:
        """Everything that a later process needs to go on with the same members, as arrays and JSON values."""
        for other in self._others:
            other.ask(Ask.STATE)
        own = self.first.state()
        return joined([own, *(other.answer() for other in self._others)]) if self._others else own

    def restore(self, arrays: Mapping[str, NDArray[Any]], values: Mapping[str, Any]) -> None:
        """Take over a state that `state` of equal slots returned, in as many stacks as there were."""
        parts = [part for part in divided(arrays, values) if part]
        if len(parts) != self.count:
            self.close()
            self._open(len(parts))
        for other, part in zip(self._others, parts[1:], strict=True):
            other.ask(Ask.RESTORE, *part)
        self.first.restore(*parts[0])
        taken = [self.first.members, *(other.answer() for other in self._others)]
        for places, members in zip(self._places, taken, strict=True):
            for slot, member in zip(places, members, strict=True):
                self.members[slot] = member
        for other in self._others:
            other.ask(Ask.LOOK)
        self._collect([])

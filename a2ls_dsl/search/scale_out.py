"""A search on many machines: an actor on each GPU of a Ray cluster holds a stack, the study stays in place.

`RayStacks` looks like one large set of slots: the search's loop fills and clears them as those of a stack in
its own process. What an actor does for it takes many ticks a call, so that messages are few; where all have
done that and rest, their state can be stored. What a lost actor was training is reported, to be trained
again, and another actor takes its place. Where none has room, or one after the other dies, the search ends
with an error; what was stored stays.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from a2ls_dsl import plugins
from a2ls_dsl.diagnostics import A2lError, reason
from a2ls_dsl.rl.replay.rings import Memory, Rows, Sent
from a2ls_dsl.rl.runs.training import Member, TrainedNetworks, Training
from a2ls_dsl.rl.slots.evaluation import Score
from a2ls_dsl.rl.slots.parts import Running
from a2ls_dsl.rl.slots.slot_sets import State, divided, joined
from a2ls_dsl.search.stack_actor import Report, StackActor

WAIT_SECONDS = 1.0
CONNECT_SECONDS = 5.0

SILENT_SECONDS = 600.0
"""How long all stacks may give no answer: so long may machines take to join the cluster, or to come back."""

DEATHS = 3
"""Of a stack's actors, one after the other before a score, until the search ends."""


@dataclass(frozen=True)
class Cluster:
    """Where a search runs: `address` of a Ray cluster, or `local`; stacks: how many actors; gpus: of each."""

    address: str = "local"
    stacks: int = 1
    gpus: float = 0.0


@dataclass
class _Stack:
    """The driver's view of an actor: its number, what it is to do next, what it is doing.

    memory_bytes: 0 until it has started; deaths: of actors in its place since the last score; rings: what is
    stored of its rings of frames.
    """

    number: int
    actor: Any = None
    memory_bytes: int = 0
    deaths: int = 0
    fills: dict[int, Member] = field(default_factory=dict)
    clears: list[int] = field(default_factory=list)
    doing: Any = None
    members: set[int] = field(default_factory=set)
    rings: dict[str, Memory] = field(default_factory=dict)

    def orders(self) -> tuple[dict[int, Member], list[int]]:
        """Whom to fill in and which slots to clear, to be passed on: nothing is left to do then."""
        orders = self.fills, self.clears
        self.fills, self.clears = {}, []
        return orders


class RayStacks:
    """The slots of all stacks as one. A context manager; see `Slots` for what it can do."""

    def __init__(self, training: Training, slots: int, cluster: Cluster, running: Running) -> None:
        """slots: of each stack."""
        self._ray: Any = _ray(cluster.address)
        self._actor = self._ray.remote(StackActor).options(num_gpus=cluster.gpus)
        self._stack = training, slots, running, list(plugins.loaded())
        self._size, self._silent = slots, 0.0
        self._stacks = [_Stack(number) for number in range(cluster.stacks)]
        self._resting = False
        self._lost: list[int] = []
        self._trained: dict[int, TrainedNetworks] = {}
        self.replaced: list[str] = []  # a sentence for every actor that was, and for every worker of theirs
        self.busy = np.zeros(slots * cluster.stacks, np.bool_)
        self.frames = np.zeros(slots * cluster.stacks, np.int64)
        try:
            for stack in self._stacks:
                self._start(stack)
            while not all(stack.memory_bytes for stack in self._stacks):
                self.tick()
        except BaseException:
            self._ray.shutdown()
            raise
        self.memory_bytes = sum(stack.memory_bytes for stack in self._stacks)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for stack in self._stacks:
            self._ray.kill(stack.actor)
        self._ray.shutdown()

    def free(self) -> list[int]:
        """The slots that can be filled."""
        return [
            self._slot(stack, place)
            for place in range(self._size)
            for stack in self._stacks
            if stack.memory_bytes and place not in stack.members
        ]

    def fill(self, slot: int, member: Member) -> None:
        """Give a free slot to a member; it begins when its stack is next told what to do."""
        stack, place = self._at(slot)
        stack.fills[place] = member
        stack.members.add(place)

    def clear(self, slot: int) -> None:
        """Take a member out; calling it for a free slot does nothing."""
        stack, place = self._at(slot)
        if place in stack.members:
            stack.members.discard(place)
            if stack.fills.pop(place, None) is None:
                stack.clears.append(place)

    def trained(self, slot: int) -> TrainedNetworks:
        """See `Slots.trained`; to be asked once."""
        return self._trained.pop(slot)

    def tick(self) -> list[Score]:
        """Tell idle stacks what to do, and wait a moment for one that has done it.

        Raises `A2lError` where none gives an answer for long, or a stack can't be kept alive.
        """
        for stack in self._stacks:
            if stack.doing is None and not self._resting and (stack.members or stack.clears):
                stack.doing = stack.actor.advance.remote(*stack.orders())
        doing = {stack.doing: stack for stack in self._stacks if stack.doing is not None}
        if not doing:
            time.sleep(0.01)
            return []
        ready, _ = self._ray.wait(list(doing), num_returns=1, timeout=WAIT_SECONDS)
        # A wait counts for as long as it was meant to last: this process may have been stopped meanwhile.
        self._silent = 0.0 if ready else self._silent + WAIT_SECONDS
        if self._silent > SILENT_SECONDS:
            raise self._failed(f"no stack on the cluster gave an answer for {SILENT_SECONDS:g} s")
        return [score for done in ready for score in self._collect(doing[done], done)]

    @property
    def about(self) -> dict[str, object]:
        """What has to be equal for other slots to take over a state of these."""
        _, _, running, _ = self._stack
        about = {"slots": len(self.busy), "exact": running.exact, "device": running.device}
        return about | {"stacks": len(self._stacks)}

    def rest(self) -> bool:
        """Whether all stacks that have started stand still; none goes on until `state` is asked for."""
        self._resting = True
        return not any(stack.doing is not None for stack in self._stacks if stack.memory_bytes)

    def state(self) -> State:
        """Everything that equal slots need to go on with the same members, once the stacks rest.

        Raises `A2lError` where a stack is lost meanwhile.
        """
        self._resting = False
        there = [stack for stack in self._stacks if stack.memory_bytes]
        known = ({name: ring.known for name, ring in stack.rings.items()} for stack in there)
        calls = zip(there, known, strict=True)
        asked = [stack.actor.state.remote(*stack.orders(), rings) for stack, rings in calls]
        parts: list[State | None] = [None] * len(self._stacks)
        for stack, (arrays, values) in zip(there, self._answers(asked, "stored"), strict=True):
            for name, array in arrays.items():
                if isinstance(array, Rows):
                    arrays[name] = Sent(array, stack.rings.setdefault(name, Memory()))
            parts[stack.number] = arrays, values
        return joined(parts)

    def restore(self, arrays: Mapping[str, NDArray[Any]], values: Mapping[str, Any]) -> None:
        """Take over what `state` of as many stacks returned; raises `A2lError` where one is lost."""
        there = [
            (stack, part) for stack, part in zip(self._stacks, divided(arrays, values), strict=True) if part
        ]
        asked = [stack.actor.restore.remote(*part) for stack, part in there]
        for (stack, _), taken in zip(there, self._answers(asked, "taken up"), strict=True):
            stack.members = set(taken)

    def _answers(self, asked: Sequence[Any], what: str) -> list[Any]:
        try:
            answers: list[Any] = self._ray.get(list(asked), timeout=SILENT_SECONDS)
        except self._ray.exceptions.RayError as error:
            raise self._failed(f"a stack on the cluster was lost while its place was {what}") from error
        return answers

    def lost(self) -> list[int]:
        """The slots whose members were lost with their actor since the last call; they are free."""
        lost, self._lost = self._lost, []
        return lost

    def _start(self, stack: _Stack) -> None:
        """Put an actor in a stack's place; the cluster starts it as soon as it has room."""
        stack.actor = self._actor.remote()
        stack.doing = stack.actor.start.remote(*self._stack)

    def _collect(self, stack: _Stack, done: Any) -> list[Score]:
        stack.doing = None
        try:
            answer: Report | int = self._ray.get(done)
        except self._ray.exceptions.RayTaskError as error:
            cause = error.as_instanceof_cause()
            if isinstance(cause, A2lError):
                raise A2lError(cause.message, cause.fix) from None
            raise
        except self._ray.exceptions.RayError as error:
            self._replace(stack, str(error).strip().splitlines()[-1].strip())
            return []
        if isinstance(answer, int):
            stack.memory_bytes = answer
            return []
        own = self._slots_of(stack)
        self.busy[own], self.frames[own] = answer.busy, answer.frames
        self.replaced += answer.replaced
        self._trained |= {self._slot(stack, place): networks for place, networks in answer.trained.items()}
        if answer.scores:
            stack.deaths = 0
        return [replace(score, member=self._slot(stack, score.member)) for score in answer.scores]

    def _replace(self, stack: _Stack, reason: str) -> None:
        """Another actor takes the place of one that is lost, with empty slots."""
        self._ray.kill(stack.actor)  # should it only be out of reach
        self._lost += [self._slot(stack, place) for place in sorted(stack.members)]
        self.busy[self._slots_of(stack)] = False
        stack.members, stack.fills, stack.clears, stack.rings = set(), {}, [], {}
        stack.memory_bytes, stack.deaths = 0, stack.deaths + 1
        if stack.deaths >= DEATHS:
            raise self._failed(f"a stack on the cluster died {DEATHS} times before it had a score: {reason}")
        self._start(stack)
        self.replaced.append(
            f"a stack on the cluster was lost ({reason}): what it trained begins anew in another"
        )

    def _failed(self, message: str) -> A2lError:
        started = sum(bool(stack.memory_bytes) for stack in self._stacks)
        return A2lError(
            f"{message} ({started} of {len(self._stacks)} stacks had started)",
            "`ray status` shows whether there is room for them; every machine needs this package and what "
            "`a2l doctor` asks for; the same command continues from what was stored",
        )

    def _at(self, slot: int) -> tuple[_Stack, int]:
        return self._stacks[slot % len(self._stacks)], slot // len(self._stacks)

    def _slot(self, stack: _Stack, place: int) -> int:
        return place * len(self._stacks) + stack.number

    def _slots_of(self, stack: _Stack) -> slice:
        return slice(stack.number, None, len(self._stacks))


def _ray(address: str) -> Any:
    """The module `ray`, connected. Raises `A2lError` where it isn't installed or can't be reached."""
    try:
        import ray
    except ModuleNotFoundError:
        raise A2lError("Ray is not installed", "pip install 'a2ls-dsl[ray]'") from None
    if address != "local":
        _reach(address)
    try:
        ray.init(
            address,  # `local` starts one, even where another search has started one here
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except Exception as error:  # noqa: BLE001 (a busy machine, too, is told by a bare one)
        raise A2lError(
            f"the Ray cluster `{address}` can't be used: {reason(error)}", "name its address, or `local`"
        ) from None
    return ray


def _reach(address: str) -> None:
    """Raise `A2lError` unless something answers there: Ray itself would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
    except (OSError, ValueError) as error:
        raise A2lError(
            f"the Ray cluster `{address}` can't be reached: {error}",
            "name it as HOST:PORT, as `ray status` on it says, or `local` to start one here",
        ) from None

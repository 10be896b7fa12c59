"""Which slot's member is computed where: in which stack, and in which of its rows.

In exact mode every member has a stack of its own; otherwise one stack holds all. A row takes a CPU its time
whether or not a member is in it, so that one stack can be made as wide as it has members.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence

from a2ls_dsl.lang.syntax.tree import Loss
from a2ls_dsl.rl.agent import Agent
from a2ls_dsl.rl.compute.capturable import Looks
from a2ls_dsl.rl.replay.buffer import Replay
from a2ls_dsl.rl.replay.observations import Observations
from a2ls_dsl.rl.settings import Computation

Make = Callable[[Sequence[Loss | None], Sequence[int]], tuple[Agent, Replay]]
"""What makes a stack of members with these losses and seeds, and its replay."""


def narrows(
    refill: bool, device: str, observations: Observations, exact: bool, computation: Computation
) -> bool:
    """Whether a stack is made as wide as it has members, for which it is there twice for a moment.

    Not where members see frames, of which a memory holds hardly more than one replay, and not where every
    width would be compiled.
    """
    small = device == "cpu" and observations.crop is None
    return refill and small and not (exact or computation.compile)


class Roster:
    """The stacks of a learner and their replays.

    slots: whose members the rows of all stacks are, one stack behind the other; seeds: of all slots.
    looks: see `Agent.split`.
    """

    def __init__(
        self,
        losses: Sequence[Loss | None],
        seeds: Sequence[int],
        make: Make,
        exact: bool = False,
        looks: Looks | None = None,
    ) -> None:
        self.seeds, self.slots = list(seeds), list(range(len(losses)))
        self._exact, self._make, self._looks = exact, make, looks
        width = 1 if exact else len(losses)
        self.parts = [slice(start, start + width) for start in range(0, len(losses), width)]
        pairs = [self._made(losses[part], seeds[part]) for part in self.parts]
        self.stacks, self.replays = [stack for stack, _ in pairs], [replay for _, replay in pairs]

    def _made(self, losses: Sequence[Loss | None], seeds: Sequence[int]) -> tuple[Agent, Replay]:
        stack, replay = self._make(losses, seeds)
        self._split(stack)
        return stack, replay

    def _split(self, stack: Agent) -> None:
        """One loss that no graph can hold doesn't keep the others out of it."""
        if self._looks is not None:
            stack.split(self._looks)

    @property
    def is_whole(self) -> bool:
        """Whether there is a row for every slot."""
        return len(self.slots) == len(self.seeds)

    @property
    def losses(self) -> list[Loss | None]:
        """Of all slots, also of members who have left and whose slots nobody has yet; None without a row."""
        rows = [loss for stack in self.stacks for loss in stack.losses]
        own = dict(zip(self.slots, rows, strict=True))
        return [own.get(slot) for slot in range(len(self.seeds))]

    def place(self, slot: int) -> tuple[int, int]:
        """The stack of a slot's member and its row there."""
        return (slot, 0) if self._exact else (0, self.slots.index(slot))

    def hold(self, losses: Mapping[int, Loss | None], fresh: Container[int] = ()) -> None:
        """Let the one stack have rows for these slots alone, at least for one.

        losses: of their members. Those that are held already go on as they are, but for the `fresh`, who are
        `reset` next.
        """
        slots = sorted(losses)
        if slots == self.slots:
            return
        (old,), (kept,) = self.stacks, self.replays
        stack, replay = self._made([losses[slot] for slot in slots], [self.seeds[slot] for slot in slots])
        for row, slot in enumerate(slots):
            if slot in self.slots and slot not in fresh:
                before = self.slots.index(slot)
                stack.take(row, old, before)
                replay.take(row, kept, before)
        stack.resume(old.ticks)
        self.stacks, self.replays = [stack], [replay]
        self.slots, self.parts = slots, [slice(0, len(slots))]

    def reset(self, slot: int, loss: Loss | None, seed: int) -> bool:
        """Give a slot to a new member; gives whether an update is another computation then."""
        self.seeds[slot] = seed
        number, row = self.place(slot)
        if self._exact:
            # The memory of the one before is free again before there is another.
            ticks = self.stacks.pop(number).ticks
            del self.replays[number]
            stack, replay = self._made([loss], [seed])
            stack.ticks = ticks
            stack.active[0] = False
            self.stacks.insert(number, stack)
            self.replays.insert(number, replay)
            return False
        stack = self.stacks[number]
        moved = stack.refit(row, loss)
        stack.reset(row, loss, seed)
        self._split(stack)
        self.replays[number].reset(row, int(stack.horizon[row]))
        return moved

    def close(self) -> None:
        """Let go of stacks and replays."""
        self.stacks.clear()
        self.replays.clear()

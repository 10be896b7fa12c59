"""All members of a plan as one learner: a single stack, or in exact mode a stack for each member.

In one stack a member's sums run over rows as wide as the widest neighbour's, so its last digits depend on
who the neighbours are, and Adam magnifies them where a gradient is all rounding. Where results must repeat
bit for bit in any company, members are computed one by one; the price is speed. Which member is computed
where is in the `Roster`.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from a2ls_dsl.backend.counter_rng import CounterRng, Purpose
from a2ls_dsl.lang.syntax.tree import Loss
from a2ls_dsl.rl.agent import Agent, Parts
from a2ls_dsl.rl.agents import AgentSettings, make_agent
from a2ls_dsl.rl.compute.capturable import Looks
from a2ls_dsl.rl.compute.capture import Captured
from a2ls_dsl.rl.compute.fusion import begin_fusing
from a2ls_dsl.rl.compute.memory import keep_freed_memory
from a2ls_dsl.rl.networks.convolutions import choose
from a2ls_dsl.rl.replay.buffer import Replay
from a2ls_dsl.rl.replay.observations import Observations
from a2ls_dsl.rl.settings import Computation
from a2ls_dsl.rl.slots import learner_state
from a2ls_dsl.rl.slots.learner_state import Arrays
from a2ls_dsl.rl.slots.roster import Roster, narrows


class Learner:
    """Stacks and their replay buffers; members are in the order of `losses` throughout.

    rows: of replay a member; action: size of an action. refill: slots may be given to other members, by
    `reset`. action_repeat: see `Agent`. Slots that have no row (see `hold`) do nothing: their actions are 0.
    narrows: whether it is faster to `hold` only who is there.
    """

    def __init__(
        self,
        losses: Sequence[Loss | None],
        seeds: Sequence[int],
        observations: Observations,
        action: int,
        rows: int,
        settings: AgentSettings,
        device: str = "cpu",
        exact: bool = False,
        computation: Computation | None = None,
        refill: bool = False,
        action_repeat: int = 1,
    ) -> None:
        self.device, self.observations, self.exact = device, observations, exact
        computation = computation or Computation()
        self._rng = CounterRng(torch.tensor(list(seeds), dtype=torch.int64))
        kind = torch.device(device).type
        self._on_cpu = kind == "cpu"
        capture = computation.capture and not (exact and refill)
        if self._on_cpu:
            keep_freed_memory()
        looks = Looks(settings, observations, action) if capture and kind == "cuda" else None
        self.narrows = narrows(refill, device, observations, exact, computation)

        def make(losses: Sequence[Loss | None], seeds: Sequence[int]) -> tuple[Agent, Replay]:
            stack = make_agent(settings, losses, seeds, observations, action, device, computation)
            stack.action_repeat = action_repeat
            if observations.crop is not None and stack.device.type == "cuda":
                with stack.arithmetic():
                    choose(stack, settings.batch_size, observations.seen, stack.members)
            return stack, stack.make_replay(rows)

        if computation.compile:
            begin_fusing(len(losses) if exact else 1)
        self.roster = Roster(losses, seeds, make, exact, looks)
        self._update = Captured[None](device, capture)
        self._update_apart = Captured[None](device, enabled=False)
        self._append = Captured[None](device, capture)
        self._act = Captured[Tensor](device, capture)
        self._act_frozen = Captured[Tensor](device, capture)

    def close(self) -> None:
        """Let go of graphs, stacks and replays: it can't be used any more, and their memory is free."""
        for graphs in (self._update, self._append, self._act, self._act_frozen):
            graphs.close()
        self.roster.close()

    @property
    def stacks(self) -> list[Agent]:
        """In exact mode one a member, otherwise one."""
        return self.roster.stacks

    @property
    def replays(self) -> list[Replay]:
        """One a stack."""
        return self.roster.replays

    @property
    def members(self) -> int:
        """How many members, or slots for them."""
        return len(self.seeds)

    @property
    def seeds(self) -> list[int]:
        """Of all members."""
        return self.roster.seeds

    @property
    def losses(self) -> list[Loss | None]:
        """See `Roster.losses`."""
        return self.roster.losses

    @property
    def updates(self) -> int:
        """The number of the next update: it says which parts take part in it."""
        return self.stacks[0].ticks

    def hold(self, losses: Mapping[int, Loss | None], fresh: Container[int] = ()) -> None:
        """Compute these slots' members alone; see `Roster.hold`."""
        self.roster.hold(losses, fresh)

    def reset(self, member: int, loss: Loss | None, seed: int) -> None:
        """Give a slot to a new member, which learns from its `activate` on. No neighbour is disturbed."""
        self._rng.reseed(member, seed)
        if self.roster.reset(member, loss, seed):
            self._update.renew()

    def refill(self, losses: Sequence[Loss | None], seeds: Sequence[int]) -> None:
        """Give the slots to these members, where others have them."""
        for member in self.roster.slots:
            loss, seed = losses[member], seeds[member]
            if (loss, seed) != (self.losses[member], self.seeds[member]):
                self.reset(member, loss, seed)

    def activate(self, member: int) -> None:
        """Let a member learn from the next update on."""
        part, row = self.roster.place(member)
        self.stacks[part].activate(row)

    def deactivate(self, member: int) -> None:
        """Leave a member out of all updates from now on."""
        if member in self.roster.slots:
            part, row = self.roster.place(member)
            self.stacks[part].deactivate(row)

    def act(
        self, observation: NDArray[Any], counter: NDArray[np.int64], random: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        """Actions (members, action) for each member's step `counter`: the policy's, or uniform ones."""
        seen, counts, uniform = self._rows(observation, counter, random)
        # Whether any action is drawn, and whether nobody asks a policy.
        drawn = bool(uniform.any()), bool(uniform.all())
        return self._of_slots(self._act(self._run_act, drawn, seen, counts, uniform))

    def random_actions(self, step: int) -> NDArray[np.float32]:
        """Uniform actions (members, action) for a step."""
        return self._of_slots(torch.cat([stack.random_action(step) for stack in self.stacks]))

    def act_frozen(
        self, observation: NDArray[Any], counter: NDArray[np.int64] | None = None
    ) -> NDArray[np.float32]:
        """Actions (members, action) of the policies as they were at the last `freeze`, as they are evaluated.

        counter: (members,) numbers of the steps, for policies that draw; 0 by default.
        """
        if counter is None:
            counter = np.zeros(self.members, np.int64)
        return self._of_slots(self._act_frozen(self._run_act_frozen, None, *self._rows(observation, counter)))

    def freeze(self, members: Iterable[int] | None = None) -> None:
        """Keep policies (by default all) as they are now, to be evaluated while training goes on."""
        for member in self.roster.slots if members is None else members:
            part, row = self.roster.place(member)
            self.stacks[part].freeze([row])

    def policy(self, member: int) -> Arrays:
        """The frozen networks that act for a member, as in a stack of one."""
        part, row = self.roster.place(member)
        stack = self.stacks[part]
        return {
            f"{name}/{key}": value[row : row + 1].cpu().numpy().copy()
            for name in stack.ACTING
            for key, value in getattr(stack, f"frozen_{name}").state_dict().items()
        }

    def begin(self, observation: NDArray[Any], where: NDArray[np.bool_]) -> None:
        """Start an episode of the members in the mask."""
        seen, mask = (rows.to(self.device) for rows in self._rows(observation, where))
        for replay, part in zip(self.replays, self.roster.parts, strict=True):
            replay.begin(seen[part], mask[part])

    def append(self, *step: NDArray[Any]) -> None:
        """Store one step of every member: the arguments of `Replay.append`."""
        self._append(self._run_append, None, *self._rows(*step))

    def update(self) -> None:
        """One gradient update of every active member."""
        parts = tuple(stack.parts_due for stack in self.stacks)
        self._update(self._run_update, parts)
        if any(stack.is_split for stack in self.stacks):
            self._update_apart(self._run_apart, parts)
        for stack in self.stacks:
            stack.ticks += 1

    def skip(self, updates: int) -> None:
        """Count that many updates without making them: nobody learns yet."""
        for stack in self.stacks:
            stack.ticks += updates

    def finite(self, members: Sequence[int] | None = None) -> NDArray[np.bool_]:
        """(M,) whether the policy of each of these members, by default of all, is finite."""
        members = self.roster.slots if members is None else members
        if self.exact:
            return np.array([bool(self.stacks[member].finite()) for member in members], np.bool_)
        rows = [self.roster.place(member)[1] for member in members]
        return np.asarray(self.stacks[0].finite(rows).cpu().numpy())

    def pop_metrics(self, member: int) -> dict[str, float]:
        """A member's means since the last call, by name."""
        part, row = self.roster.place(member)
        return self.stacks[part].metrics.pop(row)

    def episode_seeds(self, purpose: Purpose, number: NDArray[np.int64]) -> NDArray[np.int64]:
        """(members,) seeds of the episodes with these numbers: a function of each member's own seed."""
        bits = self._rng.bits(purpose, torch.as_tensor(number), 1)[:, 0]
        return np.asarray((bits & 0xFFFFFFFF).numpy())

    def state(self) -> Arrays:
        """Everything the learner knows, as arrays."""
        return learner_state.arrays_of(self.stacks, self.replays)

    def restore(self, arrays: Mapping[str, NDArray[np.generic]]) -> None:
        """Take over what `state` of an equal learner returned, or of one that kept fewer rows of replay."""
        if learner_state.restore(self.stacks, self.replays, arrays):
            self._update.renew()

    def _rows(self, *arrays: NDArray[Any]) -> tuple[Tensor, ...]:
        """What belongs to the rows of the stacks, of arrays with an axis of slots first."""
        whole, slots = self.roster.is_whole, self.roster.slots
        return tuple(torch.as_tensor(array if whole else array[slots]) for array in arrays)

    def _of_slots(self, rows: Tensor) -> NDArray[np.float32]:
        """Numbers of all rows as those of all slots, 0 for slots without a row; waits for the device."""
        own = np.asarray(rows.cpu().numpy())
        if self.roster.is_whole:
            return own
        array = np.zeros((self.members, *own.shape[1:]), own.dtype)
        array[self.roster.slots] = own
        return array

    # What is captured. The first argument is the variant.

    def _run_update(self, parts: tuple[Parts, ...]) -> None:
        for due, stack, replay in zip(parts, self.stacks, self.replays, strict=True):
            if not (self._on_cpu and stack.is_idle):
                stack.run_update(due, replay)

    def _run_apart(self, parts: tuple[Parts, ...]) -> None:
        for (*_, auxiliary), stack, replay in zip(parts, self.stacks, self.replays, strict=True):
            if auxiliary and stack.is_split:
                stack.run_apart(replay)

    def _run_append(self, _: None, *step: Tensor) -> None:
        for replay, part in zip(self.replays, self.roster.parts, strict=True):
            replay.append(*(tensor[part] for tensor in step))

    def _run_act(self, drawn: tuple[bool, bool], seen: Tensor, counter: Tensor, random: Tensor) -> Tensor:
        """drawn: whether any action is a uniform one, and whether all are."""
        actions, (some, all_of_them) = list[Tensor](), drawn
        for stack, part in zip(self.stacks, self.roster.parts, strict=True):
            if all_of_them:
                actions.append(stack.random_action(counter[part]))
                continue
            action = stack.act(seen[part], counter[part])
            if some:
                action = torch.where(random[part, None], stack.random_action(counter[part]), action)
            actions.append(action)
        return torch.cat(actions)

    def _run_act_frozen(self, _: None, seen: Tensor, counter: Tensor) -> Tensor:
        pairs = zip(self.stacks, self.roster.parts, strict=True)
        return torch.cat([stack.act_frozen(seen[part], counter[part]) for stack, part in pairs])

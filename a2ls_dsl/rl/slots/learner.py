"""All members of a plan as one learner: a single stack, or in exact mode a stack for each member.

In one stack a member's sums run over rows as wide as the widest neighbour's, so its last digits depend on
who the neighbours are, and Adam magnifies them where a gradient is all rounding. Where results must repeat
bit for bit in any company, members are computed one by one; the price is speed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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


class Learner:
    """Stacks and their replay buffers; members are in the order of `losses` throughout.

    rows: of replay a member; action: size of an action. refill: slots may be given to other members, by
    `reset`. action_repeat: see `Agent`.
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
        if torch.device(device).type == "cpu":
            keep_freed_memory()
        self._action_repeat = action_repeat
        self.device, self.observations, self.exact = device, observations, exact
        self._action, self._rows, self._settings = action, rows, settings
        self._computation = computation or Computation()
        self._refill = refill
        self.seeds = list(seeds)
        self._rng = CounterRng(torch.tensor(self.seeds, dtype=torch.int64))
        width = 1 if exact else len(losses)
        self.parts = [slice(start, start + width) for start in range(0, len(losses), width)]
        if self._computation.compile:
            begin_fusing(len(self.parts))
        self.stacks, self.replays = list[Agent](), list[Replay]()
        capture = self._computation.capture and not (exact and refill)
        self._looks = Looks(settings, observations, action)
        self._splits = capture and torch.device(device).type == "cuda"
        for part in self.parts:
            stack, replay = self._made(losses[part], seeds[part])
            self.stacks.append(stack)
            self.replays.append(replay)
        self._update = Captured[None](device, capture)
        self._update_apart = Captured[None](device, enabled=False)
        self._append = Captured[None](device, capture)
        self._act = Captured[Tensor](device, capture)
        self._act_frozen = Captured[Tensor](device, capture)

    def _made(self, losses: Sequence[Loss | None], seeds: Sequence[int]) -> tuple[Agent, Replay]:
        stack = make_agent(
            self._settings,
            losses,
            seeds,
            self.observations,
            self._action,
            self.device,
            self._computation,
        )
        stack.action_repeat = self._action_repeat
        self._split(stack)
        if self.observations.crop is not None and stack.device.type == "cuda":
            with stack.arithmetic():
                choose(stack, self._settings.batch_size, self.observations.seen, stack.members)
        return stack, stack.make_replay(self._rows)

    def _split(self, stack: Agent) -> None:
        """One loss that no graph can hold doesn't keep the others out of it."""
        if self._splits:
            stack.split(self._looks)

    def close(self) -> None:
        """Let go of graphs, stacks and replays: it can't be used any more, and their memory is free."""
        for graphs in (self._update, self._append, self._act, self._act_frozen):
            graphs.close()
        self.stacks.clear()
        self.replays.clear()

    @property
    def members(self) -> int:
        """How many members, or slots for them."""
        return self.parts[-1].stop

    @property
    def updates(self) -> int:
        """The number of the next update: it says which parts take part in it."""
        return self.stacks[0].ticks

    def reset(self, member: int, loss: Loss | None, seed: int) -> None:
        """Give a slot to a new member, which learns from its `activate` on. No neighbour is disturbed."""
        self._rng.reseed(member, seed)
        self.seeds[member] = seed
        if self.exact:
            # The memory of the one before is free again before there is another.
            ticks = self.stacks.pop(member).ticks
            del self.replays[member]
            stack, replay = self._made([loss], [seed])
            stack.ticks = ticks
            stack.active[0] = False
            self.stacks.insert(member, stack)
            self.replays.insert(member, replay)
        else:
            stack = self.stacks[0]
            if stack.refit(member, loss):
                self._update.renew()
            stack.reset(member, loss, seed)
            self._split(stack)
            self.replays[0].reset(member, int(stack.horizon[member]))

    @property
    def losses(self) -> list[Loss | None]:
        """Of all members, also of those who have left and whose slots nobody has yet."""
        return [loss for stack in self.stacks for loss in stack.losses]

    def refill(self, losses: Sequence[Loss | None], seeds: Sequence[int]) -> None:
        """Give the slots to these members, where others have them."""
        for member, (loss, seed) in enumerate(zip(losses, seeds, strict=True)):
            if (loss, seed) != (self.losses[member], self.seeds[member]):
                self.reset(member, loss, seed)

    def activate(self, member: int) -> None:
        """Let a member learn from the next update on."""
        part, place = self._place(member)
        self.stacks[part].activate(place)

    def deactivate(self, member: int) -> None:
        """Leave a member out of all updates from now on."""
        part, place = self._place(member)
        self.stacks[part].deactivate(place)

    def act(
        self, observation: NDArray[Any], counter: NDArray[np.int64], random: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        """Actions (members, action) for each member's step `counter`: the policy's, or uniform ones."""
        # Whether any action is drawn, and whether nobody asks a policy.
        drawn = bool(random.any()), bool(random.all())
        return _host(self._act(self._run_act, drawn, _tensor(observation), _tensor(counter), _tensor(random)))

    def random_actions(self, step: int) -> NDArray[np.float32]:
        """Uniform actions (members, action) for a step."""
        return _host(torch.cat([stack.random_action(step) for stack in self.stacks]))

    def act_frozen(
        self, observation: NDArray[Any], counter: NDArray[np.int64] | None = None
    ) -> NDArray[np.float32]:
        """Actions (members, action) of the policies as they were at the last `freeze`, as they are evaluated.

        counter: (members,) numbers of the steps, for policies that draw; 0 by default.
        """
        if counter is None:
            counter = np.zeros(self.members, np.int64)
        return _host(self._act_frozen(self._run_act_frozen, None, _tensor(observation), _tensor(counter)))

    def freeze(self, members: Iterable[int] | None = None) -> None:
        """Keep policies (by default all) as they are now, to be evaluated while training goes on."""
        for member in range(self.members) if members is None else members:
            part, place = self._place(member)
            self.stacks[part].freeze([place])

    def policy(self, member: int) -> Arrays:
        """The frozen networks that act for a member, as in a stack of one."""
        part, place = self._place(member)
        stack = self.stacks[part]
        return {
            f"{name}/{key}": value[place : place + 1].cpu().numpy().copy()
            for name in stack.ACTING
            for key, value in getattr(stack, f"frozen_{name}").state_dict().items()
        }

    def begin(self, observation: NDArray[Any], where: NDArray[np.bool_]) -> None:
        """Start an episode of the members in the mask."""
        seen, mask = _tensor(observation).to(self.device), _tensor(where).to(self.device)
        for replay, part in zip(self.replays, self.parts, strict=True):
            replay.begin(seen[part], mask[part])

    def append(self, *step: NDArray[Any]) -> None:
        """Store one step of every member: the arguments of `Replay.append`."""
        self._append(self._run_append, None, *map(_tensor, step))

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
        if members is None:
            members = range(self.members)
        if not self.exact:
            return np.asarray(self.stacks[0].finite(members).cpu().numpy())
        return np.array([bool(self.stacks[member].finite()) for member in members], np.bool_)

    def pop_metrics(self, member: int) -> dict[str, float]:
        """A member's means since the last call, by name."""
        part, place = self._place(member)
        return self.stacks[part].metrics.pop(place)

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

    def _place(self, member: int) -> tuple[int, int]:
        """A member's stack and its place there."""
        return (member, 0) if self.exact else (0, member)

    # What is captured. The first argument is the variant.

    def _run_update(self, parts: tuple[Parts, ...]) -> None:
        for due, stack, replay in zip(parts, self.stacks, self.replays, strict=True):
            stack.run_update(due, replay)

    def _run_apart(self, parts: tuple[Parts, ...]) -> None:
        for (*_, auxiliary), stack, replay in zip(parts, self.stacks, self.replays, strict=True):
            if auxiliary and stack.is_split:
                stack.run_apart(replay)

    def _run_append(self, _: None, *step: Tensor) -> None:
        for replay, part in zip(self.replays, self.parts, strict=True):
            replay.append(*(tensor[part] for tensor in step))

    def _run_act(self, drawn: tuple[bool, bool], seen: Tensor, counter: Tensor, random: Tensor) -> Tensor:
        """drawn: whether any action is a uniform one, and whether all are."""
        actions, (some, all_of_them) = list[Tensor](), drawn
        for stack, part in zip(self.stacks, self.parts, strict=True):
            if all_of_them:
                actions.append(stack.random_action(counter[part]))
                continue
            action = stack.act(seen[part], counter[part])
            if some:
                action = torch.where(random[part, None], stack.random_action(counter[part]), action)
            actions.append(action)
        return torch.cat(actions)

    def _run_act_frozen(self, _: None, seen: Tensor, counter: Tensor) -> Tensor:
        pairs = zip(self.stacks, self.parts, strict=True)
        return torch.cat([stack.act_frozen(seen[part], counter[part]) for stack, part in pairs])


def _tensor(array: NDArray[Any]) -> Tensor:
    return torch.as_tensor(array)


def _host(tensor: Tensor) -> NDArray[np.float32]:
    """The numbers of a tensor; waits for the device."""
    return np.asarray(tensor.cpu().numpy())

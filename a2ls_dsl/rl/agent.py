"""What the engine asks of a learning algorithm, and what all of them share: a stack of members.

One member is a stack of one; there is no other learner. Members never touch each other: parameters have a
leading slot axis, the losses of all members are summed before one backward pass, and random numbers come
from each member's own streams.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from a2ls_dsl.backend.counter_rng import Purpose
from a2ls_dsl.backend.stacked import StackAgent
from a2ls_dsl.backend.stacked.structure import structure_key
from a2ls_dsl.lang.syntax.tree import Loss
from a2ls_dsl.rl.compute.arithmetic import arithmetic
from a2ls_dsl.rl.compute.fusion import fused
from a2ls_dsl.rl.member_stack import MemberStack
from a2ls_dsl.rl.networks.members import of_members
from a2ls_dsl.rl.replay.buffer import Replay

Parts = tuple[bool, ...]
"""Which parts of an algorithm take part in an update; each combination is captured as a graph of its own."""


class Agent(MemberStack):
    """Members that act and learn: what a subclass says of its algorithm, and what it has for that."""

    FUSED: ClassVar[tuple[str, ...]]
    """The parts whose losses, methods `_NAME_losses`, are compiled where that is wanted."""

    @property
    @abstractmethod
    def steps(self) -> Tensor:
        """(members,) agent steps that each member has trained."""

    @abstractmethod
    def estimates(self, latents: Tensor, observations: Tensor, members: Tensor | None = None) -> Tensor:
        """The agents' values (N, M) of latents (N, M, features) and what these are of: see `StackValue`."""

    @abstractmethod
    def make_replay(self, rows: int) -> Replay:
        """An empty replay of `rows` a member that `run_update` can learn from, on the agent's device."""

    @abstractmethod
    def act(self, observation: Tensor, counter: int | Tensor) -> Tensor:
        """Actions (members, action) for observations (members, ...), in training, for step `counter`."""

    @abstractmethod
    def greedy(self, observation: Tensor) -> Tensor:
        """The best actions (members, M, action) of the frozen policies for (members, M, ...): no chance."""

    @abstractmethod
    def act_frozen(self, observation: Tensor, counter: int | Tensor) -> Tensor:
        """The same by the frozen policies, as they are evaluated, for step `counter` of all evaluations."""

    @abstractmethod
    def random_action(self, counter: int | Tensor) -> Tensor:
        """Uniform actions (members, action) for step `counter`."""

    @property
    @abstractmethod
    def parts_due(self) -> Parts:
        """Which parts take part in the next update."""

    @abstractmethod
    def run_update(self, parts: Parts, replay: Replay) -> None:
        """The computation of an update.

        It reads and writes tensors of the stack and the replay in place, and waits for nothing: it can be
        captured as one graph for each combination of `parts_due`, until `refit` says that it is another.
        """

    def split(self, looks: Callable[[Loss], bool]) -> None:
        """From now on updates leave the losses out that look at values, if the agent is a `SplitAgent`."""

    @property
    def is_split(self) -> bool:
        """Whether updates leave losses out."""
        return bool(self._apart)

    def run_apart(self, replay: Replay) -> None:
        """Behind an update: the auxiliary step of the losses that it left out."""

    def update(self, replay: Replay) -> None:
        """One gradient update of every member."""
        self.run_update(self.parts_due, replay)
        self.ticks += 1

    def _losses_of_windows(
        self, replay: Replay, batch: int, encoder: nn.Module, target: nn.Module, apart: bool = False
    ) -> tuple[Tensor, Tensor]:
        """The auxiliary losses (members,) on windows of their own, and which members take a step.

        Those of the paper are compiled where that is wanted; the others come and go while it runs. apart: the
        losses that updates leave out, in place of the others.
        """
        steps, views = self.auxiliary.capacity.windows
        window = replay.sample_windows(self._numbers, self.updates, batch, steps, views, self.is_general)
        able = self._with_windows(replay)
        losses: Tensor = (
            window.reward.new_zeros(self.members) if apart else self._fusible["auxiliary"](self, window)
        )
        if self.auxiliary.general is not None:
            asked, left_out = self._asked(encoder, target), self._apart
            losses = losses + self.auxiliary.general(asked, window, lambda key: (key in left_out) is apart)
            able = able & (self.apart if apart else ~self.apart)
        self._record("auxiliary_loss", losses, able)
        return losses, able

    def _asked(self, encoder: nn.Module, target: nn.Module) -> StackAgent:
        """What losses beyond those of the paper ask for."""
        networks, frames = (of_members(encoder), of_members(target)), self.steps * self.action_repeat
        return StackAgent(*networks, self.estimates, frames, self.rng, self.updates)

    @cached_property
    def _fusible(self) -> dict[str, Callable[..., Any]]:
        """The losses of `FUSED`, functions that take the stack first, compiled if that is wanted.

        Not bound to this stack: what it holds must not hold it, or its memory would wait for a collection.
        """
        functions = {name: getattr(type(self), f"_{name}_losses") for name in self.FUSED}
        if not self.computation.compile:
            return functions
        return {name: fused(function) for name, function in functions.items()}

    def arithmetic(self) -> AbstractContextManager[None]:
        """What it computes with is set inside; see `arithmetic.py`."""
        return arithmetic(self.computation.precision, self.device)

    def _draw_together(self, wanted: Sequence[tuple[Purpose, int]]) -> None:
        """Draw the random numbers of this update, which `_numbers` gives until it is `_updated`."""
        self._numbers = self.rng.together(self.updates, wanted)

    def _updated(self) -> None:
        """An update is made."""
        self.metrics.add()
        self._numbers = self.rng
        self.updates += self.active

    def _record(self, name: str, values: Tensor, among: Tensor | None = None) -> None:
        self.metrics.record(name, values, self.active if among is None else among)

    def _with_windows(self, replay: Replay) -> Tensor:
        """(members,) who can take an auxiliary step: those active that have a window. Records who can't.

        Who has no loss takes none and skips none, whoever is beside it.
        """
        learning = self.active & self.auxiliary.has_loss
        able = learning & replay.windows.any
        self._record("auxiliary_skipped", (~able).to(torch.float32), learning)
        return able


class SplitAgent(Agent):
    """An agent that can take the auxiliary step of some losses behind its updates, in `run_apart`."""

    @torch.no_grad()
    def split(self, looks: Callable[[Loss], bool]) -> None:
        """From now on updates leave the losses out that look at values; `run_apart` does what is missing."""
        general = self.auxiliary.general
        losses = [None] * self.members if general is None else general.losses
        keys = [None if loss is None or not looks(loss) else structure_key(loss) for loss in losses]
        self._apart = {key for key in keys if key is not None}
        self.apart.copy_(torch.tensor([key is not None for key in keys]))

    @abstractmethod
    def run_apart(self, replay: Replay) -> None:
        """See `Agent.run_apart`."""

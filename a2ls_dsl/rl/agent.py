"""What the engine asks of a learning algorithm, and what all of them share: a stack of members.

One member is a stack of one; there is no other learner. Members never touch each other: parameters have a
leading slot axis, the losses of all members are summed before one backward pass, and random numbers come
from each member's own streams.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from a2ls_dsl.backend.counter_rng import CounterRng, Purpose
from a2ls_dsl.backend.stacked import PADDING, PADDING_ON_GPU, Layout, StackAgent, StackedLoss
from a2ls_dsl.backend.stacked.structure import structure_key
from a2ls_dsl.backend.window import Spaces
from a2ls_dsl.lang.syntax.tree import Loss
from a2ls_dsl.rl.adam import StackedAdam
from a2ls_dsl.rl.arithmetic import arithmetic
from a2ls_dsl.rl.fusion import fused
from a2ls_dsl.rl.members import copy_members, of_members
from a2ls_dsl.rl.metrics import Metrics
from a2ls_dsl.rl.observations import Observations
from a2ls_dsl.rl.replay import Replay
from a2ls_dsl.rl.settings import Computation

_DRAWN_AT_ONCE = 8  # members; numbers are drawn as 64 bits, and more would fill a cache or a memory
Parts = tuple[bool, ...]
"""Which parts of an algorithm take part in an update; each combination is captured as a graph of its own."""


class Agent(nn.Module):
    """N members, each with a loss (None: no auxiliary loss) and a seed of its own.

    A member's numbers depend on its loss, its seed and the settings, not on its neighbours.

    A subclass makes its networks, calls `_begin`, and says how they act and learn.
    """

    METRICS: ClassVar[tuple[str, ...]]
    ACTING: ClassVar[tuple[str, ...]]
    """The networks that act, `encoder` the first; of each there is a copy, `frozen_encoder`."""
    SPLITS: ClassVar[bool] = False
    """Whether it has a `run_apart`."""
    updates: Tensor
    active: Tensor
    apart: Tensor
    auxiliary: StackedLoss
    optimizers: dict[str, StackedAdam]
    _fusible: dict[str, Callable[..., Any]]

    def __init__(
        self,
        losses: Sequence[Loss | None],
        seeds: Sequence[int],
        observations: Observations,
        action: int,
        device: torch.device | str,
        computation: Computation | None,
    ) -> None:
        super().__init__()
        self.losses, self.observations, self.action_size = list(losses), observations, action
        self.computation, self.device = computation or Computation(), torch.device(device)
        self.action_repeat = 1  # environment frames an agent step, for losses with schedules
        self.ticks = 0  # the updates of the stack, on the host: which parts' turn it is
        members = len(losses)
        self.register_buffer("updates", torch.zeros(members, dtype=torch.int64))
        self.register_buffer("active", torch.ones(members, dtype=torch.bool))
        self.register_buffer("apart", torch.zeros(members, dtype=torch.bool), persistent=False)
        self._apart = set[str]()
        self.metrics = Metrics(self.METRICS, members)
        self.rng = self._numbers = CounterRng(torch.tensor(list(seeds), dtype=torch.int64))

    def _begin(self, features: int) -> None:
        """Once the networks are there: make loss and optimizers, and fresh parameters on the device."""
        spaces = Spaces.of(self.observations.seen, self.action_size, features)
        on_gpu = self.device.type == "cuda"
        padding, spare = self.computation.padding, self.computation.spare
        if padding is None:
            padding = PADDING_ON_GPU if on_gpu else PADDING
        self._room = padding, on_gpu if spare is None else spare
        self.auxiliary = StackedLoss(self.losses, spaces, *self._room)
        self.to(self.device)
        self.rng.seeds = self.rng.seeds.to(self.device)
        with torch.no_grad():
            for first in range(0, self.members, _DRAWN_AT_ONCE):
                self._initialise(slice(first, min(first + _DRAWN_AT_ONCE, self.members)))
            for member, loss in enumerate(self.losses):
                self.auxiliary.reset(member, loss, self.rng.member(member))
            for network, frozen in self.acting_networks():
                copy_members(network, frozen, slice(None))
        self.optimizers = self._make_optimizers()
        self.adams = nn.ModuleList(self.optimizers.values())  # they belong to the state

    @property
    def members(self) -> int:
        return len(self.losses)

    @property
    def horizon(self) -> Tensor:
        """(members,) horizons of the losses, as `Replay` wants them."""
        return self.auxiliary.horizon

    @property
    def has_losses(self) -> bool:
        """Whether a member can have a loss at all."""
        return not self.auxiliary.empty

    @property
    def is_general(self) -> bool:
        """Whether losses beyond those of the paper can be in it; these are not compiled."""
        return bool(self.auxiliary.capacity.general)

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

    def run_apart(self, replay: Replay) -> None:
        """Behind an update: the auxiliary step of those whose losses it left out; see `split`."""
        raise NotImplementedError

    @abstractmethod
    def _make_optimizers(self) -> dict[str, StackedAdam]:
        """All optimizers by name; `auxiliary` trains the loss' parameters, behind others where shared."""

    @abstractmethod
    def _initialise(self, members: slice) -> None:
        """Fresh parameters for neighbours, drawn from their own streams, but for those of their losses."""

    def acting_networks(self) -> list[tuple[nn.Module, nn.Module]]:
        """The networks that act, each with its frozen copy."""
        return [(getattr(self, name), getattr(self, f"frozen_{name}")) for name in self.ACTING]

    def update(self, replay: Replay) -> None:
        """One gradient update of every member."""
        self.run_update(self.parts_due, replay)
        self.ticks += 1

    @torch.no_grad()
    def freeze(self, members: Iterable[int] | None = None) -> None:
        """Copy policies (by default all) as they are now, for `act_frozen`."""
        for member in range(self.members) if members is None else members:
            for network, frozen in self.acting_networks():
                copy_members(network, frozen, member)

    @torch.no_grad()
    def reset(self, member: int, loss: Loss | None, seed: int) -> None:
        """Give a slot to a new member, in place: nothing of the one before is left, and no neighbour moves.

        The member is not `active` yet. Its loss must fit into the stack: see `refit`.
        """
        self.losses[member] = loss
        self.rng.reseed(member, seed)
        self._initialise(slice(member, member + 1))
        self.auxiliary.reset(member, loss, self.rng.member(member))
        self.freeze([member])
        for optimizer in self.optimizers.values():
            optimizer.reset(member)
        self.updates[member] = 0
        self.active[member] = False
        self.metrics.reset(member)

    @torch.no_grad()
    def refit(self, member: int, loss: Loss | None) -> bool:
        """Make room for `loss` in a slot, which is then `reset`; the other members keep their state.

        Gives whether an update is another computation then: one that was captured must be captured anew.
        """
        old, adam = self.auxiliary, self.optimizers["auxiliary"]
        if old.holds(member, loss):
            return not old.keeps(member, loss)
        losses = [*self.losses[:member], loss, *self.losses[member + 1 :]]
        fresh = self._laid_out(losses)
        new = self.auxiliary
        fresh.steps.copy_(adam.steps)
        pairs = [(list[Tensor](new.parameters()), list[Tensor](old.parameters()))]
        shared = len(adam.trained) - len(list(old.parameters()))
        for mine, its in ((fresh.moments(each), adam.moments(each)) for each in ("first", "second")):
            if shared:
                torch._foreach_copy_(mine[:shared], its[:shared])
            pairs.append((mine[shared:], its[shared:]))
        for other in range(self.members):
            if other != member:
                for mine, its in pairs:
                    new.take(other, old, mine, its)
        return True

    @torch.no_grad()
    def lay_out(self, layout: Layout) -> bool:
        """Let the losses lie as they lay elsewhere, without their numbers. Gives what `refit` gives."""
        if self.auxiliary.layout == layout:
            return False
        self._laid_out(self.losses, layout)
        return True

    def _laid_out(self, losses: Sequence[Loss | None], layout: Layout | None = None) -> StackedAdam:
        """Put another stack of losses in the place of the one there is; gives its optimizer."""
        old, like = self.auxiliary, next(self.parameters())
        self.auxiliary = StackedLoss(losses, old.spaces, *self._room, layout).to(like)
        adam = self.optimizers["auxiliary"] = self._make_optimizers()["auxiliary"].to(like)
        self.adams = nn.ModuleList(self.optimizers.values())
        return adam

    @torch.no_grad()
    def activate(self, member: int) -> None:
        """From the next update on a member learns. Until then updates leave it as it is."""
        self.active[member] = True

    @torch.no_grad()
    def deactivate(self, member: int) -> None:
        """Leave a member out of all updates from now on."""
        self.active[member] = False

    @torch.no_grad()
    def split(self, looks: Callable[[Loss], bool]) -> None:
        """From now on updates leave the losses out that look at values; `run_apart` does what is missing."""
        general = self.auxiliary.general
        losses = [None] * self.members if general is None else general.losses
        keys = [None if loss is None or not looks(loss) else structure_key(loss) for loss in losses]
        self._apart = {key for key in keys if key is not None}
        self.apart.copy_(torch.tensor([key is not None for key in keys]))

    @property
    def is_split(self) -> bool:
        """Whether updates leave losses out."""
        return bool(self._apart)

    def resume(self, ticks: int) -> None:
        """Go on after `ticks` updates of the stack, once the state of an equal stack is loaded."""
        self.ticks = ticks

    def finite(self, members: Sequence[int] | None = None) -> Tensor:
        """(M,) booleans: whether all that policies, by default those of all, consist of is finite."""
        parameters = [
            parameter.detach() for network, _ in self.acting_networks() for parameter in network.parameters()
        ]
        if members is not None:
            where = torch.tensor(list(members), dtype=torch.int64, device=self.device)
            parameters = [parameter[where] for parameter in parameters]
        return torch.stack([parameter.flatten(1).isfinite().all(dim=1) for parameter in parameters]).all(
            dim=0
        )

    def _losses_of_windows(
        self, replay: Replay, batch: int, encoder: nn.Module, target: nn.Module, apart: bool = False
    ) -> tuple[Tensor, Tensor]:
        """The auxiliary losses (members,) on windows of their own, and which members have some.

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

    def _fused(self, **functions: Callable[..., Any]) -> dict[str, Callable[..., Any]]:
        """Methods of the class, which take the stack first, compiled if that is wanted.

        Not bound to this stack: what it holds must not hold it, or its memory would wait for a collection.
        """
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
        """(members,) who can take an auxiliary step: those active that have a window. Records who can't."""
        able = self.active & replay.windows.any
        self._record("auxiliary_skipped", (~able).to(torch.float32))
        return able

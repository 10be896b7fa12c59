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
from torch.func import functional_call

from a2ls_dsl.backend.counter_rng import CounterRng
from a2ls_dsl.backend.stacked import StackAgent, StackedLoss, StackEncoder
from a2ls_dsl.backend.window import Spaces
from a2ls_dsl.lang.ast import Loss
from a2ls_dsl.rl.adam import StackedAdam, unchanged_where
from a2ls_dsl.rl.arithmetic import arithmetic
from a2ls_dsl.rl.fusion import fused
from a2ls_dsl.rl.metrics import Metrics
from a2ls_dsl.rl.observations import Observations
from a2ls_dsl.rl.replay import Replay
from a2ls_dsl.rl.settings import Computation

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
    updates: Tensor
    active: Tensor
    auxiliary: StackedLoss
    optimizers: dict[str, StackedAdam]

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
        self.metrics = Metrics(self.METRICS, members)
        self.rng = CounterRng(torch.tensor(list(seeds), dtype=torch.int64))

    def _begin(self, features: int) -> None:
        """Once the networks are there: make loss and optimizers, and fresh parameters on the device."""
        spaces = Spaces.of(self.observations.seen, self.action_size, features)
        self.auxiliary = StackedLoss(self.losses, spaces, self.computation.padding)
        for member, loss in enumerate(self.losses):
            self._initialise(member, loss)
        self.freeze()
        self.to(self.device)
        self.rng.seeds = self.rng.seeds.to(self.device)
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
        """Whether losses beyond those of the paper can be in it: these are neither captured nor compiled."""
        return bool(self.auxiliary.capacity.general)

    @property
    @abstractmethod
    def steps(self) -> Tensor:
        """(members,) agent steps that each member has trained."""

    @abstractmethod
    def estimates(self, latents: Tensor, observations: Tensor) -> Tensor:
        """The agents' values (members, M) of latents (members, M, features) and what these are of."""

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
        captured as one graph for each combination of `parts_due`, unless the stack `is_general`.
        """

    @abstractmethod
    def _make_optimizers(self) -> dict[str, StackedAdam]:
        """All optimizers by name; `auxiliary` trains the loss' parameters, behind others where shared."""

    @abstractmethod
    def _initialise(self, member: int, loss: Loss | None) -> None:
        """Fresh parameters for a member, drawn from its own streams."""

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
                copy_member(network, frozen, member)

    @torch.no_grad()
    def reset(self, member: int, loss: Loss | None, seed: int) -> None:
        """Give a slot to a new member, in place: nothing of the one before is left, and no neighbour moves.

        The member is not `active` yet. Its loss must fit into the stack: see `refit`.
        """
        self.losses[member] = loss
        self.rng.reseed(member, seed)
        self._initialise(member, loss)
        self.freeze([member])
        for optimizer in self.optimizers.values():
            optimizer.reset(member)
        self.updates[member] = 0
        self.active[member] = False
        self.metrics.reset(member)

    @torch.no_grad()
    def refit(self, member: int, loss: Loss | None) -> bool:
        """Make room for `loss` in a slot, which is then `reset`; the other members keep their state.

        Gives whether the stack had to be rebuilt: an update that was captured must then be captured anew.
        """
        old, adam = self.auxiliary, self.optimizers["auxiliary"]
        if old.holds(member, loss):
            return False
        losses = [*self.losses[:member], loss, *self.losses[member + 1 :]]
        like = next(self.parameters())
        self.auxiliary = new = StackedLoss(losses, old.spaces, old.padding).to(like)
        fresh = self._make_optimizers()["auxiliary"].to(like)
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
        self.optimizers["auxiliary"] = fresh
        self.adams = nn.ModuleList(self.optimizers.values())
        return True

    @torch.no_grad()
    def activate(self, member: int) -> None:
        """From the next update on a member learns. Until then updates leave it as it is."""
        self.active[member] = True

    @torch.no_grad()
    def deactivate(self, member: int) -> None:
        """Leave a member out of all updates from now on."""
        self.active[member] = False

    def resume(self, ticks: int) -> None:
        """Go on after `ticks` updates of the stack, once the state of an equal stack is loaded."""
        self.ticks = ticks

    def finite(self) -> Tensor:
        """(members,) booleans: whether all that a member's policy consists of is finite."""
        parameters = [each for network, _ in self.acting_networks() for each in network.parameters()]
        return torch.stack([each.flatten(1).isfinite().all(dim=1) for each in parameters]).all(dim=0)

    def _asked(self, encode: nn.Module, encode_target: nn.Module) -> StackAgent | None:
        """What losses beyond those of the paper ask for, if there can be any."""
        if not self.is_general:
            return None
        frames = self.steps * self.action_repeat
        return StackAgent(
            of_members(encode), of_members(encode_target), self.estimates, frames, self.rng, self.updates
        )

    def _fused(self, **functions: Callable[..., Any]) -> dict[str, Callable[..., Any]]:
        """Methods of the class, which take the stack first, compiled if that is wanted.

        Not bound to this stack: what it holds must not hold it, or its memory would wait for a collection.
        """
        if not self.computation.compile:
            return functions
        return {name: fused(each) for name, each in functions.items()}

    def arithmetic(self) -> AbstractContextManager[None]:
        """What it computes with is set inside; see `arithmetic.py`."""
        return arithmetic(self.computation.precision, self.device)

    def _record(self, name: str, values: Tensor, among: Tensor | None = None) -> None:
        self.metrics.record(name, values, self.active if among is None else among)

    def _with_windows(self, replay: Replay) -> Tensor:
        """(members,) who can take an auxiliary step: those active that have a window. Records who can't."""
        able = self.active & replay.windows.any
        self._record("auxiliary_skipped", (~able).to(torch.float32))
        return able


@torch.no_grad()
def follow(online: nn.Module, target: nn.Module, share: float, active: Tensor) -> None:
    """Exponential moving averages: a share of each active member's parameters enters those of the target."""
    followers = tuple(target.parameters())
    with unchanged_where(~active, followers):
        torch._foreach_lerp_(followers, tuple(online.parameters()), share)


def of_members(network: nn.Module) -> StackEncoder:
    """A network of all members, to be called for some of them as well."""

    def encode(x: Tensor, members: Tensor | None = None) -> Tensor:
        if members is None:
            result: Tensor = network(x)
            return result
        own = {name: each.index_select(0, members) for name, each in network.named_parameters()}
        result = functional_call(network, own, (x,))
        return result

    return encode


def copy_member(source: nn.Module, target: nn.Module, member: int) -> None:
    """Copy a member's parameters from one network to another of equal shape."""
    for mine, its in zip(source.parameters(), target.parameters(), strict=True):
        its[member] = mine[member]

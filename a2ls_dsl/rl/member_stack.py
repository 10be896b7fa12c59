"""A stack of members that come and go: their losses, seeds, optimizers, and the slots that they have.

Members never touch each other: parameters have a leading slot axis, and random numbers come from each
member's own streams.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from a2ls_dsl.backend.counter_rng import CounterRng
from a2ls_dsl.backend.stacked import PADDING, PADDING_ON_GPU, Layout, StackedLoss
from a2ls_dsl.backend.window import Spaces
from a2ls_dsl.lang.syntax.tree import Loss
from a2ls_dsl.rl.compute.adam import StackedAdam
from a2ls_dsl.rl.networks.members import copy_members
from a2ls_dsl.rl.replay.observations import Observations
from a2ls_dsl.rl.settings import Computation
from a2ls_dsl.rl.slots.metrics import Metrics

_NO_ROWS = ("auxiliary", "adams", "metrics")  # what lies in a state otherwise than a row a slot
_DRAWN_AT_ONCE = 8  # members; numbers are drawn as 64 bits, and more would fill a cache or a memory


class MemberStack(nn.Module):
    """N members, each with a loss (None: no auxiliary loss) and a seed of its own, that come and go.

    A member's numbers depend on its loss, its seed and the settings, not on its neighbours.
    """

    METRICS: ClassVar[tuple[str, ...]]
    ACTING: ClassVar[tuple[str, ...]]
    """The networks that act, `encoder` the first; of each there is a copy, `frozen_encoder`."""
    settings: Any
    """Of the algorithm: how one member learns."""
    updates: Tensor
    active: Tensor
    apart: Tensor
    auxiliary: StackedLoss
    optimizers: dict[str, StackedAdam]

    def __init__(
        self,
        losses: Sequence[Loss | None],
        seeds: Sequence[int],
        observations: Observations,
        action: int,
        settings: Any,
        device: torch.device | str = "cpu",
        computation: Computation | None = None,
    ) -> None:
        super().__init__()
        self.settings = settings
        self.losses, self.observations, self.action_size = list(losses), observations, action
        self.computation, self.device = computation or Computation(), torch.device(device)
        self.action_repeat = 1  # environment frames an agent step, for losses with schedules
        self.ticks = 0  # the updates of the stack, on the host: which parts' turn it is
        members = len(losses)
        self.register_buffer("updates", torch.zeros(members, dtype=torch.int64))
        self.register_buffer("active", torch.ones(members, dtype=torch.bool))
        self.register_buffer("apart", torch.zeros(members, dtype=torch.bool), persistent=False)
        self._apart = set[str]()  # the structures of the losses of those who are `apart`: see `Agent.split`
        self.metrics = Metrics(self.METRICS, members)
        self.rng = self._numbers = CounterRng(torch.tensor(list(seeds), dtype=torch.int64))
        self._begin(self._make_networks())

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

    @abstractmethod
    def _make_networks(self) -> int:
        """All networks, as attributes; gives how many features the encoder has. Parameters come later."""

    @abstractmethod
    def _make_optimizers(self) -> dict[str, StackedAdam]:
        """All optimizers by name; `auxiliary` trains the loss' parameters, behind others where shared."""

    @abstractmethod
    def _initialise(self, members: slice) -> None:
        """Fresh parameters for neighbours, drawn from their own streams, but for those of their losses."""

    def acting_networks(self) -> list[tuple[nn.Module, nn.Module]]:
        """The networks that act, each with its frozen copy."""
        return [(getattr(self, name), getattr(self, f"frozen_{name}")) for name in self.ACTING]

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
        self._laid_out([*self.losses[:member], loss, *self.losses[member + 1 :]])
        for other in range(self.members):
            if other != member:
                self._take_loss(other, old, adam, other)
        return True

    @torch.no_grad()
    def take(self, member: int, other: MemberStack, its: int) -> None:
        """Let a slot go on as slot `its` of another stack, whose loss is the same."""
        for mine, theirs in zip(self._rows_of_members(), other._rows_of_members(), strict=True):
            mine[member] = theirs[its]
        self.metrics.sums[..., member] = other.metrics.sums[..., its]
        self._take_loss(member, other.auxiliary, other.optimizers["auxiliary"], its)

    def _rows_of_members(self) -> list[Tensor]:
        """All that has a row a slot, but for what `_take_loss` copies."""
        own = [tensor for name, tensor in self.state_dict().items() if name.partition(".")[0] not in _NO_ROWS]
        adams = (adam for name, adam in self.optimizers.items() if name != "auxiliary")
        return [*own, *(buffer for adam in adams for buffer in adam.buffers())]

    def _take_loss(self, member: int, loss: StackedLoss, adam: StackedAdam, its: int) -> None:
        """Copy what slot `its` of other losses has learned, and all that its optimizer knows."""
        own = self.optimizers["auxiliary"]
        own.steps[member] = adam.steps[its]
        shared = len(adam.trained) - len(list(loss.parameters()))
        self.auxiliary.take(member, loss, its, list(self.auxiliary.parameters()), list(loss.parameters()))
        for moment in ("first", "second"):
            here, there = own.moments(moment), adam.moments(moment)
            for mine, theirs in zip(here[:shared], there[:shared], strict=True):
                mine[member] = theirs[its]
            self.auxiliary.take(member, loss, its, here[shared:], there[shared:])

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

    @property
    def is_idle(self) -> bool:
        """Whether nobody is active. Waits for the device."""
        return not bool(self.active.any())

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

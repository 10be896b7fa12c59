"""N losses as one computation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from a2ls_dsl.backend.counter_rng import CounterRng
from a2ls_dsl.backend.stacked.agent import StackAgent, StackEncoder
from a2ls_dsl.backend.stacked.bucket import Bucket, Index, Side
from a2ls_dsl.backend.stacked.capacity import PADDING, Capacity, Size, exact_cost, paper_terms, views_of
from a2ls_dsl.backend.stacked.channels import Channels
from a2ls_dsl.backend.stacked.general import GeneralLosses
from a2ls_dsl.backend.window import Spaces, StackWindow, Window, reach
from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.ir.lower import is_paper_shaped
from a2ls_dsl.lang.syntax.printer import print_loss
from a2ls_dsl.lang.syntax.tree import Loss

_VECTORS = 4  # dimensions of windows of them: members, batch, steps, numbers
Seat = tuple[int, int]
"""A bucket and a lane of it."""


@dataclass(frozen=True)
class Layout:
    """The losses that buckets were made for, how (see `StackedLoss`), and the seats of members' terms now."""

    planned: tuple[Loss | None, ...]
    padding: float
    spare: bool
    seats: tuple[tuple[Seat, ...], ...]


class StackedLoss(nn.Module):
    """The losses of a stack of members; None is no auxiliary loss.

    The terms of losses of He et al. 2022 have lanes in `buckets` of like terms, which are compiled once; a
    member with another loss is in `general`, where groups of members come and go.

    padding: what terms of unequal sizes may cost, as a multiple of the arithmetic of the losses alone. Half
    of the surplus is used at first, the rest by losses that come later. With infinity all share one bucket.
    spare: lanes are kept free for these. layout: in place of both, that of another stack.
    """

    horizon: Tensor
    """(members,) how many steps behind its first one each member's windows take."""
    has_loss: Tensor
    """(members,) who has a loss; follows from `losses`, so no state holds it."""

    def __init__(
        self,
        losses: Sequence[Loss | None],
        spaces: Spaces,
        padding: float = PADDING,
        spare: bool = False,
        layout: Layout | None = None,
    ) -> None:
        super().__init__()
        if layout is not None:
            padding, spare = layout.padding, layout.spare
        self.members, self.spaces, self.padding, self.spare = len(losses), spaces, padding, spare
        self.losses: list[Loss | None] = [None] * self.members
        self._planned = list(losses if layout is None else layout.planned)
        self.capacity, numbers = Capacity.of(self._planned, spaces, (1 + padding) / 2, spare)
        owners: list[list[int]] = [[] for _ in self.capacity.buckets]
        self._seats: list[list[Seat]] = [[] for _ in losses]
        for member, buckets in enumerate(numbers):
            for bucket in buckets:
                self._seats[member].append((bucket, len(owners[bucket])))
                owners[bucket].append(member)
        self._free = set[Seat]()
        self._buckets = list[Bucket]()
        self._channels = Channels(self.members, self.capacity.horizon + 1, spaces)
        sources = targets = 0  # states that are encoded
        for (size, lanes), own in zip(self.capacity.buckets, owners, strict=True):
            self._free |= {(len(self._buckets), lane) for lane in range(len(own), lanes)}
            whose = own + [0] * (lanes - len(own))
            self._buckets.append(Bucket(size, whose, self._channels, (sources, targets)))
            sources += lanes * size.source.states
            targets += lanes * size.target.states
        self.buckets = nn.ModuleList(self._buckets)
        general = self.capacity.general
        self.general = GeneralLosses(self.members, spaces, general) if general else None
        self.register_buffer("horizon", torch.zeros(self.members, dtype=torch.int64))
        self.register_buffer("has_loss", torch.zeros(self.members, dtype=torch.bool), persistent=False)
        for member, loss in enumerate(self._planned):
            self._write(member, loss, self._seats[member])
        if layout is not None:
            for member in range(self.members):
                self._write(member, None, [])
            for member, loss in enumerate(losses):
                self._write(member, loss, list(layout.seats[member]))

    @property
    def layout(self) -> Layout:
        """Where everything lies: a stack of equal losses with this layout has tensors of the same shapes."""
        seats = tuple(tuple(seat) for seat in self._seats)
        return Layout(tuple(self._planned), self.padding, self.spare, seats)

    @staticmethod
    def of(losses: Sequence[Loss | None], spaces: Spaces, rng: CounterRng) -> StackedLoss:
        """A stack of `losses`, initialised with a stream each."""
        stack = StackedLoss(losses, spaces)
        for member, loss in enumerate(losses):
            stack.reset(member, loss, rng.member(member))
        return stack

    @property
    def empty(self) -> bool:
        """Whether no member can have a loss."""
        return not self.buckets and self.general is None

    def forward(
        self,
        encode: StackEncoder,
        encode_target: StackEncoder,
        window: StackWindow,
        agent: StackAgent | None = None,
    ) -> Tensor:
        """The loss of every member, (members,), on windows (members, B, steps, ...) of horizon + 1 steps.

        agent: what losses that are not of the paper ask for beyond its encoders.
        """
        total = self.of_paper(encode, encode_target, window)
        if self.general is None:
            return total
        more: Tensor = self.general(StackAgent(encode, encode_target) if agent is None else agent, window)
        return total + more

    def of_paper(self, encode: StackEncoder, encode_target: StackEncoder, window: StackWindow) -> Tensor:
        """The same of the losses of He et al. 2022 alone, 0 for the others."""
        total = window.reward.new_zeros(self.members)
        if not self._buckets:
            return total
        sources = self._rows([bucket.source for bucket in self._buckets], encode, window)
        with torch.no_grad():
            targets = self._rows([bucket.target for bucket in self._buckets], encode_target, window)
        terms = [
            bucket(source, target)
            for bucket, source, target in zip(self._buckets, sources, targets, strict=True)
        ]
        owner = torch.cat([bucket.owner for bucket in self._buckets])
        return total.index_add(0, owner, torch.cat(terms).to(total))

    def _rows(self, sides: Sequence[Side], encode: StackEncoder, window: StackWindow) -> list[Tensor]:
        """The rows of one side of every bucket, (lanes, width, B), picked out of all channels at once."""
        channels = self._channels.of(window, self._features(sides, encode, window))
        picked = channels.index_select(0, torch.cat([side.row.flatten() for side in sides]))
        parts = picked.split_with_sizes([side.row.numel() for side in sides])
        return [part.view(*side.row.shape, -1) for part, side in zip(parts, sides, strict=True)]

    def _features(self, sides: Sequence[Side], encode: StackEncoder, window: StackWindow) -> Tensor | None:
        """The features of the states of one side of all buckets, (states, B, features), if there are any.

        Encoders of vectors are small and a call costs more than it computes: there is one for all buckets.
        """
        pairs = [
            (bucket, side.states)
            for bucket, side in zip(self._buckets, sides, strict=True)
            if side.states.places
        ]
        if len(pairs) > 1 and isinstance(window, Window) and window.observation.dim() == _VECTORS:
            step = torch.cat([picks.step.flatten() for _, picks in pairs])[:, None]
            owner = torch.cat(
                [bucket.owner[:, None].expand_as(picks.step).flatten() for bucket, picks in pairs]
            )
            observations = window.states(step, torch.zeros_like(step), owner)  # without augmentation
            return encode(observations.flatten(1, 2), owner)
        features = [bucket.encoded(picks, encode, window).flatten(0, 1) for bucket, picks in pairs]
        return torch.cat(features) if features else None

    def keeps(self, member: int, loss: Loss | None) -> bool:
        """Whether `reset` to a loss that it `holds` writes numbers only: kernels and tensors stay."""
        return self.general is None or self.general.keeps(member, _general(loss))

    def holds(self, member: int, loss: Loss | None) -> bool:
        """Whether `loss` can be that of a member without more padding than is wanted."""
        if self._seats_for(member, loss) is None:
            return False
        exact = exact_cost([*self.losses[:member], loss, *self.losses[member + 1 :]], self.spaces)
        wasted = self.capacity.cost(self.spaces) - exact
        return self.padding == float("inf") or wasted.within((self.padding - 1) * exact)

    @torch.no_grad()
    def reset(self, member: int, loss: Loss | None, rng: CounterRng) -> None:
        """Give a member a new loss with fresh parameters; they don't depend on what else is in the stack.

        rng: the streams of this member. Raises `A2lError` where the loss doesn't fit.
        """
        seats = self._seats_for(member, loss)
        if seats is None:
            raise A2lError(
                f"the loss `{print_loss(loss) if loss else 'none'}` does not fit into this stack",
                "build a stack of all of its losses",
            )
        self._write(member, loss, seats)
        for number, ((bucket, lane), (_, term)) in enumerate(zip(seats, paper_terms(loss), strict=True)):
            self._buckets[bucket].initialise(lane, term, rng, number)
        if self.general is not None:
            self.general.reset(member, _general(loss), rng)

    def member_state(self, member: int) -> dict[str, Tensor]:
        """The parameters of one member as the `state_dict` of its `CompiledLoss`."""
        if self.general is not None and self.general.losses[member] is not None:
            return self.general.member_state(member)
        parameters = dict(self.named_parameters())
        places = self.places(member).items()
        return {name: parameters[stacked][at].detach().clone() for name, (stacked, at) in places}

    def take(
        self, member: int, other: StackedLoss, its: int, mine: Sequence[Tensor], theirs: Sequence[Tensor]
    ) -> None:
        """Copy the numbers of member `its` of another stack, out of `theirs` into `mine`.

        Both members have the same loss; `mine` are tensors like this stack's parameters, in their order, and
        `theirs` like those of the other.
        """
        targets = {name: tensor for (name, _), tensor in zip(self.named_parameters(), mine, strict=True)}
        sources = {name: tensor for (name, _), tensor in zip(other.named_parameters(), theirs, strict=True)}
        here = self.places(member)
        for name, (stacked, at) in other.places(its).items():
            targets[here[name][0]][here[name][1]] = sources[stacked][at]

    def places(self, member: int) -> dict[str, tuple[str, Index]]:
        """Where the parameters of a member's `CompiledLoss` lie: a stacked parameter and an index into it."""
        rows: dict[str, tuple[str, Index]] = {}
        if self.general is not None:
            places = self.general.places(member).items()
            rows |= {name: ("general.flat", (member, at)) for name, at in places}
        terms = zip(self._seats[member], paper_terms(self.losses[member]), strict=True)
        for number, ((bucket, lane), (_, term)) in enumerate(terms):
            for name, (parameter, at) in self._buckets[bucket].places(lane, term, number):
                rows[name] = f"buckets.{bucket}.{parameter}", at
        return rows

    def owners(self) -> list[Tensor | None]:
        """For each parameter, whose its rows are: (rows,), or None where row i is member i's."""
        general = [] if self.general is None else [None]
        return [
            None if bucket.in_order else bucket.owner for bucket in self._buckets for _ in bucket.parameters()
        ] + general

    def _seats_for(self, member: int, loss: Loss | None) -> list[Seat] | None:
        """Where a loss' terms could sit if the member's own seats were free; None where it doesn't fit."""
        if loss == self.losses[member]:  # also as it was made: the plan's seats are its
            return self._seats[member]
        other = _general(loss)
        if other is not None and (self.general is None or not self.general.holds(other)):
            return None
        if loss is not None and (
            loss.horizon > self.capacity.horizon or views_of(loss) > self.capacity.views
        ):
            return None
        free = self._free | set(self._seats[member])
        seats = list[Seat]()
        for _, term in paper_terms(loss):
            fitting = [seat for seat in free if self._fits(seat, member, Size.of(term))]
            if not fitting:
                return None
            seats.append(min(fitting, key=self._price))
            free.remove(seats[-1])
        return seats

    def _fits(self, seat: Seat, member: int, size: Size) -> bool:
        bucket, lane = self._buckets[seat[0]], seat[1]
        return bucket.size.holds(size) and (lane == member or not bucket.in_order)

    def _price(self, seat: Seat) -> tuple[float, Seat]:
        return self._buckets[seat[0]].size.cost(self.spaces).numbers, seat

    @torch.no_grad()
    def _write(self, member: int, loss: Loss | None, seats: list[Seat]) -> None:
        """Make `loss` the loss of a member, with its terms in these seats."""
        for bucket, lane in self._seats[member]:
            self._buckets[bucket].clear(lane)
        self._free = (self._free | set(self._seats[member])) - set(seats)
        self._seats[member], self.losses[member] = seats, loss
        draws = 0
        for (bucket, lane), (weight, term) in zip(seats, paper_terms(loss), strict=True):
            draws = self._buckets[bucket].write(lane, member, weight, term, draws)
        self.horizon[member], self.has_loss[member] = reach(loss), loss is not None
        if self.general is not None:
            self.general.write(member, _general(loss))


def _general(loss: Loss | None) -> Loss | None:
    """The loss, if it is beyond those of He et al. 2022."""
    return None if loss is None or is_paper_shaped(loss) else loss

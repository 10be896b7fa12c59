"""N losses as one computation."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from a2ls_dsl.backend.counter_rng import CounterRng, Purpose
from a2ls_dsl.backend.precision import unrounded
from a2ls_dsl.backend.stacked.general import GeneralLosses, StackAgent, StackEncoder
from a2ls_dsl.backend.stacked.operators import compare
from a2ls_dsl.backend.stacked.tables import Capacity, Room, Side, Tables, paper_terms
from a2ls_dsl.backend.window import Spaces, StackWindow
from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.ir.lower import is_paper_shaped
from a2ls_dsl.lang.ast import Comparison, Loss
from a2ls_dsl.lang.printer import print_loss

Index = tuple[int | Tensor | slice, ...]


class StackedLoss(nn.Module):
    """The losses of a stack of members; parameters carry a leading lane axis (member * terms + term).

    Losses of He et al. 2022 are held as tables; members with other losses, if the capacity has any, are in
    `general` and evaluated in groups. A stack with such members can't be captured as a graph or compiled.

    Rows are padded to the capacity's width and every stream is packed to the front of its part. Weights at
    padding are zero, get zero gradients, and so stay exactly zero under Adam: member i computes what its loss
    computes alone.
    """

    def __init__(self, members: int, spaces: Spaces, capacity: Capacity) -> None:
        super().__init__()
        self.members, self.spaces, self.capacity = members, spaces, capacity
        self.tables = Tables(members, capacity)
        lanes = members * capacity.terms
        inputs, outputs = capacity.source.width(spaces), capacity.target.width(spaces)
        hidden = 2 * inputs

        def zeros(*shape: int) -> nn.Parameter:
            return nn.Parameter(torch.zeros(lanes, *shape))

        # Features stand before the batch: batch norm is then a layer norm over the last axis.
        self.weight_in, self.bias_in = zeros(hidden, inputs), zeros(hidden, 1)
        self.norm_weight, self.norm_bias = zeros(hidden, 1), zeros(hidden, 1)
        self.weight_out, self.bias_out = zeros(outputs, hidden), zeros(outputs, 1)
        self.matrix = zeros(outputs, outputs) if capacity.uses(bilinear=True) else None
        self.general = GeneralLosses(members, spaces, capacity.general) if capacity.general else None

    @staticmethod
    def of(losses: Sequence[Loss | None], spaces: Spaces, rng: CounterRng) -> StackedLoss:
        """A stack that just holds `losses`, initialised with a stream each; None is no auxiliary loss."""
        stack = StackedLoss(len(losses), spaces, Capacity.of(losses))
        for member, loss in enumerate(losses):
            stack.reset(member, loss, rng.member(member))
        return stack

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
        if self.general is None:
            return self._of_tables(encode, encode_target, window)
        asked = StackAgent(encode, encode_target) if agent is None else agent
        found: Tensor = self.general(asked, window)
        return found + self._of_tables(encode, encode_target, window) if self.capacity.kinds else found

    def _of_tables(self, encode: StackEncoder, encode_target: StackEncoder, window: StackWindow) -> Tensor:
        source = self._rows(self.tables.source, window, encode)
        prediction = self._predict(source)
        with torch.no_grad():
            target = self._rows(self.tables.target, window, encode_target)
        # Differences of like numbers and sums over the batch need all their digits, also under autocast.
        with unrounded(target.device):
            exact = self.bias_out.dtype
            lanes = compare(self.tables, prediction.to(exact), target.to(exact), self.matrix)
        weight = self.tables.weight.to(lanes.dtype)
        return (weight * lanes.view_as(weight)).sum(dim=1)

    @torch.no_grad()
    def reset(self, member: int, loss: Loss | None, rng: CounterRng) -> None:
        """Give a member a new loss with fresh parameters, as `nn.Linear` and the paper initialise them.

        Fan-ins are those of the loss alone; numbers are drawn at its own sizes, so a member's start doesn't
        depend on the stack's capacity. rng: the streams of this member.
        """
        self.write(member, loss)
        if self.general is not None:
            self.general.reset(member, None if loss is None or is_paper_shaped(loss) else loss, rng)
        rows = [(Room.of(term.source), Room.of(term.target)) for _, term in _tabled(loss)]
        terms = self.capacity.terms
        for parameter in self.parameters(recurse=False):
            parameter[member * terms : (member + 1) * terms] = 0
        for term, (source, target) in enumerate(rows):
            self._initialise(member * terms + term, source, target, rng, term)
            if self.matrix is not None and self.tables.bilinear[member, term]:
                outputs = target.width(self.spaces)
                values = rng.uniform(Purpose.INIT_LOSS, 5 * term + 4, outputs * outputs)
                at = self._places(target, self.capacity.target)
                self.matrix[member * terms + term, at[:, None], at] = values.view(outputs, outputs).to(
                    self.matrix
                )

    def write(self, member: int, loss: Loss | None) -> None:
        """Make `loss` the loss of a member; its parameters stay as they are."""
        other = None if loss is None or is_paper_shaped(loss) else loss
        if other is not None and self.general is None:
            raise A2lError(
                f"the loss `{print_loss(other)}` does not fit into this stack",
                "build the stack with a capacity that covers all of its losses",
            )
        targets = [Room.of(each.target) for _, each in _tabled(loss)]
        widths = [target.width(self.spaces) for target in targets]
        self.tables.write(member, None if other is not None else loss, widths)
        if self.general is not None:
            self.general.write(member, other)
            if other is not None:
                self.tables.horizon[member] = self.general.structure(other).reach

    def member_state(self, member: int) -> dict[str, Tensor]:
        """The parameters of one member as the `state_dict` of its `CompiledLoss`."""
        if self.general is not None and self.general.losses[member] is not None:
            return self.general.member_state(member)
        parameters = dict(self.named_parameters())
        places = self.places(member).items()
        return {name: parameters[stacked][at].detach().clone() for name, (stacked, at) in places}

    def take(self, member: int, other: StackedLoss, mine: Sequence[Tensor], its: Sequence[Tensor]) -> None:
        """Copy a member's numbers from `its`, tensors like the parameters of another stack, into `mine`.

        Both stacks hold the same loss for the member; `mine` are like this one's parameters, in their order.
        """
        targets = {name: tensor for (name, _), tensor in zip(self.named_parameters(), mine, strict=True)}
        sources = {name: tensor for (name, _), tensor in zip(other.named_parameters(), its, strict=True)}
        here = self.places(member)
        for name, (stacked, at) in other.places(member).items():
            targets[here[name][0]][here[name][1]] = sources[stacked][at]

    def places(self, member: int) -> dict[str, tuple[str, Index]]:
        """Where the parameters of a member's `CompiledLoss` lie: a stacked parameter and an index into it."""
        found: dict[str, tuple[str, Index]] = {}
        if self.general is not None:
            places = self.general.places(member).items()
            found |= {name: ("general.flat", (member, at)) for name, at in places}
        for term in range(self.capacity.terms):
            source = self._places(self._row(self.tables.source, member, term), self.capacity.source)
            target = self._places(self._row(self.tables.target, member, term), self.capacity.target)
            if not len(target):
                continue
            lane = member * self.capacity.terms + term
            hidden = torch.arange(2 * len(source), device=source.device)
            name = f"heads.{term}"
            found[f"{name}.0.weight"] = "weight_in", (lane, hidden[:, None], source)
            found[f"{name}.0.bias"] = "bias_in", (lane, hidden, 0)
            found[f"{name}.1.weight"] = "norm_weight", (lane, hidden, 0)
            found[f"{name}.1.bias"] = "norm_bias", (lane, hidden, 0)
            found[f"{name}.3.weight"] = "weight_out", (lane, target[:, None], hidden)
            found[f"{name}.3.bias"] = "bias_out", (lane, target, 0)
            if self.matrix is not None and self.tables.bilinear[member, term]:
                found[f"bilinear.{term}"] = "matrix", (lane, target[:, None], target)
        return found

    def _rows(self, side: Side, window: StackWindow, encode: StackEncoder) -> Tensor:
        """One side's rows, (lanes, B, width): states encoded in one call, actions and rewards as they are."""
        parts = []
        if side.states.places:
            step, draw = side.states.step.flatten(1), side.states.draw.flatten(1)
            observations = window.states(step, draw)
            features = encode(observations.flatten(1, 2))
            parts.append(side.states.join(features.view(*observations.shape[:3], -1)))
        if side.actions.places:
            parts.append(side.actions.join(side.actions.gather(window.action)))
        if side.rewards.places:
            parts.append(side.rewards.join(side.rewards.gather(window.reward[..., None])))
        batch = window.reward.shape[1]
        lanes = self.members * self.capacity.terms
        return torch.cat(parts, dim=2) if parts else window.reward.new_zeros(lanes, batch, 0)

    def _predict(self, source: Tensor) -> Tensor:
        """The predictors of all lanes: (lanes, B, source width) -> (lanes, target width, B)."""
        hidden = torch.baddbmm(self.bias_in, self.weight_in, source.mT)
        hidden = F.layer_norm(hidden, hidden.shape[2:])
        hidden = F.relu(hidden * self.norm_weight + self.norm_bias)
        return torch.baddbmm(self.bias_out, self.weight_out, hidden)

    def _initialise(self, lane: int, source: Room, target: Room, rng: CounterRng, term: int) -> None:
        inputs, outputs = source.width(self.spaces), target.width(self.spaces)
        hidden = 2 * inputs

        def uniform(draw: int, rows: int, columns: int, fan_in: int) -> Tensor:
            values = rng.uniform(Purpose.INIT_LOSS, 5 * term + draw, rows * columns).view(rows, columns)
            return (2 * values - 1).to(self.weight_in) / math.sqrt(fan_in)

        into = self._places(source, self.capacity.source)
        out = self._places(target, self.capacity.target)
        self.weight_in[lane, :hidden, into] = uniform(0, hidden, inputs, inputs)
        self.bias_in[lane, :hidden] = uniform(1, hidden, 1, inputs)
        self.norm_weight[lane, :hidden] = 1
        self.weight_out[lane, out, :hidden] = uniform(2, outputs, hidden, hidden)
        self.bias_out[lane, out] = uniform(3, outputs, 1, hidden)

    def _places(self, row: Room, capacity: Room) -> Tensor:
        """Where the numbers of a row stand in a padded row, in order."""
        places: list[int] = []
        start = 0
        for used, width, room in (
            (row.states, self.spaces.features, capacity.states),
            (row.actions, self.spaces.action, capacity.actions),
            (row.rewards, 1, capacity.rewards),
        ):
            places += range(start, start + used * width)
            start += room * width
        return torch.tensor(places, dtype=torch.int64, device=self.weight_in.device)

    @staticmethod
    def _row(side: Side, member: int, term: int) -> Room:
        return Room(
            *(int(each.mask[member, term].sum()) for each in (side.states, side.actions, side.rewards))
        )


def _tabled(loss: Loss | None) -> Sequence[tuple[float, Comparison]]:
    """The terms of a loss that the tables hold."""
    return paper_terms(loss) if loss is not None and is_paper_shaped(loss) else ()

"""Terms of like sizes as one computation, written as tables of numbers: lanes of one width."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from a2ls_dsl.backend.counter_rng import CounterRng, Purpose
from a2ls_dsl.backend.precision import unrounded
from a2ls_dsl.backend.stacked.agent import StackEncoder
from a2ls_dsl.backend.stacked.capacity import Room, Size, traits_of
from a2ls_dsl.backend.stacked.channels import NOTHING, Channels
from a2ls_dsl.backend.stacked.operators import compare
from a2ls_dsl.backend.window import StackWindow
from a2ls_dsl.lang.syntax.tree import Comparison, Element, Item, elements_of
from a2ls_dsl.words.language import Stream
from a2ls_dsl.words.registry import operators

Index = tuple[int | Tensor | slice, ...]


class Picks(nn.Module):
    """Which states a side reads: tables (lanes, places).

    draw: the number of the view's call in the loss, from 1; 0 where there is none.
    """

    step: Tensor
    draw: Tensor

    def __init__(self, lanes: int, places: int) -> None:
        super().__init__()
        self.places = places
        self.register_buffer("step", torch.zeros(lanes, places, dtype=torch.int64))
        self.register_buffer("draw", torch.zeros(lanes, places, dtype=torch.int64))

    def write(self, lane: int, offsets: Sequence[int], draws: Sequence[int]) -> None:
        for table, values in ((self.step, offsets), (self.draw, draws)):
            table[lane] = 0
            table[lane, : len(values)] = torch.tensor(values, dtype=table.dtype)


class Side(nn.Module):
    """The source or target sets of all lanes. first: the number of its first state among those encoded."""

    row: Tensor
    """(lanes, width), the numbers of the channels that a lane's row consists of."""

    def __init__(self, lanes: int, room: Room, channels: Channels, first: int) -> None:
        super().__init__()
        self.room, self.channels, self.first = room, channels, first
        self.states = Picks(lanes, room.states)
        row = torch.full((lanes, channels.width(room)), NOTHING, dtype=torch.int64)
        self.register_buffer("row", row, persistent=False)  # a function of the losses and where they lie

    def write(self, lane: int, owner: int, items: tuple[Item, ...], draws: int) -> int:
        """Make `items` of a member the set of a lane.

        draws: the views called before it; gives those called so far.
        """
        elements: Sequence[Element] = elements_of(items)
        offsets: dict[Stream, list[int]] = {stream: [] for stream in Stream}
        called = list[int]()
        for element in elements:
            draws += len(element.calls)
            offsets[element.stream].append(element.offset)
            if element.stream is Stream.STATE:
                called.append(draws if element.calls else 0)
        self.states.write(lane, offsets[Stream.STATE], called)
        first = self.first + lane * self.room.states
        states, actions, rewards = (
            range(first, first + len(called)),
            offsets[Stream.ACTION],
            offsets[Stream.REWARD],
        )
        self.row[lane] = torch.tensor(self.channels.row(self.room, states, owner, actions, rewards))
        return draws


class Bucket(nn.Module):
    """Lanes of one size, with a term each and its predictor; parameters carry a leading lane axis.

    Rows are padded to the size's width and every stream is packed to the front of its part. Weights at
    padding are zero, get zero gradients, and so stay exactly zero under Adam: a lane computes what its term
    computes alone.

    owner: (lanes,) the member whose term a lane holds; an empty lane has the weight 0. in_order: whether lane
    i is for ever member i's.
    """

    owner: Tensor
    weight: Tensor
    width: Tensor
    normalised: Tensor
    similarity: Tensor
    bilinear: Tensor
    against: Tensor

    def __init__(self, size: Size, owners: Sequence[int], channels: Channels, first: tuple[int, int]) -> None:
        """first: the numbers of its first states among those of all buckets' sources, and targets."""
        super().__init__()
        members, spaces = channels.members, channels.spaces
        self.size, self.spaces = size, spaces
        self._traits = [traits_of(*kind) for kind in size.kinds]
        self.in_order = list(owners) == list(range(members))
        lanes = len(owners)
        sides = zip((size.source, size.target), first, strict=True)
        self.source, self.target = (Side(lanes, room, channels, number) for room, number in sides)
        self.register_buffer("owner", torch.tensor(owners, dtype=torch.int64))
        self.register_buffer("weight", torch.zeros(lanes, dtype=torch.float64))
        # A target row's number of values, the divisor of a mean.
        self.register_buffer("width", torch.ones(lanes))
        for flag in ("normalised", "similarity", "bilinear", "against"):
            self.register_buffer(flag, torch.zeros(lanes, dtype=torch.bool))
        inputs, outputs = size.source.width(spaces), size.target.width(spaces)
        hidden = 2 * inputs

        def zeros(*shape: int) -> nn.Parameter:
            return nn.Parameter(torch.zeros(lanes, *shape))

        # Features stand before the batch: batch norm is then a layer norm over the last axis.
        self.weight_in, self.bias_in = zeros(hidden, inputs), zeros(hidden, 1)
        self.norm_weight, self.norm_bias = zeros(hidden, 1), zeros(hidden, 1)
        self.weight_out, self.bias_out = zeros(outputs, hidden), zeros(outputs, 1)
        self.matrix = zeros(outputs, outputs) if size.uses(bilinear=True) else None

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """The weighted term of every lane, (lanes,). source, target: its rows (lanes, width, B)."""
        prediction = self._predict(source)
        # Differences of like numbers and sums over the batch need all their digits, also under autocast.
        with unrounded(target.device):
            exact = self.bias_out.dtype
            terms = compare(self, prediction.to(exact), target.to(exact))
        return self.weight.to(terms.dtype) * terms

    def uses(self, **traits: bool) -> bool:
        """What `Size.uses` says, without a look at the table of operators: this is compiled."""
        return any(all(trait[name] is wanted for name, wanted in traits.items()) for trait in self._traits)

    def write(self, lane: int, owner: int, weight: float, term: Comparison, draws: int) -> int:
        """Make `term` that of a lane. draws: the views its loss called before; gives those called so far."""
        draws = self.source.write(lane, owner, term.source, draws)
        draws = self.target.write(lane, owner, term.target, draws)
        self.owner[lane] = owner
        self.weight[lane] = weight
        self.width[lane] = Room.of(term.target).width(self.spaces)
        for name, switch in traits_of(term.operator, term.against_batch).items():
            getattr(self, name)[lane] = switch
        return draws

    def clear(self, lane: int) -> None:
        """Leave a lane empty."""
        for parameter in self.parameters():
            parameter[lane] = 0
        self.weight[lane] = 0

    def initialise(self, lane: int, term: Comparison, rng: CounterRng, number: int) -> None:
        """Fresh parameters of a lane, as `nn.Linear` and the paper initialise them; `number`: the term's.

        Fan-ins are those of the term alone; numbers are drawn at its own sizes, so a start doesn't depend on
        the bucket's size. rng: the streams of the lane's member.
        """

        def uniform(draw: int, rows: int, columns: int) -> Tensor:
            values = rng.uniform(Purpose.INIT_LOSS, 5 * number + draw, rows * columns)
            return values.view(rows, columns).to(self.weight_in)

        def linear(draw: int, rows: int, columns: int, fan_in: int) -> Tensor:
            return (2 * uniform(draw, rows, columns) - 1) / math.sqrt(fan_in)

        source, target = self._places(term)
        inputs, outputs = len(source), len(target)
        hidden = 2 * inputs
        for parameter in self.parameters():
            parameter[lane] = 0
        self.weight_in[lane, :hidden, source] = linear(0, hidden, inputs, inputs)
        self.bias_in[lane, :hidden] = linear(1, hidden, 1, inputs)
        self.norm_weight[lane, :hidden] = 1
        self.weight_out[lane, target, :hidden] = linear(2, outputs, hidden, hidden)
        self.bias_out[lane, target] = linear(3, outputs, 1, hidden)
        if self.matrix is not None and operators[term.operator].matrix:
            self.matrix[lane, target[:, None], target] = uniform(4, outputs, outputs)

    def places(self, lane: int, term: Comparison, number: int) -> Iterator[tuple[str, tuple[str, Index]]]:
        """Where the parameters of a term lie, by their names in `CompiledLoss`: a parameter and an index."""
        source, target = self._places(term)
        hidden = torch.arange(2 * len(source), device=source.device)
        name = f"heads.{number}"
        yield f"{name}.0.weight", ("weight_in", (lane, hidden[:, None], source))
        yield f"{name}.0.bias", ("bias_in", (lane, hidden, 0))
        yield f"{name}.1.weight", ("norm_weight", (lane, hidden, 0))
        yield f"{name}.1.bias", ("norm_bias", (lane, hidden, 0))
        yield f"{name}.3.weight", ("weight_out", (lane, target[:, None], hidden))
        yield f"{name}.3.bias", ("bias_out", (lane, target, 0))
        if self.matrix is not None and operators[term.operator].matrix:
            yield f"bilinear.{number}", ("matrix", (lane, target[:, None], target))

    def encoded(self, picks: Picks, encode: StackEncoder, window: StackWindow) -> Tensor:
        """The features of a side's states, (lanes, places, B, features)."""
        observations = window.states(picks.step, picks.draw, self.owner)
        features = encode(observations.flatten(1, 2), None if self.in_order else self.owner)
        return features.view(*observations.shape[:3], -1)

    def _predict(self, source: Tensor) -> Tensor:
        """The predictors of all lanes: (lanes, source width, B) -> (lanes, target width, B)."""
        hidden = torch.baddbmm(self.bias_in, self.weight_in, source)
        hidden = F.layer_norm(hidden, hidden.shape[2:])
        hidden = F.relu(torch.addcmul(self.norm_bias, hidden, self.norm_weight))
        return torch.baddbmm(self.bias_out, self.weight_out, hidden)

    def _places(self, term: Comparison) -> tuple[Tensor, Tensor]:
        """Where the numbers of a term's two rows stand in those of the bucket, in order."""
        sides = ((term.source, self.size.source), (term.target, self.size.target))
        source, target = (self._side_places(Room.of(items), room) for items, room in sides)
        return source, target

    def _side_places(self, row: Room, room: Room) -> Tensor:
        places: list[int] = []
        start = 0
        for used, width, most in (
            (row.states, self.spaces.features, room.states),
            (row.actions, self.spaces.action, room.actions),
            (row.rewards, 1, room.rewards),
        ):
            places += range(start, start + used * width)
            start += most * width
        return torch.tensor(places, dtype=torch.int64, device=self.weight_in.device)

"""What a stack has room for: terms of like sizes share a bucket, padded to the widest of them."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, product

from a2ls_dsl.backend.stacked.structure import structure_key, without_weights
from a2ls_dsl.backend.window import Spaces
from a2ls_dsl.ir.lower import is_paper_shaped
from a2ls_dsl.lang.rules.canonical import comparisons
from a2ls_dsl.lang.syntax.tree import Comparison, Item, Loss, Schedule, elements_of
from a2ls_dsl.words.entry import Form, Kind
from a2ls_dsl.words.language import Stream
from a2ls_dsl.words.registry import functions, operators

PADDING = 1.3
"""The arithmetic of a stack's losses, as a multiple of what the losses alone need; see `StackedLoss`."""
PADDING_ON_GPU = 2.5
"""The same where each bucket is launched, and a stack that is laid out anew is captured anew."""

OperatorKind = tuple[str, bool]
"""An operator and whether it stands against the batch."""


def paper_terms(loss: Loss | None) -> tuple[tuple[float, Comparison], ...]:
    """The weights and comparisons of a loss of He et al. 2022; of any other there are none."""
    if loss is None or not is_paper_shaped(loss):
        return ()
    return tuple((weight, term) for weight, term in comparisons(loss) if not isinstance(weight, Schedule))


def traits_of(operator: str, against: bool) -> dict[str, bool]:
    """What distinguishes the terms of He et al. 2022: the switches of a lane."""
    entry = operators[operator]
    similarity = entry.form is Form.SIMILARITY
    return {
        "normalised": entry.unit_rows,
        "similarity": similarity,
        "bilinear": entry.matrix,
        "against": against,
    }


@dataclass(frozen=True, order=True)
class Room:
    """How many elements of each stream a row has place for, stream by stream."""

    states: int = 0
    actions: int = 0
    rewards: int = 0

    @staticmethod
    def of(items: tuple[Item, ...]) -> Room:
        """What a set of s, a and r takes."""
        streams = [element.stream for element in elements_of(items)]
        count = {stream: streams.count(stream) for stream in Stream}
        return Room(count[Stream.STATE], count[Stream.ACTION], count[Stream.REWARD])

    def width(self, spaces: Spaces) -> int:
        """How many numbers that is."""
        return self.states * spaces.features + self.actions * spaces.action + self.rewards

    def join(self, other: Room) -> Room:
        """What holds both."""
        return Room(
            max(self.states, other.states),
            max(self.actions, other.actions),
            max(self.rewards, other.rewards),
        )


@dataclass(frozen=True)
class Cost:
    """What a term asks of an update.

    numbers: of its predictor, each of which is multiplied with each sample and moved by Adam; states: that
    are encoded.
    """

    numbers: float = 0
    states: float = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.numbers + other.numbers, self.states + other.states)

    def __sub__(self, other: Cost) -> Cost:
        return self + -1 * other

    def __rmul__(self, factor: float) -> Cost:
        return Cost(factor * self.numbers, factor * self.states)

    def within(self, other: Cost) -> bool:
        """Whether neither exceeds that of `other`."""
        return self.numbers <= other.numbers and self.states <= other.states


@dataclass(frozen=True, order=True)
class Size:
    """What a lane, the place of one term, has room for: elements a side, and operators."""

    source: Room
    target: Room
    kinds: tuple[OperatorKind, ...]

    @staticmethod
    def of(term: Comparison) -> Size:
        """Just what a term needs."""
        kinds = ((term.operator, term.against_batch),)
        return Size(Room.of(term.source), Room.of(term.target), kinds)

    def join(self, other: Size) -> Size:
        """What holds both."""
        kinds = tuple(sorted({*self.kinds, *other.kinds}))
        return Size(self.source.join(other.source), self.target.join(other.target), kinds)

    def opened(self) -> Size:
        """The same for all operators without a matrix."""
        plain = [
            name for name, operator in operators.items() if operator.form is not None and not operator.matrix
        ]
        kinds = {*self.kinds, *product(plain, (False, True))}
        return Size(self.source, self.target, tuple(sorted(kinds)))

    def holds(self, other: Size) -> bool:
        """Whether a lane of this size has room for what fits into one of the `other`."""
        return self.join(other) == self

    def uses(self, **traits: bool) -> bool:
        """Whether a term with these traits (see `traits_of`) can occur."""
        return any(traits.items() <= traits_of(*kind).items() for kind in self.kinds)

    def cost(self, spaces: Spaces) -> Cost:
        """What a lane of this size costs, whatever stands in it."""
        inputs, outputs = self.source.width(spaces), self.target.width(spaces)
        numbers = 2 * inputs * (inputs + outputs) + self.uses(bilinear=True) * outputs**2
        return Cost(numbers, self.source.states + self.target.states)


@dataclass(frozen=True)
class Capacity:
    """What a stack can hold; fixed while the stack lives.

    buckets: sizes of lanes, and how many there are of each, for the terms of the losses of He et al. 2022.
    horizon: largest offset; views: calls of views (each is a draw of its own) a loss. general: the other
    losses, one of each structure; a slot holds what needs no more parameters than one of them.
    """

    buckets: tuple[tuple[Size, int], ...] = ()
    horizon: int = 0
    views: int = 0
    general: tuple[Loss, ...] = ()

    @staticmethod
    def of(
        losses: Sequence[Loss | None], spaces: Spaces, padding: float, spare: bool = False
    ) -> tuple[Capacity, list[list[int]]]:
        """What holds `losses` in as few buckets as `padding` allows, and for each its terms' buckets.

        spare: with lanes for losses that come later, whatever their operators are.
        """
        present = [loss for loss in losses if loss is not None]
        places = [(member, term) for member, loss in enumerate(losses) for _, term in paper_terms(loss)]
        sizes = [Size.of(term) for _, term in places]
        seats: list[list[int]] = [[] for _ in losses]
        buckets = list[tuple[Size, int]]()
        bucket_of = [0] * len(places)
        for number, (size, lanes) in enumerate(_grouped(sizes, spaces, padding)):
            buckets.append((size.opened(), len(lanes) + _spares(len(lanes))) if spare else (size, len(lanes)))
            for lane in lanes:
                bucket_of[lane] = number
        for (member, _), bucket in zip(places, bucket_of, strict=True):
            seats[member].append(bucket)
        structures = {
            structure_key(loss): without_weights(loss) for loss in present if not is_paper_shaped(loss)
        }
        capacity = Capacity(
            tuple(buckets),
            max((loss.horizon for loss in present), default=0),
            max((views_of(loss) for loss in present), default=0),
            tuple(structures[key] for key in sorted(structures)),
        )
        return capacity, seats

    @property
    def windows(self) -> tuple[int, int]:
        """How many steps windows have, and how many calls of views there are beside these."""
        return self.horizon + 1, self.views

    def cost(self, spaces: Spaces) -> Cost:
        """What all lanes cost, whatever stands in them."""
        return sum((lanes * size.cost(spaces) for size, lanes in self.buckets), Cost())


def exact_cost(losses: Iterable[Loss | None], spaces: Spaces) -> Cost:
    """What losses of He et al. 2022 would cost without padding."""
    return sum((Size.of(term).cost(spaces) for loss in losses for _, term in paper_terms(loss)), Cost())


def views_of(loss: Loss) -> int:
    """How many calls of views a loss has."""
    return sum(
        functions[call.name].kind is Kind.VIEW
        for _, term in comparisons(loss)
        for element in elements_of(term.items)
        for call in element.calls
    )


def _spares(lanes: int) -> int:
    """How many more: the terms in lanes of a size come and go, and their number strays by about its root."""
    return round(math.sqrt(lanes) / 2)


@dataclass(frozen=True)
class _Merged:
    """Lanes that will share a bucket of this size."""

    size: Size
    lanes: tuple[int, ...]
    cost: Cost  # of all its lanes

    def join(self, other: _Merged, spaces: Spaces) -> _Merged:
        size, lanes = self.size.join(other.size), tuple(sorted(self.lanes + other.lanes))
        return _Merged(size, lanes, len(lanes) * size.cost(spaces))


def _grouped(sizes: Sequence[Size], spaces: Spaces, padding: float) -> Iterator[tuple[Size, tuple[int, ...]]]:
    """Lanes in groups of like sizes, in an order that the sizes alone decide.

    The two groups that cost the least to join are joined, again and again, as long as neither cost exceeds
    `padding` times that of the lanes alone.
    """
    alone = dict[Size, tuple[int, ...]]()
    for lane, size in enumerate(sizes):
        alone[size] = (*alone.get(size, ()), lane)
    groups = dict[int, _Merged]()
    for size, lanes in alone.items():
        groups[len(groups)] = _Merged(size, lanes, len(lanes) * size.cost(spaces))
    cost = sum((group.cost for group in groups.values()), Cost())
    limit = Cost(math.inf, math.inf) if math.isinf(padding) else padding * cost
    share = Cost(1 / max(cost.numbers, 1), 1 / max(cost.states, 1))
    heap: list[tuple[float, int, int, Cost]] = []

    def offer(left: int, right: int) -> None:
        joined = groups[left].size.join(groups[right].size).cost(spaces)
        lanes = len(groups[left].lanes) + len(groups[right].lanes)
        more = lanes * joined - groups[left].cost - groups[right].cost
        if (cost + more).within(limit):
            added = more.numbers * share.numbers + more.states * share.states
            heapq.heappush(heap, (added, left, right, more))

    for left, right in combinations(groups, 2):
        offer(left, right)
    number = len(groups)
    while heap:
        _, left, right, more = heapq.heappop(heap)
        if left in groups and right in groups and (cost + more).within(limit):
            cost += more
            groups[number] = groups.pop(left).join(groups.pop(right), spaces)
            for old in [old for old in groups if old != number]:
                offer(old, number)
            number += 1
    for group in sorted(groups.values(), key=lambda group: group.size):
        yield group.size, group.lanes

"""What a stack can hold, and its members written as tables of numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice

import torch
from torch import Tensor, nn

from a2ls_dsl.backend.operators import OPERATIONS
from a2ls_dsl.backend.stacked.structure import structure_key, without_weights
from a2ls_dsl.backend.window import Spaces
from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.ir.lower import is_paper_shaped
from a2ls_dsl.lang.ast import Comparison, Element, Item, Loss, Schedule, Stream, elements_of
from a2ls_dsl.lang.canonical import comparisons
from a2ls_dsl.lang.functions import Kind
from a2ls_dsl.lang.printer import print_loss
from a2ls_dsl.lang.registry import functions

OperatorKind = tuple[str, bool]
"""An operator and whether it stands against the batch."""


def paper_terms(loss: Loss) -> tuple[tuple[float, Comparison], ...]:
    """The weights and comparisons of a paper-shaped loss."""
    terms = comparisons(loss)
    return tuple((weight, term) for weight, term in terms if not isinstance(weight, Schedule))


@dataclass(frozen=True)
class Room:
    """How many elements of each stream a row has place for, stream by stream."""

    states: int = 0
    actions: int = 0
    rewards: int = 0

    @staticmethod
    def of(items: tuple[Item, ...]) -> Room:
        """What a set of s, a and r takes."""
        count = {each: sum(element.stream is each for element in elements_of(items)) for each in Stream}
        return Room(count[Stream.STATE], count[Stream.ACTION], count[Stream.REWARD])

    def width(self, spaces: Spaces) -> int:
        """How many numbers that is."""
        return self.states * spaces.features + self.actions * spaces.action + self.rewards


@dataclass(frozen=True)
class Capacity:
    """The largest loss that fits into a slot of a stack; fixed while the stack lives.

    terms: comparisons a loss; source, target: elements a side; kinds: the operators. These are of the losses
    of He et al. 2022, which stacks hold as tables. horizon: largest offset. general: the other losses, one
    of each structure; a slot holds what needs no more parameters than one of them.
    """

    terms: int
    source: Room
    target: Room
    horizon: int
    kinds: tuple[OperatorKind, ...]
    views: int = 0  # calls of views (each is a draw of its own) a loss
    general: tuple[Loss, ...] = ()

    @staticmethod
    def of(losses: Iterable[Loss | None]) -> Capacity:
        """The smallest capacity that holds each of `losses` (None, no auxiliary loss, fits anywhere)."""
        known = [loss for loss in losses if loss is not None]
        others = [loss for loss in known if not is_paper_shaped(loss)]
        present = [paper_terms(loss) for loss in known if is_paper_shaped(loss)]
        flat = [term for terms in present for _, term in terms]
        structures = {structure_key(loss): without_weights(loss) for loss in others}
        return Capacity(
            terms=max((len(terms) for terms in present), default=1),
            source=_largest(Room.of(term.source) for term in flat),
            target=_largest(Room.of(term.target) for term in flat),
            horizon=max((loss.horizon for loss in known), default=0),
            kinds=tuple(sorted({(term.operator, term.against_batch) for term in flat})),
            views=max((_views(loss) for loss in known), default=0),
            general=tuple(structures[key] for key in sorted(structures)),
        )

    def holds(self, loss: Loss | None) -> bool:
        """Whether a slot of this capacity can hold `loss`."""
        return Capacity.of([loss]).within(self)

    def within(self, other: Capacity) -> bool:
        """Whether a slot of the `other` capacity holds whatever fits into this one."""
        return (
            self.terms <= other.terms
            and _largest([self.source, other.source]) == other.source
            and _largest([self.target, other.target]) == other.target
            and self.horizon <= other.horizon
            and self.views <= other.views
            and set(self.kinds) <= set(other.kinds)
            and (not self.general or bool(other.general))
        )

    def uses(self, **traits: bool) -> bool:
        """Whether an operator with these traits (fields of `Operation`, or `against`) can occur."""
        return any(
            all(
                (against if name == "against" else getattr(OPERATIONS[op], name)) is wanted
                for name, wanted in traits.items()
            )
            for op, against in self.kinds
        )


def _views(loss: Loss) -> int:
    return sum(
        functions[call.name].kind is Kind.VIEW
        for _, term in comparisons(loss)
        for element in elements_of(term.items)
        for call in element.calls
    )


def _largest(rows: Iterable[Room]) -> Room:
    rows = list(rows)
    return Room(
        max((row.states for row in rows), default=0),
        max((row.actions for row in rows), default=0),
        max((row.rewards for row in rows), default=0),
    )


class Picks(nn.Module):
    """Which steps of a stream a side reads: tables (members, terms, places) and a mask of used places.

    draw: for states, the number of the view's call in the loss, from 1; 0 where there is none.
    """

    step: Tensor
    draw: Tensor
    mask: Tensor

    def __init__(self, members: int, terms: int, places: int) -> None:
        super().__init__()
        self.places = places
        self.register_buffer("step", torch.zeros(members, terms, places, dtype=torch.int64))
        self.register_buffer("draw", torch.zeros(members, terms, places, dtype=torch.int64))
        self.register_buffer("mask", torch.zeros(members, terms, places))

    def write(self, member: int, term: int, offsets: Sequence[int], draws: Sequence[int]) -> None:
        used = len(offsets)
        for table, values in ((self.step, offsets), (self.draw, draws), (self.mask, [1] * used)):
            table[member, term] = 0
            table[member, term, :used] = torch.tensor(values, dtype=table.dtype)

    def gather(self, values: Tensor) -> Tensor:
        """(members, B, steps, width) -> (members, terms * places, B, width): the steps of the table."""
        member = torch.arange(values.shape[0], device=values.device)[:, None]
        return values.transpose(1, 2)[member, self.step.flatten(1)]

    def join(self, gathered: Tensor) -> Tensor:
        """(members, terms * places, B, width) -> (members * terms, B, places * width), unused places zero."""
        members, terms, places = self.step.shape
        batch, width = gathered.shape[2:]
        parts = gathered.view(members * terms, places, batch, width) * self.mask.view(-1, places, 1, 1)
        return parts.transpose(1, 2).reshape(members * terms, batch, places * width)


class Side(nn.Module):
    """The source or target sets of all members."""

    def __init__(self, members: int, terms: int, row: Room) -> None:
        super().__init__()
        self.states = Picks(members, terms, row.states)
        self.actions = Picks(members, terms, row.actions)
        self.rewards = Picks(members, terms, row.rewards)

    def write(self, member: int, term: int, elements: Sequence[Element], draws: int) -> None:
        """Make `elements` the set of a term; `draws` views were called before it."""
        numbers = accumulate((len(each.calls) for each in elements), initial=draws)
        called = [
            number if each.calls else 0
            for each, number in zip(elements, islice(numbers, 1, None), strict=True)
        ]
        for picks, stream in zip(
            (self.states, self.actions, self.rewards),
            (Stream.STATE, Stream.ACTION, Stream.REWARD),
            strict=True,
        ):
            own = [index for index, each in enumerate(elements) if each.stream is stream]
            picks.write(member, term, [elements[i].offset for i in own], [called[i] for i in own])


class Tables(nn.Module):
    """All that makes one member's loss differ from another's: sets, operators, weights, horizons.

    horizon: how many steps behind its first one each member's windows take.
    """

    weight: Tensor
    width: Tensor
    horizon: Tensor
    normalised: Tensor
    similarity: Tensor
    bilinear: Tensor
    against: Tensor

    def __init__(self, members: int, capacity: Capacity) -> None:
        super().__init__()
        self.capacity = capacity
        self.source = Side(members, capacity.terms, capacity.source)
        self.target = Side(members, capacity.terms, capacity.target)
        # weight 0 marks an unused term; width is a target row's number of values, the divisor of a mean.
        self.register_buffer("weight", torch.zeros(members, capacity.terms, dtype=torch.float64))
        self.register_buffer("width", torch.ones(members, capacity.terms))
        self.register_buffer("horizon", torch.zeros(members, dtype=torch.int64))
        for flag in ("normalised", "similarity", "bilinear", "against"):
            self.register_buffer(flag, torch.zeros(members, capacity.terms, dtype=torch.bool))

    def write(self, member: int, loss: Loss | None, target_widths: Sequence[int]) -> None:
        """Make `loss` the loss of a member; None makes it none at all."""
        if not self.capacity.holds(loss) or (loss is not None and not is_paper_shaped(loss)):
            raise A2lError(
                f"the loss `{print_loss(loss) if loss else 'none'}` does not fit into this stack",
                "build the stack with a capacity that covers all of its losses",
            )
        terms = paper_terms(loss) if loss is not None else ()
        unused = [(0.0, Comparison("mse", (), ()))] * (self.capacity.terms - len(terms))
        draws = 0
        for term, (weight, comparison) in enumerate([*terms, *unused]):
            for side, items in ((self.source, comparison.source), (self.target, comparison.target)):
                elements = elements_of(items)
                side.write(member, term, elements, draws)
                draws += sum(len(each.calls) for each in elements)
            self.weight[member, term] = weight
            self.width[member, term] = target_widths[term] if comparison.target else 1
            operator = OPERATIONS[comparison.operator]
            self.normalised[member, term] = operator.normalised
            self.similarity[member, term] = operator.similarity
            self.bilinear[member, term] = operator.bilinear
            self.against[member, term] = comparison.against_batch
        self.horizon[member] = max((term.horizon for _, term in terms), default=0)

"""Sets and comparisons as bit masks: which bit stands for which item, and what a set can be.

A set's alternatives are cubes: of a cube's elements some must be there and others may.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

from a2ls_dsl.lang.grammar.combinatorics import Prior, draw, members, pick, split, total_size, under, weighted
from a2ls_dsl.lang.rules.canonical import canonical_comparison
from a2ls_dsl.lang.syntax.items import Path
from a2ls_dsl.lang.syntax.printer import stream_of
from a2ls_dsl.lang.syntax.tree import Comparison, Item, Option, Weight
from a2ls_dsl.words.agent import EMA, ONLINE
from a2ls_dsl.words.language import Stream
from a2ls_dsl.words.registry import operators

if TYPE_CHECKING:
    from numpy.random import Generator

SOURCE, TARGET = SIDES = ("source", "target")

ENCODERS = {SOURCE: ONLINE, TARGET: EMA}
"""The encoder that states of a side have by default, by which `lang/canonical.py` calls it."""

Kind: TypeAlias = tuple[str, bool, tuple[Option, ...]]
"""Operator, negatives and options without defaults: comparisons of different kinds are different."""


@dataclass(frozen=True)
class Layout:
    """Which bit of a side's masks stands for which item: `items` in canonical order.

    side: `source` or `target`. clauses: for each `require` line the items of which one has to be there.
    """

    side: str
    items: tuple[Item, ...]
    clauses: tuple[int, ...]

    @cached_property
    def bits(self) -> dict[Item, int]:
        """The bit of each item."""
        return {item: 1 << index for index, item in enumerate(self.items)}

    @cached_property
    def columns(self) -> tuple[tuple[Stream, int], ...]:
        """The mask of each stream that items belong to."""
        return tuple((stream, self.mask(stream)) for stream in Stream)

    def mask(self, stream: Stream) -> int:
        """The items of one stream."""
        return self.cover(item for item in self.items if stream_of(item) is stream)

    def cover(self, items: Iterable[Item]) -> int:
        """The mask of some items; an item given twice counts once."""
        mask = 0
        for item in items:
            mask |= self.bits[item]
        return mask

    def encode(self, items: Iterable[Item]) -> int | None:
        """The mask of the items of a canonical set; None if one has no bit, or a view is called twice."""
        mask = 0
        for item in items:
            bit = self.bits.get(item)
            if bit is None or mask & bit:
                return None
            mask |= bit
        return mask

    def chosen(self, mask: int) -> tuple[Item, ...]:
        """The items of a mask, in canonical order."""
        return tuple(self.items[bit.bit_length() - 1] for bit in split(mask))

    def allows(self, mask: int) -> bool:
        """Whether a mask keeps the `require` lines."""
        return all(mask & clause for clause in self.clauses)

    @cached_property
    def digits(self) -> tuple[int, ...]:
        """The bits, the last item first: masks are listed as numbers of these digits."""
        return tuple(reversed(self.bits.values()))


Product: TypeAlias = tuple[frozenset[tuple[int, int]], ...]
"""The cubes of a source and, if there is one, those of a target that go with each of them."""


@dataclass(frozen=True)
class Atom:
    """Comparisons of a sum that stand in one place: every one with every one of the weights."""

    place: int
    weights: frozenset[Weight]
    kinds: tuple[tuple[Kind, frozenset[Product]], ...]

    @cached_property
    def content(self) -> tuple[frozenset[Weight], frozenset[tuple[Kind, frozenset[Product]]]]:
        """What the atom holds, wherever it stands."""
        return self.weights, frozenset(self.kinds)


@dataclass(frozen=True)
class Layouts:
    """The layouts of the two sides, shared by all comparisons of a grammar."""

    source: Layout
    target: Layout

    def decode(self, kind: Kind, masks: tuple[int, ...]) -> Comparison:
        """The canonical comparison of a kind and one or two masks."""
        operator, against, options = kind
        sets = [layout.chosen(mask) for layout, mask in zip((self.source, self.target), masks, strict=False)]
        return Comparison(operator, sets[0], sets[1] if sets[1:] else (), against, options)

    def encode(self, term: Comparison) -> tuple[int, int] | None:
        """The masks of a canonical comparison, if they keep the `require` lines and every item has a bit."""
        source, target = self.source.encode(term.source), self.target.encode(term.target)
        if source is None or target is None or not self.source.allows(source):
            return None
        entry = operators.get(term.operator)
        unary = entry is not None and entry.unary
        return (source, target) if unary or self.target.allows(target) else None


def kind_of(operator: str, against: bool, options: tuple[Option, ...]) -> Kind:
    """The kind of a comparison, its options without defaults and in canonical order."""
    plain = canonical_comparison(Comparison(operator, (), (), against, options))
    return plain.operator, plain.against_batch, plain.options


def without(kind: Kind, names: Collection[str]) -> Kind:
    """A kind without the options of these names."""
    operator, against, options = kind
    return operator, against, tuple(option for option in options if option.name not in names)


@dataclass(frozen=True)
class Drawer:
    """A generator of random numbers, and how probable optional elements are."""

    rng: Generator
    prior: Prior | None = None

    def optional(self, bits: int, layout: Layout) -> int:
        """Each of some optional elements of a side with the probability that the prior gives it."""
        mask = 0
        for stream, column in layout.columns:
            if bits & column:
                mask |= draw(self.rng, bits & column, (self.prior or {}).get((layout.side, stream), 0.5))
        return mask


@dataclass(frozen=True)
class Cube:
    """One combination of a set's alternatives: the masks from `low` to `high`, of a side's layout.

    total, valid: how many masks there are, and how many of them keep the `require` lines.
    """

    path: Path
    low: int
    high: int
    total: int
    valid: int

    @staticmethod
    def of(path: Path, low: int, high: int, clauses: tuple[int, ...]) -> Cube:
        """A cube with its sizes."""
        return Cube(path, low, high, total_size([(low, high)]), under(clauses, [(low, high)], total_size))

    @property
    def may(self) -> int:
        """The items that may be there or not."""
        return self.high & ~self.low

    def holds(self, mask: int) -> bool:
        """Whether a mask is one of the cube's."""
        return not self.low & ~mask and not mask & ~self.high

    def can_lack(self, items: int, layout: Layout) -> bool:
        """Whether some mask that keeps the `require` lines has none of these items."""
        return not self.low & items and layout.allows(self.high & ~items)


@dataclass(frozen=True, eq=False)
class SetSpace:
    """What one set of a comparison can be; `place` is that of a cube."""

    layout: Layout
    cubes: tuple[Cube, ...]

    def mend(self, place: int, mask: int, drawer: Drawer) -> int:
        """A mask with what the `require` lines miss in it."""
        for clause in self.layout.clauses:
            if not mask & clause:
                mask |= pick(drawer.rng, tuple(split(self.cubes[place].may & clause)))
        return mask

    def masks(self, place: int) -> Iterator[int]:
        """Every valid mask of a cube, as increasing numbers."""
        cube = self.cubes[place]
        return members([(cube.low, cube.high)], self.layout.clauses, self.layout.digits)

    def move(self, mask: int, old: Cube, place: int, drawer: Drawer) -> int:
        """A mask in another cube: what that allows stays, what the old one had no place for is drawn."""
        new = self.cubes[place]
        return new.low | mask & new.high | drawer.optional(new.may & ~old.high, self.layout)

    def neighbour(self, place: int, drawer: Drawer) -> int:
        """Another cube: one that has as many alternatives in common as can be, or any."""
        others = [other for other, cube in enumerate(self.cubes) if cube.valid and other != place]
        if not others:
            return place
        path = self.cubes[place].path
        if not path or drawer.rng.random() < 0.25:
            return pick(drawer.rng, others)
        left = set(path) - {pick(drawer.rng, path)}
        shared = [len(left.intersection(self.cubes[other].path)) for other in others]
        return pick(
            drawer.rng, [o for o, common in zip(others, shared, strict=True) if common == max(shared)]
        )


@dataclass(frozen=True, eq=False)
class Offer:
    """The cubes of a set that go with the rest of a comparison; `places` name them."""

    space: SetSpace
    places: tuple[int, ...]

    @cached_property
    def cubes(self) -> tuple[Cube, ...]:
        """The cubes themselves."""
        return tuple(self.space.cubes[place] for place in self.places)

    @cached_property
    def live(self) -> tuple[int, ...]:
        """The places of the cubes that hold a valid set."""
        return tuple(place for place in self.places if self.space.cubes[place].valid)

    def draw(self, drawer: Drawer) -> tuple[int, int]:
        """A cube, each alike, then each optional element by itself: place and mask, valid or not."""
        while not self.space.cubes[place := pick(drawer.rng, self.places)].valid:
            pass
        cube = self.space.cubes[place]
        return place, cube.low | drawer.optional(cube.may, self.space.layout)

    def draw_evenly(self, drawer: Drawer) -> tuple[int, int]:
        """A valid set, each as probable as any other."""
        number = weighted(drawer.rng, [cube.valid for cube in self.cubes])
        cube = self.cubes[number]
        while True:  # each clause lets half of the masks through at least
            mask = cube.low | draw(drawer.rng, cube.may, 0.5)
            if self.space.layout.allows(mask):
                return self.places[number], mask

    def place_of(self, mask: int) -> int | None:
        """The first cube that holds a mask."""
        return next((place for place in self.places if self.space.cubes[place].holds(mask)), None)

"""The sets of a comparison, as bit masks: what a set can be, drawn, listed and looked up.

A set's alternatives are cubes: of a cube's elements some must be there and others may.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from a2ls_dsl.lang.grammar.counting import members, split, total_size, under
from a2ls_dsl.lang.grammar.draw import draw, pick, weighted
from a2ls_dsl.lang.grammar.layout import Layout

if TYPE_CHECKING:
    from a2ls_dsl.lang.grammar.draw import Drawer

Path: TypeAlias = tuple[tuple[int, int], ...]
"""Which alternative was taken at which place of the text."""


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
    """What one set of a comparison can be. `places` name the cubes that go with the rest of it."""

    layout: Layout
    cubes: tuple[Cube, ...]

    def live(self, places: Iterable[int]) -> list[int]:
        """The places of the cubes that hold a valid set."""
        return [place for place in places if self.cubes[place].valid]

    def total(self, places: Iterable[int]) -> int:
        """How many sets there are, those in two cubes counted twice."""
        return sum(self.cubes[place].total for place in places)

    def valid(self, places: Iterable[int]) -> int:
        """How many of them keep the `require` lines."""
        return sum(self.cubes[place].valid for place in places)

    def draw(self, places: Sequence[int], drawer: Drawer) -> tuple[int, int]:
        """A cube, each alike, then each optional element by itself: place and mask, valid or not."""
        while not self.cubes[place := pick(drawer.rng, places)].valid:
            pass
        cube = self.cubes[place]
        return place, cube.low | drawer.optional(cube.may, self.layout)

    def draw_evenly(self, places: Sequence[int], drawer: Drawer) -> tuple[int, int]:
        """A valid set, each as probable as any other."""
        place = places[weighted(drawer.rng, [self.cubes[each].valid for each in places])]
        while True:  # each clause lets half of the masks through at least
            mask = self.cubes[place].low | draw(drawer.rng, self.cubes[place].may, 0.5)
            if self.layout.allows(mask):
                return place, mask

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

    def place_of(self, mask: int, places: Iterable[int]) -> int | None:
        """The first cube that holds a mask."""
        return next((place for place in places if self.cubes[place].holds(mask)), None)

    def move(self, mask: int, old: Cube, place: int, drawer: Drawer) -> int:
        """A mask in another cube: what that allows stays, what the old one had no place for is drawn."""
        new = self.cubes[place]
        return new.low | mask & new.high | drawer.optional(new.may & ~old.high, self.layout)

    def neighbour(self, place: int, drawer: Drawer) -> int:
        """Another cube: one that has as many alternatives in common as can be, or any."""
        others = self.live(each for each in range(len(self.cubes)) if each != place)
        if not others:
            return place
        path = self.cubes[place].path
        if not path or drawer.rng.random() < 0.25:
            return pick(drawer.rng, others)
        left = set(path) - {pick(drawer.rng, path)}
        shared = [len(left.intersection(self.cubes[each].path)) for each in others]
        return pick(
            drawer.rng, [o for o, common in zip(others, shared, strict=True) if common == max(shared)]
        )

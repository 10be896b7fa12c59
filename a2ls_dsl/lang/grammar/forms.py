"""Sets as bit masks: a cube is a set of sets, of which some elements must be there and others may."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from a2ls_dsl.lang.ast import Item
from a2ls_dsl.lang.grammar.counting import total_size, under
from a2ls_dsl.lang.printer import stream_of
from a2ls_dsl.words.language import Stream

SOURCE, TARGET = SIDES = ("source", "target")

Path = tuple[tuple[int, int], ...]
"""Which alternative was taken at which place of the text."""


@dataclass(frozen=True)
class Layout:
    """Which bit of a side's masks stands for which item: `items` in canonical order.

    clauses: for each `require` line the items of which one has to be there.
    """

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

    @cached_property
    def states(self) -> int:
        """The mask of all states."""
        return self.mask(Stream.STATE)

    def cover(self, items: Iterable[Item]) -> int:
        """The mask of some items; an item given twice counts once."""
        mask = 0
        for item in items:
            mask |= self.bits[item]
        return mask

    def chosen(self, mask: int) -> tuple[Item, ...]:
        """The items of a mask, in canonical order."""
        return tuple(self.items[bit.bit_length() - 1] for bit in split(mask))

    def allows(self, mask: int) -> bool:
        """Whether a mask keeps the `require` lines."""
        return all(mask & clause for clause in self.clauses)


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


def split(mask: int) -> Iterator[int]:
    """The bits of a mask, the lowest first."""
    while mask:
        lowest = mask & -mask
        yield lowest
        mask ^= lowest

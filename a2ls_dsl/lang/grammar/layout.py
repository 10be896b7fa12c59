"""Sets and comparisons as bit masks: which bit stands for which item, and back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

from a2ls_dsl.lang.grammar.counting import split
from a2ls_dsl.lang.rules.canonical import canonical_comparison
from a2ls_dsl.lang.syntax.printer import stream_of
from a2ls_dsl.lang.syntax.tree import Comparison, Item, Option
from a2ls_dsl.words.agent import EMA, ONLINE
from a2ls_dsl.words.language import Stream
from a2ls_dsl.words.registry import operators

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


def kind_of(operator: str, against: bool, options: tuple[Option, ...], source: tuple[Item, ...] = ()) -> Kind:
    """The kind of a comparison, its options without defaults and in canonical order.

    source: what it may compare, where that is known: options that mean nothing for it are left out, too.
    """
    plain = canonical_comparison(Comparison(operator, source, (), against, options))
    return plain.operator, plain.against_batch, plain.options

"""Losses as bit masks. A form is a set of losses: some elements must be there, others may."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from a2ls_dsl.lang.ast import Comparison, Element, Loss, Stream
from a2ls_dsl.lang.canonical import ordered_set, single
from a2ls_dsl.lang.grammar.counting import Cube

SOURCE, TARGET = SIDES = ("source", "target")


@dataclass(frozen=True)
class Layout:
    """Which bit stands for which element: one bit an element and side, `elements` in canonical order."""

    elements: tuple[Element, ...]

    @cached_property
    def _bits(self) -> dict[tuple[str, Element], int]:
        pairs = [(side, element) for side in SIDES for element in self.elements]
        return {pair: 1 << index for index, pair in enumerate(pairs)}

    @cached_property
    def columns(self) -> tuple[tuple[str, Stream, int], ...]:
        """Side, stream and mask of all six kinds of elements."""
        return tuple((side, stream, self.mask(side, stream)) for side in SIDES for stream in Stream)

    @cached_property
    def bits(self) -> tuple[int, ...]:
        """All bits, one side after the other: what is decided together stands together."""
        return tuple(self._bits.values())

    @cached_property
    def digits(self) -> tuple[int, ...]:
        """All bits, the last steps first: in this order, long horizons are large numbers."""
        places = {bit: (element.offset, side, element.order) for (side, element), bit in self._bits.items()}
        return tuple(sorted(places, key=lambda bit: places[bit], reverse=True))

    def mask(self, side: str, stream: Stream | None = None) -> int:
        """The elements of one side; with a stream, those of it."""
        return sum(
            bit
            for (where, element), bit in self._bits.items()
            if where == side and stream in (None, element.stream)
        )

    def cover(self, side: str, elements: Iterable[Element]) -> int:
        """The mask of the elements on a side; an element given twice counts once."""
        mask = 0
        for element in elements:
            mask |= self._bits[side, element]
        return mask

    def encode(self, term: Comparison) -> int | None:
        """The mask of a comparison; None if an item has no bit, a view is called twice, or it has options."""
        sides = ((SOURCE, term.source), (TARGET, term.target))
        pairs = [(side, each) for side, items in sides for each in ordered_set(items)]
        known = [(side, each) for side, each in pairs if isinstance(each, Element)]
        if term.options or len(set(known)) < len(pairs) or not all(pair in self._bits for pair in known):
            return None
        return sum(self._bits[pair] for pair in known)

    def decode(self, operator: str, against_batch: bool, mask: int) -> Loss:
        """The canonical loss that a mask stands for."""
        chosen = {side: [e for e in self.elements if mask & self._bits[side, e]] for side in SIDES}
        return single(Comparison(operator, tuple(chosen[SOURCE]), tuple(chosen[TARGET]), against_batch))


@dataclass(frozen=True)
class Form:
    """One way to derive losses: a horizon, an operator, and which elements must and which may be there.

    `choice` numbers the alternatives taken, the same for every horizon: two forms of equal choice are the
    same rule choices at two horizons. `must` and `may` are disjoint masks of a layout.
    """

    horizon: int
    choice: int
    operator: str
    against_batch: bool
    must: int
    may: int

    @property
    def kind(self) -> tuple[str, bool]:
        """Operator and negatives: losses of different kinds are different."""
        return self.operator, self.against_batch

    @property
    def cube(self) -> Cube:
        """The masks of the form's losses: from all optional elements off to all on."""
        return self.must, self.must | self.may

    def holds(self, mask: int) -> bool:
        """Whether a mask of the form's kind is one of its losses."""
        return not self.must & ~mask and not mask & ~(self.must | self.may)


def split(mask: int) -> Iterator[int]:
    """The bits of a mask, the lowest first."""
    while mask:
        lowest = mask & -mask
        yield lowest
        mask ^= lowest

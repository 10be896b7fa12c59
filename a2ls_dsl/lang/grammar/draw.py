"""Drawing derivations: at random with every alternative alike, or evenly over all derivations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from a2ls_dsl.lang.grammar.derive import Added, Compared, Derivation, LeftOut, Picked, Weighed
from a2ls_dsl.lang.grammar.forms import SOURCE, TARGET, Cube, Layout, split
from a2ls_dsl.lang.grammar.nodes import Empty, Layouts, Node, Pick, Scaled, Sum, Term
from a2ls_dsl.words.language import Stream

if TYPE_CHECKING:
    from numpy.random import Generator

ATTEMPTS = 100
"""How often a proposal that breaks a requirement is drawn again."""

Prior: TypeAlias = Mapping[tuple[str, Stream], float]
"""How probable an optional element is, by side (`source`, `target`) and stream; 1/2 where nothing is said."""

T = TypeVar("T")


class Drawer:
    """Draws derivations of nodes. `prior`: of optional elements."""

    def __init__(self, layouts: Layouts, rng: Generator, prior: Prior | None = None) -> None:
        self.layouts, self.rng = layouts, rng
        self.rates = {
            side: [(mask, (prior or {}).get((side, stream), 0.5)) for stream, mask in layout.columns if mask]
            for side, layout in ((SOURCE, layouts.source), (TARGET, layouts.target))
        }

    def draw(self, node: Node) -> Derivation:
        """A derivation: every live alternative of a choice alike, then every optional element by itself."""
        match node:
            case Empty():
                return LeftOut(node)
            case Pick():
                place, option = pick(self.rng, node.live)
                return Picked(node, place, self.draw(option))
            case Scaled(weights=weights, body=body):
                return Weighed(node, pick(self.rng, range(len(weights))), self.draw(body))
            case Sum(parts=parts):
                return Added(node, tuple(map(self.draw, parts)))
            case Term():
                return self.comparison(node)

    def comparison(self, node: Term) -> Compared:
        """A comparison: a combination of alternatives that go together, each alike, then the elements."""
        for _ in range(ATTEMPTS):
            found = self._proposed(node)
            if self.layouts.source.allows(found.source_mask) and (
                found.target < 0 or self.layouts.target.allows(found.target_mask)
            ):
                return found
        found = self._proposed(node)
        source = self._mended(found.source_mask, node.sources[found.source], self.layouts.source)
        target = 0
        if node.targets is not None and found.target >= 0:
            target = self._mended(found.target_mask, node.targets[found.target], self.layouts.target)
        return Compared(node, found.word, found.source, source, found.target, target)

    def even(self, node: Node) -> Derivation:
        """A derivation that keeps the `require` lines, each as probable as any other."""
        match node:
            case Empty():
                return LeftOut(node)
            case Pick():
                number = _weighted(self.rng, [option.valid for _, option in node.live])
                place, option = node.live[number]
                return Picked(node, place, self.even(option))
            case Scaled(weights=weights, body=body):
                return Weighed(node, pick(self.rng, range(len(weights))), self.even(body))
            case Sum(parts=parts):
                return Added(node, tuple(map(self.even, parts)))
            case Term():
                return self._even_comparison(node)

    def masked(self, bits: int, side: str) -> int:
        """Each of some optional elements of a side by its own rate."""
        mask = 0
        for column, rate in self.rates[side]:
            if bits & column:
                mask |= draw(self.rng, bits & column, rate)
        return mask

    def _proposed(self, node: Term) -> Compared:
        group = node.live[_weighted(self.rng, node.forms)]
        word = pick(self.rng, group.words)
        source = self._live(node.sources, group.sources)
        cube = node.sources[source]
        mask = cube.low | self.masked(cube.may, SOURCE)
        if group.targets is None or node.targets is None:
            return Compared(node, word, source, mask)
        target = self._live(node.targets, group.targets)
        there = node.targets[target]
        return Compared(node, word, source, mask, target, there.low | self.masked(there.may, TARGET))

    def _live(self, cubes: Sequence[Cube], places: Sequence[int]) -> int:
        while True:
            place = pick(self.rng, places)
            if cubes[place].valid:
                return place

    def _mended(self, mask: int, cube: Cube, layout: Layout) -> int:
        """A mask with what the `require` lines miss in it."""
        for clause in layout.clauses:
            if not mask & clause:
                mask |= pick(self.rng, tuple(split(cube.may & clause)))
        return mask

    def _even_comparison(self, node: Term) -> Compared:
        group = node.live[_weighted(self.rng, [each.valid for each in node.live])]
        word = pick(self.rng, group.words)
        source, mask = self._even_set(node.sources, group.sources, self.layouts.source)
        if group.targets is None or node.targets is None:
            return Compared(node, word, source, mask)
        target, there = self._even_set(node.targets, group.targets, self.layouts.target)
        return Compared(node, word, source, mask, target, there)

    def _even_set(self, cubes: Sequence[Cube], places: Sequence[int], layout: Layout) -> tuple[int, int]:
        place = places[_weighted(self.rng, [cubes[each].valid for each in places])]
        while True:  # each clause lets half of the masks through at least
            mask = cubes[place].low | draw(self.rng, cubes[place].may, 0.5)
            if layout.allows(mask):
                return place, mask


def pick(rng: Generator, choices: Sequence[T]) -> T:
    """One of several, each as probable as the others."""
    return choices[int(rng.integers(len(choices)))] if len(choices) > 1 else choices[0]


def draw(rng: Generator, bits: int, rate: float) -> int:
    """Each of the bits with probability `rate`."""
    each = tuple(split(bits))
    mask = 0
    for bit, number in zip(each, rng.random(len(each)).tolist(), strict=True):
        if number < rate:
            mask |= bit
    return mask


def _weighted(rng: Generator, sizes: Sequence[int]) -> int:
    """A place, as probable as its size says; sizes may be larger than any machine number."""
    if len(sizes) == 1:
        return 0
    number = below(rng, sum(sizes))
    for place, size in enumerate(sizes):
        if number < size:
            return place
        number -= size
    raise ValueError("no size is above 0")


def below(rng: Generator, limit: int) -> int:
    """A whole number from 0 to below `limit`, each as probable as the others, however large the limit is."""
    if limit < 1 << 62:
        return int(rng.integers(limit))
    length = limit.bit_length()
    while True:
        number = int.from_bytes(rng.bytes((length + 7) // 8)) >> (-length % 8)
        if number < limit:
            return number

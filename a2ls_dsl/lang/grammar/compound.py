"""Spaces of spaces: a choice between some, a sum of some, a weight before one."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

from a2ls_dsl.lang.grammar.combinatorics import pick, weighted
from a2ls_dsl.lang.grammar.comparison import leaves_of
from a2ls_dsl.lang.grammar.sets import Atom, Drawer
from a2ls_dsl.lang.grammar.space import MAX_BAGS, Derivation, Space
from a2ls_dsl.lang.rules.sums import WEIGHT, ends, product, times
from a2ls_dsl.lang.syntax.tree import Schedule, Weight

_times = lru_cache(maxsize=10_000)(times)


@dataclass(frozen=True, eq=False)
class ChoiceSpace(Space):
    """A choice between spaces; None where one would be nested too deeply. The choice is an option's place."""

    options: tuple[Space | None, ...]

    def number(self, of: Callable[[Space], int]) -> int:
        return sum(map(of, self.inside))

    @cached_property
    def inside(self) -> tuple[Space, ...]:
        return tuple(space for space in self.options if space)

    @cached_property
    def live(self) -> dict[int, Space]:
        """The options that hold a loss, by their places."""
        return {place: space for place, space in enumerate(self.options) if space and space.valid}

    @cached_property
    def _places(self) -> tuple[int, ...]:
        return tuple(self.live)

    def choices(self) -> Iterable[int]:
        return self._places

    def under(self, choice: int) -> tuple[Space, ...]:
        return (self.live[choice],)

    def pick_evenly(self, drawer: Drawer) -> int:
        return self._places[weighted(drawer.rng, [space.valid for space in self.live.values()])]

    def other(self, old: Derivation, site: int, drawer: Drawer) -> Derivation:
        """Another option, which takes over parts of the old one from the same places, in order."""
        place = pick(drawer.rng, [place for place in self._places if place != old.choice])
        kept: dict[int, list[Derivation]] = {}
        for part in old.parts[0].walk():
            kept.setdefault(part.space.place, []).append(part)

        def inner(space: Space) -> Derivation:
            if parts := kept.get(space.place):
                return space.follow(parts.pop(pick(drawer.rng, range(len(parts)))), drawer)
            return space.draw(drawer, inner)

        return Derivation(self, place, (inner(self.live[place]),))

    def cross(self, a: Derivation, b: Derivation, equal: bool, drawer: Drawer) -> Derivation:
        if not self.alike(b.space) or a.choice == b.choice:
            return super().cross(a, b, equal, drawer)
        return a if drawer.rng.random() < 0.5 else self.follow(b, drawer)

    @cached_property
    def lengths(self) -> tuple[int, int]:
        return min(least for least, _ in self._lengths), max(greatest for _, greatest in self._lengths)

    @cached_property
    def elements(self) -> int:
        return max((space.elements for space in self.inside), default=0)

    def bags(self, weights: frozenset[Weight]) -> list[tuple[Atom, ...]]:
        return [bag for space in self.live.values() for bag in space.bags(weights)][: MAX_BAGS + 1]

    def singles(self, weights: frozenset[Weight]) -> Iterator[Atom]:
        for space in self.live.values():
            yield from space.singles(weights)

    def largest(self) -> list[Derivation]:
        """The largest derivations of the options that hold comparisons which no larger option holds, too."""
        derivations: list[Derivation] = []
        held: set[int] = set()
        leaves = {place: [leaf.place for leaf in leaves_of(space)] for place, space in self.live.items()}
        size = {place: (len(leaves[place]), space.lengths[1]) for place, space in self.live.items()}
        for place in sorted(self.live, key=size.__getitem__, reverse=True):
            if not derivations or not held.issuperset(leaves[place]):
                derivations += [Derivation(self, place, (inner,)) for inner in self.live[place].largest()]
                held.update(leaves[place])
        return derivations


@dataclass(frozen=True, eq=False)
class SumSpace(Space):
    """Terms added: nothing is chosen but in its parts. Without parts it is a term that is left out."""

    inside: tuple[Space, ...] = ()

    def number(self, of: Callable[[Space], int]) -> int:
        return math.prod(map(of, self.inside))

    def choices(self) -> Iterable[int]:
        return (0,)


@dataclass(frozen=True, eq=False)
class ScaledSpace(Space):
    """A weight before something. The choice is the weight's place."""

    factors: tuple[Weight, ...]
    body: Space

    def number(self, of: Callable[[Space], int]) -> int:
        return len(self.factors) * of(self.body)

    @property
    def inside(self) -> tuple[Space, ...]:
        return (self.body,)

    def choices(self) -> Iterable[int]:
        return range(len(self.factors))

    def weight(self, choice: int, outer: Weight) -> Weight:
        return _times(outer, self.factors[choice])

    def other(self, old: Derivation, site: int, drawer: Drawer) -> Derivation:
        return old._replace(
            choice=pick(drawer.rng, [choice for choice in self.choices() if choice != old.choice])
        )

    def cross(self, a: Derivation, b: Derivation, equal: bool, drawer: Drawer) -> Derivation:
        if not self.alike(b.space):
            return a
        choice = a.choice if drawer.rng.random() < 0.5 else b.choice
        return super().cross(a._replace(choice=choice), b, equal, drawer)

    @cached_property
    def last_weight(self) -> bool:
        return self.body.unscaled

    @property
    def unscaled(self) -> bool:
        return False

    @cached_property
    def scheduled(self) -> bool:
        return self.has_schedule or self.body.scheduled

    @property
    def has_schedule(self) -> bool:
        """Whether a weight of its own is a schedule."""
        return any(isinstance(factor, Schedule) for factor in self.factors)

    @cached_property
    def multiplied(self) -> tuple[float, float]:
        """The least and the greatest weight, multiplied out; perhaps out of range."""
        own = [ends(factor) for factor in self.factors]
        least, greatest = self.body.weight_range
        return product(min(low for low, _ in own), least), product(max(high for _, high in own), greatest)

    @cached_property
    def weight_range(self) -> tuple[float, float]:
        return self.multiplied if all(map(WEIGHT.holds, self.multiplied)) else (1.0, 1.0)

    def bags(self, weights: frozenset[Weight]) -> list[tuple[Atom, ...]]:
        return self.body.bags(self._scaled(weights))

    def singles(self, weights: frozenset[Weight]) -> Iterator[Atom]:
        return self.body.singles(self._scaled(weights))

    def _scaled(self, weights: frozenset[Weight]) -> frozenset[Weight]:
        return frozenset(self.weight(choice, weight) for weight in weights for choice in self.choices())

"""The spaces that a grammar is made of, and derivations: which choices give a loss.

A grammar, for one combination of its parameters, is a space of spaces: alternatives, sums, weights before
something, terms that are left out, and comparisons (`comparison.py`) as the leaves. A space knows how many
derivations it has, and draws, lists and finds them. A derivation is a space, what was chosen there, and the
derivations of the spaces that this choice leads to; so most of what is done with one is the same for all.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from typing import Any, NamedTuple, TypeAlias

from a2ls_dsl.lang.grammar.combinatorics import pick
from a2ls_dsl.lang.grammar.sets import Atom, Drawer
from a2ls_dsl.lang.rules.sums import ordered_terms
from a2ls_dsl.lang.syntax.tree import Comparison, Loss, Weight, Weighted

MAX_BAGS = 300
"""How many combinations of terms are looked at when distinct losses are counted."""


class Derivation(NamedTuple):
    """What was chosen in a space, and the derivations of the spaces that the choice leads to."""

    space: Space
    choice: Any
    parts: tuple[Derivation, ...] = ()

    def walk(self) -> Iterator[Derivation]:
        """The derivation and everything inside it."""
        yield self
        for part in self.parts:
            yield from part.walk()

    def replaced(self, old: Derivation, new: Derivation) -> Derivation:
        """The derivation with one of its parts, given as the very object, exchanged."""
        if self is old:
            return new
        if not self.parts:
            return self
        return self._replace(parts=tuple(part.replaced(old, new) for part in self.parts))

    def loss(self) -> Loss:
        """The canonical loss."""
        terms = list(self.space.terms(self, 1.0))
        return Loss(tuple(terms) if len(terms) == 1 else ordered_terms(terms))


@dataclass(frozen=True, eq=False)
class Space(ABC):
    """A set of derivations.

    place: where it stands in the text; spaces of one place and class differ in the parameters only.
    """

    place: int

    @cached_property
    def total(self) -> int:
        """How many derivations there are."""
        return self.number(attrgetter("total"))

    @cached_property
    def valid(self) -> int:
        """How many of them keep the `require` lines."""
        return self.number(attrgetter("valid"))

    @abstractmethod
    def number(self, of: Callable[[Any], int]) -> int:
        """How many derivations there are of those that `of` counts in what is inside."""

    @property
    @abstractmethod
    def inside(self) -> tuple[Space, ...]:
        """The spaces directly inside this one."""

    @abstractmethod
    def choices(self) -> Iterable[Any]:
        """What can be chosen here: each leads to a loss."""

    def under(self, choice: Any) -> tuple[Space, ...]:
        """The spaces that a choice leads to."""
        return self.inside

    def weight(self, choice: Any, outer: Weight) -> Weight:
        """The weight of what a choice leads to, where `outer` stands before all of it."""
        return outer

    # drawing

    def pick(self, drawer: Drawer) -> Any:
        """A choice, each alternative alike."""
        return pick(drawer.rng, tuple(self.choices()))

    def pick_evenly(self, drawer: Drawer) -> Any:
        """A choice, as probable as it has valid derivations."""
        return self.pick(drawer)

    def draw(self, drawer: Drawer, inner: Callable[[Space], Derivation] | None = None) -> Derivation:
        """A derivation, every alternative alike; `inner` gives those of the spaces that it leads to."""
        choice = self.pick(drawer)
        inner = inner or (lambda space: space.draw(drawer))
        return Derivation(self, choice, tuple(map(inner, self.under(choice))))

    def draw_evenly(self, drawer: Drawer) -> Derivation:
        """A derivation that keeps the `require` lines, each as probable as any other."""
        choice = self.pick_evenly(drawer)
        return Derivation(self, choice, tuple(space.draw_evenly(drawer) for space in self.under(choice)))

    # listing and finding

    def derivations(self) -> Iterator[Derivation]:
        """Every valid derivation. Lazy."""
        for choice in self.choices():
            for parts in _combinations(self.under(choice)):
                yield Derivation(self, choice, parts)

    def terms(self, derivation: Derivation, outer: Weight) -> Iterator[Weighted]:
        """The terms of a derivation, `outer` times each."""
        weight = self.weight(derivation.choice, outer)
        for part in derivation.parts:
            yield from part.space.terms(part, weight)

    def find(self, search: Search, left: int, outer: Weight) -> dict[int, Derivation]:
        """What can be left of the terms `left` of a loss, with a derivation of those that were taken."""
        derivations: dict[int, Derivation] = {}
        for choice in self.choices():
            weight = self.weight(choice, outer)
            if self.last_weight and weight not in search.weights:
                continue  # what makes most of the difference where there are many weights
            states: dict[int, tuple[Derivation, ...]] = {left: ()}
            for space in self.under(choice):
                following: dict[int, tuple[Derivation, ...]] = {}
                for before, parts in states.items():
                    for rest, part in search.find(space, before, weight).items():
                        following.setdefault(rest, (*parts, part))
                states = following
            for rest, parts in states.items():
                derivations.setdefault(rest, Derivation(self, choice, parts))
        return derivations

    # moves

    def sites(self) -> Iterable[int]:
        """Where another alternative could be taken: 0, of a comparison the number of a word or set."""
        return (0,) if len(tuple(self.choices())) > 1 else ()

    def other(self, old: Derivation, site: int, drawer: Drawer) -> Derivation | None:
        """A derivation with another alternative at a site; None where it doesn't go with the rest."""
        return None

    def adopt(self, old: Derivation, drawer: Drawer) -> Any:
        """The choice of a derivation of the same place for other parameters; None if there is no such."""
        return old.choice if old.choice in self.choices() else None

    def follow(self, old: Derivation, drawer: Drawer) -> Derivation:
        """A derivation with the choices of another one, as far as there are such.

        Elements that both allow stay; those that only the new one allows are drawn, as is whatever differs.
        """
        if not self.alike(old.space) or (choice := self.adopt(old, drawer)) is None:
            return self.draw(drawer)
        spaces = self.under(choice)
        if len(spaces) != len(old.parts):
            return self.draw(drawer)
        pairs = zip(spaces, old.parts, strict=True)
        return Derivation(self, choice, tuple(space.follow(part, drawer) for space, part in pairs))

    def cross(self, a: Derivation, b: Derivation, equal: bool, drawer: Drawer) -> Derivation:
        """Each part as in `a`, which is of this space, or as in `b`; `equal`: for equal parameters."""
        if not self.alike(b.space) or len(a.parts) != len(b.parts):
            return a
        pairs = zip(a.parts, b.parts, strict=True)
        return a._replace(
            parts=tuple(mine.space.cross(mine, theirs, equal, drawer) for mine, theirs in pairs)
        )

    def alike(self, other: Space) -> bool:
        """Whether both stand in one place of the text."""
        return self.place == other.place and type(self) is type(other)

    # sizes

    @cached_property
    def lengths(self) -> tuple[int, int]:
        """The least and the greatest number of terms."""
        return sum(least for least, _ in self._lengths), sum(greatest for _, greatest in self._lengths)

    @cached_property
    def elements(self) -> int:
        """The most elements that a loss names."""
        return sum(space.elements for space in self.inside)

    @property
    def last_weight(self) -> bool:
        """Whether this is a weight, and none stands behind it."""
        return False

    @cached_property
    def unscaled(self) -> bool:
        """Whether no weight stands inside."""
        return all(space.unscaled for space in self.inside)

    @cached_property
    def scheduled(self) -> bool:
        """Whether a weight inside is a schedule."""
        return any(space.scheduled for space in self.inside)

    @cached_property
    def weight_range(self) -> tuple[float, float]:
        """The least and the greatest product of weights inside."""
        inner = [space.weight_range for space in self.inside]
        return min((low for low, _ in inner), default=1.0), max((high for _, high in inner), default=1.0)

    # what distinct losses are counted from: see `distinct.py`

    def bags(self, weights: frozenset[Weight]) -> list[tuple[Atom, ...]]:
        """Which atoms the losses are made of: a bag for each combination of alternatives, not too many."""
        bags: list[tuple[Atom, ...]] = [()]
        for space in self.inside:
            more = space.bags(weights)
            bags = [(*bag, *other) for bag in bags for other in more][: MAX_BAGS + 1]
        return bags

    def singles(self, weights: frozenset[Weight]) -> Iterator[Atom]:
        """The atoms that are a loss by themselves, where there are too many bags."""
        return iter(())

    def largest(self) -> list[Derivation]:
        """Derivations with everything optional in them that together hold every alternative."""
        choices, parts = list(self.choices()), [space.largest() for space in self.inside]
        count = max(len(choices), *map(len, parts)) if parts else len(choices)
        return [
            Derivation(self, choices[i % len(choices)], tuple(part[i % len(part)] for part in parts))
            for i in range(count)
        ]

    @property
    def _lengths(self) -> list[tuple[int, int]]:
        return [space.lengths for space in self.inside]


Terms: TypeAlias = list[tuple[Weight, Comparison, tuple[int, ...]]]
"""The terms of a loss with the masks of their sets."""


class Search:
    """Looks for derivations of some terms: which terms are left when a space has taken its own.

    What a space can leave over is remembered, so that sums in which terms may stand in any order take no
    longer than there are subsets of the terms.
    """

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self.weights = {weight for weight, _, _ in terms}
        self._known: dict[object, Mapping[int, Derivation]] = {}

    def derivation(self, space: Space) -> Derivation | None:
        """The first derivation of all terms that is found; None if there is none."""
        return self.find(space, (1 << len(self.terms)) - 1, 1.0).get(0)

    def find(self, space: Space, left: int, weight: Weight) -> Mapping[int, Derivation]:
        """What can be left of the terms `left`, with a derivation of those that were taken."""
        key = id(space), left, weight
        if key not in self._known:
            self._known[key] = space.find(self, left, weight)
        return self._known[key]


def spaces_of(root: Space) -> Iterator[Space]:
    """A space and every one inside it, once, in the order of the text."""
    seen: set[int] = set()
    waiting = [root]
    while waiting:
        space = waiting.pop()
        if id(space) not in seen:
            seen.add(id(space))
            yield space
            waiting += reversed(space.inside)


def _combinations(spaces: Sequence[Space]) -> Iterator[tuple[Derivation, ...]]:
    """Every combination of derivations; unlike `itertools.product`, without keeping them."""
    if not spaces:
        yield ()
        return
    for first in spaces[0].derivations():
        for rest in _combinations(spaces[1:]):
            yield (first, *rest)

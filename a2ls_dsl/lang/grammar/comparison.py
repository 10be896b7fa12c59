"""Comparisons as a space: which words go with which sets, and which elements stand in these.

A comparison is flat: its words and sets are lists of what they can be, and `Group` says which go together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from a2ls_dsl.lang.grammar.combinatorics import ATTEMPTS, draw, pick, weighted
from a2ls_dsl.lang.grammar.sets import Atom, Cube, Drawer, Kind, Layouts, Offer, Product, SetSpace
from a2ls_dsl.lang.grammar.space import Derivation, Search, Space, spaces_of
from a2ls_dsl.lang.syntax.tree import Comparison, Weight, Weighted

if TYPE_CHECKING:
    from a2ls_dsl.lang.syntax import surface


Places: TypeAlias = tuple[int, ...]


class Wording(NamedTuple):
    """One combination of operator, negatives and options: their places in the lists, and their kind."""

    picks: Places
    kind: Kind


@dataclass(frozen=True, eq=False)
class Group:
    """Words and sets that all go together. sets: what each set can be."""

    words: tuple[Wording, ...]
    sets: tuple[Offer, ...]

    def number(self, of: Callable[[Cube], int]) -> int:
        """How many comparisons there are, of those that `of` counts in a cube."""
        return len(self.words) * math.prod(sum(map(of, offer.cubes)) for offer in self.sets)

    @cached_property
    def valid(self) -> int:
        """How many of them keep the `require` lines."""
        return self.number(attrgetter("valid"))


class Chosen(NamedTuple):
    """The choice in a comparison: its words, of each set the cube and the elements."""

    word: Wording
    places: Places
    masks: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class ComparisonSpace(Space):
    """A comparison. lists: how many words there are in each place of it. sets: its one or two sets."""

    call: surface.Operation
    lists: tuple[int, ...]
    sets: tuple[SetSpace, ...]
    groups: tuple[Group, ...]
    layouts: Layouts

    def number(self, of: Callable[[Cube], int]) -> int:
        return sum(group.number(of) for group in self.groups)

    inside = ()
    lengths = (1, 1)

    @cached_property
    def live(self) -> tuple[Group, ...]:
        """The groups that hold a loss."""
        return tuple(group for group in self.groups if group.valid)

    @cached_property
    def kinds(self) -> dict[Kind, list[tuple[Wording, Group]]]:
        """The wordings of each kind, with the groups that they belong to."""
        kinds: dict[Kind, list[tuple[Wording, Group]]] = {}
        for word, group in self._wordings:
            kinds.setdefault(word.kind, []).append((word, group))
        return kinds

    @cached_property
    def elements(self) -> int:
        return sum(max((cube.high.bit_count() for cube in space.cubes), default=0) for space in self.sets)

    def cubes(self, choice: Chosen) -> tuple[Cube, ...]:
        """The cubes that were taken."""
        return tuple(space.cubes[place] for space, place in zip(self.sets, choice.places, strict=True))

    def allows(self, choice: Chosen) -> bool:
        """Whether the sets keep the `require` lines."""
        return all(space.layout.allows(mask) for space, mask in zip(self.sets, choice.masks, strict=True))

    def pick(self, drawer: Drawer) -> Chosen:
        """Alternatives that go together, each combination alike, then the elements."""
        for _ in range(ATTEMPTS):
            if self.allows(choice := self._proposed(drawer)):
                return choice
        choice = self._proposed(drawer)
        sets = zip(self.sets, choice.places, choice.masks, strict=True)
        return choice._replace(masks=tuple(space.mend(place, mask, drawer) for space, place, mask in sets))

    def pick_evenly(self, drawer: Drawer) -> Chosen:
        group = self.live[weighted(drawer.rng, [group.valid for group in self.live])]
        word = pick(drawer.rng, group.words)
        return _chosen_of(word, [offer.draw_evenly(drawer) for offer in group.sets])

    def _proposed(self, drawer: Drawer) -> Chosen:
        group = self.live[weighted(drawer.rng, self._combinations)]
        word = pick(drawer.rng, group.words)
        return _chosen_of(word, [offer.draw(drawer) for offer in group.sets])

    @cached_property
    def _combinations(self) -> tuple[int, ...]:
        """The number of combinations of alternatives in each live group."""
        live = self.live
        return tuple(len(group.words) * math.prod(len(offer.live) for offer in group.sets) for group in live)

    def choices(self) -> Iterator[Chosen]:
        for word, group in self._wordings:
            for chosen in self._chosen(group, 0):
                yield _chosen_of(word, chosen)

    def _chosen(self, group: Group, number: int) -> Iterator[tuple[tuple[int, int], ...]]:
        """Every place and mask of the sets from one of them on."""
        if number == len(self.sets):
            yield ()
            return
        for place in group.sets[number].places:
            for mask in self.sets[number].masks(place):
                for rest in self._chosen(group, number + 1):
                    yield (place, mask), *rest

    def terms(self, derivation: Derivation, outer: Weight) -> Iterator[Weighted]:
        choice = derivation.choice
        yield Weighted(outer, self.layouts.decode(choice.word.kind, choice.masks))

    def find(self, search: Search, left: int, outer: Weight) -> dict[int, Derivation]:
        derivations: dict[int, Derivation] = {}
        for number, (weight, term, masks) in enumerate(search.terms):
            if left >> number & 1 and weight == outer and (choice := self.choice_of(term, masks)):
                derivations[left & ~(1 << number)] = Derivation(self, choice)
        return derivations

    def choice_of(self, term: Comparison, masks: tuple[int, ...]) -> Chosen | None:
        """The choice that gives a comparison whose masks keep the `require` lines, if there is one."""
        for word, group in self.kinds.get((term.operator, term.against_batch, term.options), ()):
            if len(self.sets) == 1 and term.target:
                continue
            places = [offer.place_of(mask) for offer, mask in zip(group.sets, masks, strict=False)]
            held = tuple(place for place in places if place is not None)
            if len(held) == len(places):
                return Chosen(word, held, masks[: len(held)])
        return None

    def optional(self, choice: Chosen) -> tuple[int, ...]:
        """The elements of each set that may be there or not."""
        return tuple(cube.may for cube in self.cubes(choice))

    def flipped(self, old: Derivation, rate: float, drawer: Drawer) -> Derivation:
        """A comparison with each optional element put in or taken out with probability `rate`."""
        flips = [draw(drawer.rng, bits, rate) for bits in self.optional(old.choice)]
        masks = tuple(mask ^ flip for mask, flip in zip(old.choice.masks, flips, strict=True))
        return old._replace(choice=old.choice._replace(masks=masks))

    def sites(self) -> Iterable[int]:
        words = [number for number, count in enumerate(self.lists) if count > 1]
        sets = [len(self.lists) + number for number, space in enumerate(self.sets) if len(space.cubes) > 1]
        return words + sets

    def other(self, old: Derivation, site: int, drawer: Drawer) -> Derivation | None:
        choice = old.choice
        picks, places = list(choice.word.picks), list(choice.places)
        if (number := site - len(self.lists)) >= 0:
            places[number] = self.sets[number].neighbour(places[number], drawer)
        else:
            picks[site] = pick(drawer.rng, [p for p in range(self.lists[site]) if p != picks[site]])
        new = self._taken(tuple(picks), tuple(places), old, drawer)
        return new and Derivation(self, new)

    def adopt(self, old: Derivation, drawer: Drawer) -> Chosen | None:
        choice: Chosen = old.choice
        if old.space is self:
            return choice
        if any(place >= len(space.cubes) for place, space in zip(choice.places, self.sets, strict=True)):
            return None
        return self._taken(choice.word.picks, choice.places, old, drawer)

    def cross(self, a: Derivation, b: Derivation, equal: bool, drawer: Drawer) -> Derivation:
        for _ in range(ATTEMPTS if self.alike(b.space) else 0):
            form = pick(drawer.rng, (a, b)) if equal else a
            space: ComparisonSpace = form.space  # type: ignore[assignment]
            cubes = space.cubes(form.choice)
            of_a = [draw(drawer.rng, cube.may, 0.5) for cube in cubes]
            masks = tuple(
                cube.low | mine & chosen | other & cube.may & ~chosen
                for cube, chosen, mine, other in zip(cubes, of_a, a.choice.masks, b.choice.masks, strict=True)
            )
            if self.allows(choice := form.choice._replace(masks=masks)):
                return form._replace(choice=choice)
        return a

    def _taken(self, picks: Places, places: Places, old: Derivation, drawer: Drawer) -> Chosen | None:
        """These alternatives with the elements of another choice, if they go together."""
        word = self._fitting(picks, places)
        if word is None:
            return None
        before: ComparisonSpace = old.space  # type: ignore[assignment]
        moved = zip(self.sets, old.choice.masks, before.cubes(old.choice), places, strict=True)
        masks = tuple(space.move(mask, cube, place, drawer) for space, mask, cube, place in moved)
        choice = Chosen(word, places, masks)
        return choice if self.allows(choice) else None

    def _fitting(self, picks: Places, places: Places) -> Wording | None:
        """The word of these picks if it goes with these cubes in some loss."""
        if not all(space.cubes[place].valid for space, place in zip(self.sets, places, strict=True)):
            return None
        for word, group in self._by_picks.get(picks, ()):
            if all(place in offer.places for place, offer in zip(places, group.sets, strict=True)):
                return word
        return None

    @cached_property
    def _by_picks(self) -> dict[Places, list[tuple[Wording, Group]]]:
        picks: dict[Places, list[tuple[Wording, Group]]] = {}
        for word, group in self._wordings:
            picks.setdefault(word.picks, []).append((word, group))
        return picks

    @property
    def _wordings(self) -> Iterator[tuple[Wording, Group]]:
        return ((word, group) for group in self.live for word in group.words)

    def bags(self, weights: frozenset[Weight]) -> list[tuple[Atom, ...]]:
        return [(self._atom(weights),)] if self.valid else []

    def singles(self, weights: frozenset[Weight]) -> Iterator[Atom]:
        return iter([self._atom(weights)] if self.valid else [])

    def _atom(self, weights: frozenset[Weight]) -> Atom:
        return self._atoms.setdefault(weights, Atom(self.place, weights, self._products))

    @cached_property
    def _atoms(self) -> dict[frozenset[Weight], Atom]:
        return {}

    @cached_property
    def _products(self) -> tuple[tuple[Kind, frozenset[Product]], ...]:
        kinds: dict[Kind, set[Product]] = {}
        for group in self.live:
            sets = tuple(frozenset((cube.low, cube.high) for cube in offer.cubes) for offer in group.sets)
            for word in group.words:
                kinds.setdefault(word.kind, set()).add(sets)
        return tuple((kind, frozenset(products)) for kind, products in kinds.items())

    def largest(self) -> list[Derivation]:
        """Comparisons with each word and each alternative of a set in one at least, all elements in them."""
        derivations: list[Derivation] = []
        words = set[Wording]()
        seen: list[set[int]] = [set() for _ in self.sets]
        for group in self.live:
            live = [offer.live for offer in group.sets]
            new_words = [word for word in group.words if word not in words]
            new = [[p for p in places if p not in old] for places, old in zip(live, seen, strict=True)]
            for i in range(max(len(new_words), *map(len, new))):
                word = new_words[i] if i < len(new_words) else group.words[0]
                places = tuple(
                    fresh[i] if i < len(fresh) else every[0] for fresh, every in zip(new, live, strict=True)
                )
                masks = tuple(s.cubes[place].high for s, place in zip(self.sets, places, strict=True))
                derivations.append(Derivation(self, Chosen(word, places, masks)))
            words.update(group.words)
            for old, every in zip(seen, live, strict=True):
                old.update(every)
        return derivations


def leaves_of(root: Space) -> list[ComparisonSpace]:
    """Every comparison in a space, once, in the order of the text."""
    return [space for space in spaces_of(root) if isinstance(space, ComparisonSpace)]


def _chosen_of(word: Wording, chosen: Iterable[tuple[int, int]]) -> Chosen:
    places, masks = zip(*chosen, strict=True)
    return Chosen(word, places, masks)

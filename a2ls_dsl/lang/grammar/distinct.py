"""How many distinct losses there are, and which: derivations that give the same loss count once.

Losses of one term are counted exactly, as unions of cubes. A loss of several terms is a multiset of weighted
comparisons, drawn from `Atom`s; where the atoms of a grammar are each the same or have nothing in common,
multisets are counted exactly, too. Else there are bounds, or a list if it is short.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import combinations, product
from typing import TypeAlias

from a2ls_dsl.lang.grammar.combinatorics import Cube as Bits
from a2ls_dsl.lang.grammar.combinatorics import members, total_size, under, union_size
from a2ls_dsl.lang.grammar.sets import Atom, Kind, Layout, Layouts, Product
from a2ls_dsl.lang.grammar.space import MAX_BAGS, Space
from a2ls_dsl.lang.syntax.tree import Loss, Weight, Weighted

MAX_CUBES = 500
MAX_LISTED = 20_000
"""What counting may cost: cubes of a union, losses that are listed to be counted."""

Range: TypeAlias = tuple[int, int]
_ONE: frozenset[Weight] = frozenset({1.0})
_NO_TARGET: frozenset[Bits] = frozenset({(0, 0)})


def distinct(roots: Sequence[Space], layouts: Layouts) -> Range:
    """The least and the greatest number of distinct losses of all roots together."""
    bags = [bag for root in roots for bag in root.bags(_ONE)]
    if len(bags) < MAX_BAGS * max(1, len(roots)):
        least, greatest = _counted(bags, layouts)
        if least == greatest:
            return least, greatest
    else:
        singles: list[tuple[Atom, ...]] = [(atom,) for root in roots for atom in root.singles(_ONE)]
        least, greatest = _counted(singles, layouts)[0], sum(root.valid for root in roots)
    derivations = sum(root.valid for root in roots)
    if derivations <= MAX_LISTED:
        number = len({loss for root in roots for loss in _losses(root)})
        return number, number
    return least, min(greatest, derivations)


def listed(roots: Sequence[Space], layouts: Layouts) -> Iterator[Loss]:
    """Every distinct loss once: of single comparisons kind by kind, short horizons first. Lazy."""
    bags = [bag for root in roots for bag in root.bags(_ONE)]
    if all(len(bag) == 1 for bag in bags):
        yield from _masks(_by_kind(atom for (atom,) in bags), layouts)
        return
    seen: set[Loss] = set()
    for root in roots:
        for loss in _losses(root):
            if loss not in seen:
                seen.add(loss)
                yield loss


def _counted(given: list[tuple[Atom, ...]], layouts: Layouts) -> Range:
    bags = list({tuple(sorted((a.content for a in bag), key=hash)): bag for bag in given}.values())
    singles = [bag[0] for bag in bags if len(bag) == 1]
    sums = _largest([tuple(sorted(bag, key=lambda a: a.place)) for bag in bags if len(bag) > 1])
    least, greatest = _union(singles, layouts)
    atoms = list({atom.content: atom for bag in sums for atom in bag}.values())
    sizes = {atom.content: _union([atom], layouts) for atom in atoms}
    exact = all(_apart(a, b) for a, b in combinations(atoms, 2)) if len(atoms) < MAX_BAGS else False
    lows, highs = [], []
    for bag in sums:
        uses = Counter(atom.content for atom in bag)
        highs.append(math.prod(math.comb(sizes[a][1] + n - 1, n) for a, n in uses.items()))
        if exact:
            lows.append(math.prod(math.comb(sizes[a][0] + n - 1, n) for a, n in uses.items()))
        else:  # at most so many ways to come to one multiset
            ways = math.factorial(len(bag))
            lows.append(-(-math.prod(sizes[atom.content][0] for atom in bag) // ways))
    return least + (sum(lows) if exact else max(lows, default=0)), greatest + sum(highs)


def _largest(bags: list[tuple[Atom, ...]]) -> list[tuple[Atom, ...]]:
    """The bags whose losses are not all of another bag, too; the first of those that have the same."""

    def within(bag: tuple[Atom, ...], big: tuple[Atom, ...]) -> bool:
        return len(bag) == len(big) and all(map(_covered, bag, big))

    kept: list[tuple[Atom, ...]] = []
    for bag in bags:
        if not any(within(bag, big) for big in kept):
            kept = [*(other for other in kept if not within(other, bag)), bag]
    return kept


def _covered(small: Atom, big: Atom) -> bool:
    """Whether all of an atom is in another one."""
    if small.content == big.content:
        return True
    products = dict(big.kinds)
    return small.weights <= big.weights and all(
        any(_inside(own, other) for other in products.get(kind, ()))
        for kind, given in small.kinds
        for own in given
    )


def _inside(small: Product, big: Product) -> bool:
    return len(small) == len(big) and all(map(_within, small, big))


@lru_cache(maxsize=10_000)  # products share their sides
def _within(cubes: frozenset[Bits], others: frozenset[Bits]) -> bool:
    """Whether each of the cubes lies in one of the others."""
    return all(any(not high & ~top and not bottom & ~low for bottom, top in others) for low, high in cubes)


def _apart(a: Atom, b: Atom) -> bool:
    """Whether two atoms, which differ, have no weighted comparison in common."""
    if not a.weights & b.weights:
        return True
    others = dict(b.kinds)
    return not any(
        all(map(_meet, own, other))
        for kind, products in a.kinds
        for own in products
        for other in others.get(kind, ())
    )


def _meet(ours: Collection[Bits], theirs: Collection[Bits]) -> bool:
    if len(ours) * len(theirs) > MAX_CUBES * 10:
        return True  # not known
    return any(not (a[0] & ~b[1] or b[0] & ~a[1]) for a in ours for b in theirs)


def _union(atoms: Iterable[Atom], layouts: Layouts) -> Range:
    """The number of distinct weighted comparisons in some atoms."""
    sizes: dict[frozenset[Product], Range] = {}
    least = greatest = 0
    for products_of_kind in map(frozenset, _by_kind(atoms).values()):
        if products_of_kind not in sizes:
            sizes[products_of_kind] = _size(products_of_kind, layouts)
        least, greatest = least + sizes[products_of_kind][0], greatest + sizes[products_of_kind][1]
    return least, greatest


def _size(products: Collection[Product], layouts: Layouts) -> Range:
    """The number of distinct comparisons of one kind."""
    kept = [a for a in products if not any(a != b and _inside(a, b) and not _inside(b, a) for b in products)]
    if len(kept) > 1 and sum(math.prod(map(len, sides)) for sides in kept) <= MAX_CUBES:
        cubes, clauses, bits = _joined(kept, layouts)
        number = _allowed(tuple(clauses), frozenset(cubes), tuple(bits))
        return number, number
    sizes = [tuple(map(_side, sides, (layouts.source, layouts.target))) for sides in kept]
    lows = [math.prod(low for low, _ in ranges) for ranges in sizes]
    return max(lows), sum(math.prod(high for _, high in ranges) for ranges in sizes)


def _side(cubes: Collection[Bits], layout: Layout) -> Range:
    if all(low == high for low, high in cubes):
        number = sum(layout.allows(low) for low, _ in cubes)
    elif len(cubes) <= MAX_CUBES:
        number = _allowed(tuple(layout.clauses), frozenset(cubes), tuple(layout.bits.values()))
    else:
        sizes = [under(layout.clauses, [cube], total_size) for cube in cubes]
        return max(sizes), sum(sizes)
    return number, number


@lru_cache(maxsize=1_000)  # in places of a sum the same unions come again and again
def _allowed(clauses: tuple[int, ...], cubes: frozenset[Bits], bits: tuple[int, ...]) -> int:
    """The number of distinct masks in all cubes that keep the clauses."""
    return under(clauses, cubes, lambda rest: union_size(rest, bits))


def _joined(products: Collection[Product], layouts: Layouts) -> tuple[list[Bits], list[int], list[int]]:
    """Sources and targets as masks of one layout: its cubes, clauses and bits."""
    shift = len(layouts.source.items)
    cubes = []
    for source, *target in products:
        for (low, high), (bottom, top) in product(source, *target or [_NO_TARGET]):
            cubes.append((low | bottom << shift, high | top << shift))
    unary = any(len(sides) == 1 for sides in products)
    clauses = [*layouts.source.clauses]
    clauses += [] if unary else [clause << shift for clause in layouts.target.clauses]
    bits = [1 << place for place in range(shift + len(layouts.target.items))]
    return cubes, clauses, bits


def _by_kind(atoms: Iterable[Atom]) -> dict[tuple[Weight, Kind], set[Product]]:
    """The products of some atoms by weight and kind."""
    products_of: dict[tuple[Weight, Kind], set[Product]] = {}
    for atom in atoms:
        for weight, (kind, products) in product(sorted(atom.weights, key=repr), atom.kinds):
            products_of.setdefault((weight, kind), set()).update(products)
    return products_of


def _masks(singles: dict[tuple[Weight, Kind], set[Product]], layouts: Layouts) -> Iterator[Loss]:
    shift = len(layouts.source.items)
    items = [*layouts.source.items, *layouts.target.items]
    places = sorted(
        range(len(items)), key=lambda p: (items[p].last, p >= shift, items[p].order), reverse=True
    )
    digits = [1 << place for place in places]  # in this order, long horizons are large numbers
    for (weight, kind), products in singles.items():
        cubes, clauses, _ = _joined(products, layouts)
        for mask in members(cubes, clauses, digits):
            comparison = layouts.decode(kind, (mask & (1 << shift) - 1, mask >> shift))
            yield Loss((Weighted(weight, comparison),))


def _losses(root: Space) -> Iterator[Loss]:
    return (derivation.loss() for derivation in root.derivations())

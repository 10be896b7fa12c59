"""How many distinct losses there are, and which: derivations that give the same loss count once.

Losses of one term are counted exactly, as unions of cubes. A loss of several terms is a multiset of weighted
comparisons, drawn from `Atom`s; where the atoms of a grammar are each the same or have nothing in common,
multisets are counted exactly, too. Else there are bounds, or a list if it is short.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, product
from typing import TypeAlias

from a2ls_dsl.lang.ast import Loss, Weight, Weighted
from a2ls_dsl.lang.grammar.counting import Cube as Bits
from a2ls_dsl.lang.grammar.counting import members, under, union_size
from a2ls_dsl.lang.grammar.derive import (
    Added,
    Compared,
    Derivation,
    LeftOut,
    Picked,
    Weighed,
    loss_of,
    weight_of,
)
from a2ls_dsl.lang.grammar.forms import Layout
from a2ls_dsl.lang.grammar.nodes import Empty, Kind, Layouts, Node, Pick, Scaled, Sum, Term
from a2ls_dsl.lang.weights import times

MAX_BAGS = 300
MAX_CUBES = 500
MAX_LISTED = 20_000
"""What counting may cost: combinations of terms, cubes of a union, losses that are listed to be counted."""

Range: TypeAlias = tuple[int, int]
Product: TypeAlias = tuple[frozenset[Bits], frozenset[Bits] | None]
"""The cubes of a source, and those of a target that go with each of them."""


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


def distinct(roots: Sequence[Node], layouts: Layouts) -> Range:
    """The least and the greatest number of distinct losses of all roots together."""
    found = [bag for root in roots for bag in _bags(root)]
    if len(found) < MAX_BAGS * max(1, len(roots)):
        least, greatest = _counted(found, layouts)
        if least == greatest:
            return least, greatest
    else:
        least, greatest = _counted(_singles_only(roots), layouts)[0], sum(root.valid for root in roots)
    derivations = sum(root.valid for root in roots)
    if derivations <= MAX_LISTED:
        number = len({loss for root in roots for loss in _listed(root, layouts)})
        return number, number
    return least, min(greatest, derivations)


def listed(roots: Sequence[Node], layouts: Layouts) -> Iterator[Loss]:
    """Every distinct loss once: of single comparisons kind by kind, short horizons first. Lazy."""
    singles = _singles([bag for root in roots for bag in _bags(root)])
    if singles is not None:
        yield from _masks(singles, layouts)
        return
    seen: set[Loss] = set()
    for root in roots:
        for loss in _listed(root, layouts):
            if loss not in seen:
                seen.add(loss)
                yield loss


def _bags(node: Node) -> list[tuple[Atom, ...]]:
    """Which atoms a node's losses are made of: a bag for each combination of alternatives, not too many."""
    known: dict[int, Atom] = {}

    def of(each: Node, weights: frozenset[Weight]) -> list[tuple[Atom, ...]]:
        match each:
            case Empty():
                return [()]
            case Term():
                return [(_atom(each, weights, known),)] if each.valid else []
            case Pick():
                return [bag for _, option in each.live for bag in of(option, weights)][: MAX_BAGS + 1]
            case Scaled(weights=leaves, body=body):
                scaled = frozenset(times(w, weight_of(leaf)) for w in weights for leaf in leaves)
                return of(body, scaled)
            case Sum(parts=parts):
                bags: list[tuple[Atom, ...]] = [()]
                for part in parts:
                    more = of(part, weights)
                    bags = [(*bag, *other) for bag in bags for other in more][: MAX_BAGS + 1]
                return bags

    return of(node, frozenset({1.0}))


def _singles_only(roots: Sequence[Node]) -> list[tuple[Atom, ...]]:
    """The bags of losses of one term, where there are too many others."""
    known: dict[int, Atom] = {}

    def of(node: Node, weights: frozenset[Weight]) -> Iterator[tuple[Atom, ...]]:
        match node:
            case Term() if node.valid:
                yield (_atom(node, weights, known),)
            case Pick():
                for _, option in node.live:
                    yield from of(option, weights)
            case Scaled(weights=leaves, body=body):
                yield from of(body, frozenset(times(w, weight_of(leaf)) for w in weights for leaf in leaves))

    return [bag for root in roots for bag in of(root, frozenset({1.0}))]


def _atom(term: Term, weights: frozenset[Weight], known: dict[int, Atom]) -> Atom:
    if id(term) not in known:
        kinds: dict[Kind, set[Product]] = {}
        for group in term.live:
            source = frozenset((term.sources[p].low, term.sources[p].high) for p in group.sources)
            target = None
            if group.targets is not None and term.targets is not None:
                target = frozenset((term.targets[p].low, term.targets[p].high) for p in group.targets)
            for word in group.words:
                kinds.setdefault(word.kind, set()).add((source, target))
        known[id(term)] = Atom(
            term.place, weights, tuple((kind, frozenset(each)) for kind, each in kinds.items())
        )
    atom = known[id(term)]
    return atom if atom.weights == weights else Atom(atom.place, weights, atom.kinds)


def _counted(found: list[tuple[Atom, ...]], layouts: Layouts) -> Range:
    bags = list({tuple(sorted((a.content for a in bag), key=hash)): bag for bag in found}.values())
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
    """The bags whose losses are not all of another bag, too."""
    kept: list[tuple[Atom, ...]] = []
    for bag in sorted(bags, key=lambda bag: -sum(_extent(atom) for atom in bag)):
        if not any(len(bag) == len(big) and all(map(_covered, bag, big)) for big in kept):
            kept.append(bag)
    return kept


def _extent(atom: Atom) -> int:
    """Something that is larger for what holds more."""
    return sum(
        (high.bit_count() - low.bit_count() + 1)
        for _, products in atom.kinds
        for sides in products
        for side in sides
        if side is not None
        for low, high in side
    ) * len(atom.weights)


def _covered(small: Atom, big: Atom) -> bool:
    """Whether all of an atom is in another one."""
    if small.content == big.content:
        return True
    products = dict(big.kinds)
    return small.weights <= big.weights and all(
        any(_inside(each, other) for other in products.get(kind, ()))
        for kind, given in small.kinds
        for each in given
    )


def _inside(small: Product, big: Product) -> bool:
    if (small[1] is None) is not (big[1] is None):
        return False
    return all(
        any(not high & ~top and not bottom & ~low for bottom, top in there or ())
        for here, there in zip(small, big, strict=True)
        for low, high in here or ()
    )


def _apart(a: Atom, b: Atom) -> bool:
    """Whether two atoms, which differ, have no weighted comparison in common."""
    if not a.weights & b.weights:
        return True
    others = dict(b.kinds)
    return not any(
        _meet(one[0], other[0]) and (one[1] is None or other[1] is None or _meet(one[1], other[1]))
        for kind, products in a.kinds
        for one in products
        for other in others.get(kind, ())
    )


def _meet(ours: Collection[Bits], theirs: Collection[Bits]) -> bool:
    if len(ours) * len(theirs) > MAX_CUBES * 10:
        return True  # not known
    return any(not (a[0] & ~b[1] or b[0] & ~a[1]) for a in ours for b in theirs)


def _union(atoms: Iterable[Atom], layouts: Layouts) -> Range:
    """The number of distinct weighted comparisons in some atoms."""
    found: dict[tuple[Weight, Kind], set[Product]] = {}
    for atom in atoms:
        for weight, (kind, products) in product(atom.weights, atom.kinds):
            found.setdefault((weight, kind), set()).update(products)
    known: dict[frozenset[Product], Range] = {}
    least = greatest = 0
    for each in map(frozenset, found.values()):
        if each not in known:
            known[each] = _size(each, layouts)
        least, greatest = least + known[each][0], greatest + known[each][1]
    return least, greatest


def _size(products: Collection[Product], layouts: Layouts) -> Range:
    """The number of distinct comparisons of one kind."""
    kept = [a for a in products if not any(a != b and _inside(a, b) and not _inside(b, a) for b in products)]
    if len(kept) > 1 and sum(len(s) * len(t or " ") for s, t in kept) <= MAX_CUBES:
        cubes, clauses, bits = _joined(kept, layouts)
        number = under(clauses, cubes, lambda each: union_size(each, bits))
        return number, number
    sizes = []
    for source, target in kept:
        low, high = _side(source, layouts.source)
        if target is not None:
            side = _side(target, layouts.target)
            low, high = low * side[0], high * side[1]
        sizes.append((low, high))
    return max(low for low, _ in sizes), sum(high for _, high in sizes)


def _side(cubes: Collection[Bits], layout: Layout) -> Range:
    if all(low == high for low, high in cubes):
        number = sum(layout.allows(low) for low, _ in cubes)
    elif len(cubes) <= MAX_CUBES:
        number = under(layout.clauses, cubes, lambda each: union_size(each, tuple(layout.bits.values())))
    else:
        sizes = [under(layout.clauses, [cube], lambda each: union_size(each, ())) for cube in cubes]
        return max(sizes), sum(sizes)
    return number, number


def _joined(products: Iterable[Product], layouts: Layouts) -> tuple[list[Bits], list[int], list[int]]:
    """Sources and targets as masks of one layout: its cubes, clauses and bits."""
    shift = len(layouts.source.items)
    cubes, unary = [], False
    for source, target in products:
        unary = unary or target is None
        for (low, high), (bottom, top) in product(source, target or [(0, 0)]):
            cubes.append((low | bottom << shift, high | top << shift))
    clauses = [
        *layouts.source.clauses,
        *([] if unary else (each << shift for each in layouts.target.clauses)),
    ]
    bits = [1 << place for place in range(shift + len(layouts.target.items))]
    return cubes, clauses, bits


def _singles(bags: Sequence[tuple[Atom, ...]]) -> dict[tuple[Weight, Kind], set[Product]] | None:
    """The products by weight and kind, if no loss is a sum."""
    found: dict[tuple[Weight, Kind], set[Product]] = {}
    for bag in bags:
        if len(bag) != 1:
            return None
        for weight, (kind, products) in product(sorted(bag[0].weights, key=repr), bag[0].kinds):
            found.setdefault((weight, kind), set()).update(products)
    return found


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
            comparison = layouts.decode(kind, mask & (1 << shift) - 1, mask >> shift)
            yield Loss((Weighted(weight, comparison),))


def _listed(root: Node, layouts: Layouts) -> Iterator[Loss]:
    return (loss_of(each, layouts) for each in _derivations(root, layouts))


def _derivations(node: Node, layouts: Layouts) -> Iterator[Derivation]:
    match node:
        case Empty():
            yield LeftOut(node)
        case Pick():
            for place, option in node.live:
                for inner in _derivations(option, layouts):
                    yield Picked(node, place, inner)
        case Scaled(weights=weights, body=body):
            for place in range(len(weights)):
                for inner in _derivations(body, layouts):
                    yield Weighed(node, place, inner)
        case Sum(parts=parts):
            for inside in _all(parts, layouts):
                yield Added(node, inside)
        case Term():
            yield from _comparisons(node, layouts)


def _all(parts: tuple[Node, ...], layouts: Layouts) -> Iterator[tuple[Derivation, ...]]:
    """Every combination of derivations; unlike `itertools.product`, without keeping them."""
    if not parts:
        yield ()
        return
    for first in _derivations(parts[0], layouts):
        for rest in _all(parts[1:], layouts):
            yield (first, *rest)


def _comparisons(node: Term, layouts: Layouts) -> Iterator[Derivation]:
    for group in node.live:
        for word, source in product(group.words, group.sources):
            here = node.sources[source]
            for mask in members([(here.low, here.high)], layouts.source.clauses, _digits(layouts.source)):
                if group.targets is None or node.targets is None:
                    yield Compared(node, word, source, mask)
                    continue
                for target in group.targets:
                    there = [(node.targets[target].low, node.targets[target].high)]
                    for other in members(there, layouts.target.clauses, _digits(layouts.target)):
                        yield Compared(node, word, source, mask, target, other)


def _digits(layout: Layout) -> tuple[int, ...]:
    return tuple(reversed(layout.bits.values()))

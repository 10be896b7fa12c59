"""Counting, listing and drawing: unions of cubes, subsets of bits, one of several choices.

A cube is a pair of bit masks `(low, high)` with low inside high: it stands for every mask between the two,
that is, all bits of `low` on, all bits outside `high` off, the others free. Clauses are masks of which at
least one bit has to be on. Everything here is exact, on integers of any size.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from a2ls_dsl.words.language import Stream

if TYPE_CHECKING:
    from numpy.random import Generator


Cube: TypeAlias = tuple[int, int]


def size(cube: Cube) -> int:
    """The number of masks in a cube."""
    low, high = cube
    return 1 << (high.bit_count() - low.bit_count())


def total_size(cubes: Collection[Cube]) -> int:
    """The number of masks in all cubes, those in several cubes counted several times."""
    return sum(map(size, cubes))


def union_size(cubes: Iterable[Cube], bits: Sequence[int]) -> int:
    """The number of distinct masks in all cubes, whose masks consist of `bits` (powers of two).

    A union of arbitrary cubes takes exponential time (the problem is #P-complete); one with some structure,
    as alternatives over sets of the same elements have it, does not.
    """
    return sum(_clump_size(clump, bits) for clump in _clumps(maximal(cubes)))


def _clumps(cubes: Iterable[Cube]) -> list[list[Cube]]:
    """The cubes in groups such that cubes of different groups have no mask in common."""
    clumps: list[list[Cube]] = []
    for cube in cubes:
        joined, apart = [cube], []
        for clump in clumps:
            if any(_overlap(cube, other) for other in clump):
                joined += clump
            else:
                apart.append(clump)
        clumps = [*apart, joined]
    return clumps


def _overlap(a: Cube, b: Cube) -> bool:
    return not (a[0] & ~b[1] or b[0] & ~a[1])


def _clump_size(cubes: Iterable[Cube], bits: Sequence[int]) -> int:
    """The size of a union, found by deciding one bit after the other.

    What is left of the cubes after some decisions is a state; decisions that leave the same state are counted
    together, which keeps the number of states small.
    """
    total = 0
    states = {maximal(cubes): 1}
    for bit in (*bits, 0):  # nothing is left to decide in the last round
        below: dict[tuple[Cube, ...], int] = {}
        for state, ways in states.items():
            if len(state) == 1:
                total += ways * size(state[0])
                continue
            without = [(low, high & ~bit) for low, high in state if not low & bit]
            having = [(low & ~bit, high & ~bit) for low, high in state if high & bit]
            for rest in (without, having):
                if rest:
                    child = maximal(rest)
                    below[child] = below.get(child, 0) + ways
        states = below
    return total


def maximal(cubes: Iterable[Cube]) -> tuple[Cube, ...]:
    """The cubes that lie in no other one, in a fixed order."""
    kept: list[Cube] = []
    for low, high in sorted(set(cubes), key=lambda cube: (-size(cube), cube)):
        for outer, top in kept:  # a loop: most of the time of counting goes by here
            if not (outer & ~low or high & ~top):
                break
        else:
            kept.append((low, high))
    return tuple(kept)


def under(clauses: Iterable[int], cubes: Iterable[Cube], measure: Callable[[Collection[Cube]], int]) -> int:
    """What `measure` gives for the cubes without all masks that break a clause.

    Inclusion and exclusion: a mask breaks a clause when all bits of the clause are off in it, and a cube in
    which some bits have to be off is a cube again, or empty. Clauses inside one another cancel out here.
    """
    signs = {0: 1}
    for clause in clauses:
        for off, sign in list(signs.items()):
            signs[off | clause] = signs.get(off | clause, 0) - sign
    given = list(cubes)
    return sum(
        sign * measure([(low, high & ~off) for low, high in given if not low & off])
        for off, sign in signs.items()
        if sign
    )


def members(cubes: Iterable[Cube], clauses: Collection[int], bits: Sequence[int]) -> Iterator[int]:
    """Every distinct mask of the union that keeps the clauses, once.

    In increasing order if `bits` were the digits of a number, the first the most significant. Lazy: a branch
    is entered only if it holds a mask, so the time from one mask to the next is bounded.
    """
    waiting = [(0, list(cubes))]
    while waiting:
        depth, live = waiting.pop()
        # Clauses only ask for bits to be on, so a cube can keep them if its highest mask does.
        live = [(low, high) for low, high in live if all(high & clause for clause in clauses)]
        if not live:
            continue
        if depth == len(bits):
            yield live[0][1]
            continue
        bit = bits[depth]
        waiting.append((depth + 1, [(low | bit, high) for low, high in live if high & bit]))
        waiting.append((depth + 1, [(low, high & ~bit) for low, high in live if not low & bit]))


def split(mask: int) -> Iterator[int]:
    """The bits of a mask, the lowest first."""
    while mask:
        lowest = mask & -mask
        yield lowest
        mask ^= lowest


ATTEMPTS = 100
"""How often a proposal that breaks a requirement is drawn again."""

Prior: TypeAlias = Mapping[tuple[str, Stream], float]
"""How probable an optional element is, by side (`source`, `target`) and stream; 1/2 where nothing is said."""

T = TypeVar("T")


def pick(rng: Generator, choices: Sequence[T]) -> T:
    """One of several, each as probable as the others."""
    return choices[int(rng.integers(len(choices)))] if len(choices) > 1 else choices[0]


def draw(rng: Generator, bits: int, rate: float) -> int:
    """Each of the bits with probability `rate`."""
    offered = tuple(split(bits))
    mask = 0
    for bit, number in zip(offered, rng.random(len(offered)).tolist(), strict=True):
        if number < rate:
            mask |= bit
    return mask


def weighted(rng: Generator, sizes: Sequence[int]) -> int:
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

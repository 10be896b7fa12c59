"""Random choices: one of several, evenly or by size, of numbers of any size, and subsets of bits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from a2ls_dsl.lang.grammar.counting import split
from a2ls_dsl.words.language import Stream

if TYPE_CHECKING:
    from numpy.random import Generator


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

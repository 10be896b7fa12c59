"""A grammar for one combination of its parameters: a tree of choices and sums over comparisons.

A comparison is flat: its words and sets are lists of what they can be, and `Group` says which go together.
Every node knows how many derivations it has: `total` of them, `valid` ones that keep the `require` lines.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

from a2ls_dsl.lang.ast import Call, Comparison, Item, Option
from a2ls_dsl.lang.canonical import canonical_comparison
from a2ls_dsl.lang.grammar import tree
from a2ls_dsl.lang.grammar.expand import Leaf, Value
from a2ls_dsl.lang.grammar.forms import Cube, Layout
from a2ls_dsl.words.registry import operators

Kind: TypeAlias = tuple[str, bool, tuple[Option, ...]]
"""Operator, negatives and options without defaults: comparisons of different kinds are different."""


@dataclass(frozen=True)
class Word:
    """One combination of operator, negatives and options: their places in the lists, and their kind."""

    picks: tuple[int, ...]
    kind: Kind


@dataclass(frozen=True, eq=False)
class Group:
    """Words and sets that all go together; sets by their places. An operator of one set has no targets."""

    words: tuple[Word, ...]
    sources: tuple[int, ...]
    targets: tuple[int, ...] | None
    total: int
    valid: int


@dataclass(frozen=True, eq=False)
class Term:
    """A comparison. sources, targets: what its sets can be."""

    place: int
    call: tree.Call
    lists: tuple[tuple[Leaf, ...], ...]
    sources: tuple[Cube, ...]
    targets: tuple[Cube, ...] | None
    groups: tuple[Group, ...]
    total: int = field(init=False)
    valid: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "total", sum(group.total for group in self.groups))
        object.__setattr__(self, "valid", sum(group.valid for group in self.groups))

    @cached_property
    def live(self) -> tuple[Group, ...]:
        """The groups that hold a loss."""
        return tuple(group for group in self.groups if group.valid)

    @cached_property
    def forms(self) -> tuple[int, ...]:
        """The number of combinations of alternatives in each live group, for even draws."""
        return tuple(
            len(each.words)
            * sum(self.sources[place].valid > 0 for place in each.sources)
            * (1 if each.targets is None else sum(self._target(place).valid > 0 for place in each.targets))
            for each in self.live
        )

    @cached_property
    def kinds(self) -> dict[Kind, list[tuple[Word, Group]]]:
        """The words of each kind, with the groups that they belong to."""
        found: dict[Kind, list[tuple[Word, Group]]] = {}
        for group in self.live:
            for word in group.words:
                found.setdefault(word.kind, []).append((word, group))
        return found

    def fitting(self, picks: tuple[int, ...], source: int, target: int) -> Word | None:
        """The word of these picks if it goes with these sets (-1: no target) in some loss."""
        for word, group in self._words.get(picks, ()):
            there = target < 0 if group.targets is None else target in group.targets
            live = self.sources[source].valid and (target < 0 or self._target(target).valid)
            if live and there and source in group.sources:
                return word
        return None

    @cached_property
    def _words(self) -> dict[tuple[int, ...], list[tuple[Word, Group]]]:
        found: dict[tuple[int, ...], list[tuple[Word, Group]]] = {}
        for group in self.live:
            for word in group.words:
                found.setdefault(word.picks, []).append((word, group))
        return found

    def _target(self, place: int) -> Cube:
        return (self.targets or ())[place]


@dataclass(frozen=True, eq=False)
class Pick:
    """A choice between nodes; None where one would be nested too deeply."""

    place: int
    options: tuple[Node | None, ...]
    total: int = field(init=False)
    valid: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "total", sum(each.total for each in self.options if each))
        object.__setattr__(self, "valid", sum(each.valid for each in self.options if each))

    @cached_property
    def live(self) -> tuple[tuple[int, Node], ...]:
        """The options that hold a loss, with their places."""
        return tuple((place, each) for place, each in enumerate(self.options) if each and each.valid)


@dataclass(frozen=True, eq=False)
class Sum:
    """Terms added."""

    place: int
    parts: tuple[Node, ...]
    total: int = field(init=False)
    valid: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "total", math.prod(each.total for each in self.parts))
        object.__setattr__(self, "valid", math.prod(each.valid for each in self.parts))


@dataclass(frozen=True, eq=False)
class Scaled:
    """A weight before something."""

    place: int
    weights: tuple[Leaf, ...]
    body: Node
    total: int = field(init=False)
    valid: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "total", len(self.weights) * self.body.total)
        object.__setattr__(self, "valid", len(self.weights) * self.body.valid)


@dataclass(frozen=True, eq=False)
class Empty:
    """A term that is left out."""

    place: int
    total: int = 1
    valid: int = 1


Node: TypeAlias = Term | Pick | Sum | Scaled | Empty


def unscaled(node: Node, known: dict[int, bool]) -> bool:
    """Whether no weight stands inside a node. `known`: what was found so far."""
    if id(node) not in known:
        known[id(node)] = not isinstance(node, Scaled) and all(unscaled(each, known) for each in inside(node))
    return known[id(node)]


def inside(node: Node) -> tuple[Node, ...]:
    """The nodes directly inside one."""
    match node:
        case Pick(options=options):
            return tuple(each for each in options if each)
        case Sum(parts=parts):
            return parts
        case Scaled(body=body):
            return (body,)
    return ()


def terms_of(node: Node) -> Iterator[Term]:
    """Every comparison in a node, once."""
    seen: set[int] = set()
    waiting = [node]
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        if isinstance(each, Term):
            yield each
        waiting += reversed(inside(each))


def lengths(node: Node) -> tuple[int, int]:
    """The least and the greatest number of terms of a node's losses."""
    known: dict[int, tuple[int, int]] = {}

    def of(each: Node) -> tuple[int, int]:
        if id(each) not in known:
            known[id(each)] = found(each)
        return known[id(each)]

    def found(each: Node) -> tuple[int, int]:
        match each:
            case Term():
                return 1, 1
            case Empty():
                return 0, 0
            case Pick(options=options):
                ends = [of(option) for option in options if option]
                return min(least for least, _ in ends), max(greatest for _, greatest in ends)
            case Sum(parts=parts):
                ends = [of(part) for part in parts]
                return sum(least for least, _ in ends), sum(greatest for _, greatest in ends)
            case Scaled(body=body):
                return of(body)

    return of(node)


@dataclass(frozen=True)
class Layouts:
    """The layouts of the two sides, shared by all comparisons of a grammar."""

    source: Layout
    target: Layout

    def decode(self, kind: Kind, source: int, target: int) -> Comparison:
        """The canonical comparison of a kind and two masks."""
        operator, against, options = kind
        return Comparison(operator, self.source.chosen(source), self.target.chosen(target), against, options)

    def encode(self, term: Comparison) -> tuple[int, int] | None:
        """The masks of a canonical comparison; None if an item has no bit, or a view is called twice."""
        source, target = _mask(self.source, term.source), _mask(self.target, term.target)
        return None if source is None or target is None else (source, target)

    def allow(self, masks: tuple[int, int], term: Comparison) -> bool:
        """Whether masks keep the `require` lines; those about targets are not for operators of one set."""
        entry = operators.get(term.operator)
        one = entry is not None and entry.unary
        return self.source.allows(masks[0]) and (one or self.target.allows(masks[1]))


def _mask(layout: Layout, items: tuple[Item, ...]) -> int | None:
    mask = 0
    for item in items:
        bit = layout.bits.get(item)
        if bit is None or mask & bit:
            return None
        mask |= bit
    return mask


def kind_of(operator: str, against: bool, options: tuple[Option, ...], source: tuple[Item, ...] = ()) -> Kind:
    """The kind of a comparison, its options without defaults and in canonical order.

    source: what it may compare, where that is known: options that mean nothing for it are left out, too.
    """
    plain = canonical_comparison(Comparison(operator, source, (), against, options))
    return plain.operator, against, plain.options


def options_of(given: tuple[tuple[str, Value], ...]) -> tuple[Option, ...]:
    """Options as a comparison has them."""
    return tuple(Option(name, value) for name, value in given if isinstance(value, float | Call))

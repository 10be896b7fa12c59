"""Derivations: which alternatives give a loss. From a derivation to its loss, and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from a2ls_dsl.lang.ast import Comparison, Loss, Schedule, Weight, Weighted
from a2ls_dsl.lang.canonical_heads import ordered_terms
from a2ls_dsl.lang.grammar.expand import Leaf
from a2ls_dsl.lang.grammar.forms import Cube
from a2ls_dsl.lang.grammar.nodes import Empty, Layouts, Node, Pick, Scaled, Sum, Term, Word, unscaled
from a2ls_dsl.lang.weights import canonical_weight, times


@dataclass(frozen=True)
class Compared:
    """A comparison: its words, which of its sets' alternatives were taken, and the elements in them."""

    node: Term
    word: Word
    source: int
    source_mask: int
    target: int = -1
    target_mask: int = 0


@dataclass(frozen=True)
class Picked:
    """One of several alternatives."""

    node: Pick
    place: int
    inner: Derivation


@dataclass(frozen=True)
class Added:
    """Terms added."""

    node: Sum
    parts: tuple[Derivation, ...]


@dataclass(frozen=True)
class Weighed:
    """A weight before something."""

    node: Scaled
    place: int
    inner: Derivation


@dataclass(frozen=True)
class LeftOut:
    """A term that is not there."""

    node: Empty


Derivation: TypeAlias = Compared | Picked | Added | Weighed | LeftOut


def within(derivation: Derivation) -> tuple[Derivation, ...]:
    """The derivations directly inside one."""
    match derivation:
        case Picked(inner=inner) | Weighed(inner=inner):
            return (inner,)
        case Added(parts=parts):
            return parts
    return ()


def all_within(derivation: Derivation) -> Iterator[Derivation]:
    """A derivation and everything inside it."""
    yield derivation
    for each in within(derivation):
        yield from all_within(each)


def replaced(whole: Derivation, old: Derivation, new: Derivation) -> Derivation:
    """A derivation with one of its parts, given as the very object, exchanged."""
    if whole is old:
        return new
    match whole:
        case Picked(node, place, inner):
            return Picked(node, place, replaced(inner, old, new))
        case Weighed(node, place, inner):
            return Weighed(node, place, replaced(inner, old, new))
        case Added(node, parts):
            return Added(node, tuple(replaced(part, old, new) for part in parts))
    return whole


def loss_of(derivation: Derivation, layouts: Layouts) -> Loss:
    """The canonical loss of a derivation."""
    terms = list(_terms(derivation, 1.0, layouts))
    return Loss(tuple(terms) if len(terms) == 1 else ordered_terms(terms))


def weight_of(leaf: Leaf) -> Weight:
    """The weight that a leaf stands for."""
    if not isinstance(leaf.value, float | Schedule):
        raise TypeError("the checker lets weights stand here only")
    return canonical_weight(leaf.value)


def _terms(derivation: Derivation, weight: Weight, layouts: Layouts) -> Iterator[Weighted]:
    match derivation:
        case Compared(_, word, _, source, _, target):
            yield Weighted(weight, layouts.decode(word.kind, source, target))
        case Weighed(node, place, inner):
            yield from _terms(inner, times(weight, weight_of(node.weights[place])), layouts)
        case _:
            for each in within(derivation):
                yield from _terms(each, weight, layouts)


Known: TypeAlias = list[tuple[Weight, Comparison, tuple[int, int]]]
"""The terms of a loss with their masks."""


def encoded(loss: Loss, layouts: Layouts) -> Known | None:
    """The terms of a canonical loss; None if one holds what no loss of the grammar does."""
    known = []
    for weight, term in ((each.weight, each.term) for each in loss.terms):
        if not isinstance(term, Comparison):
            return None
        masks = layouts.encode(term)
        if masks is None or not layouts.allow(masks, term):
            return None
        known.append((weight, term, masks))
    return known


def derive(root: Node, terms: Known) -> Derivation | None:
    """A derivation of a loss' terms from a node: the first that is found; None if there is none."""
    return _Search(terms).reach(root, (1 << len(terms)) - 1, 1.0).get(0)


class _Search:
    """Looks for derivations of some terms: which terms are left when a node has taken its own.

    What a node can leave over is remembered, so that sums in which terms may stand in any order take no
    longer than there are subsets of the terms.
    """

    def __init__(self, terms: Known) -> None:
        self.terms = terms
        self.weights = {weight for weight, _, _ in terms}
        self.unscaled: dict[int, bool] = {}
        self.known: dict[object, Mapping[int, Derivation]] = {}

    def reach(self, node: Node, left: int, weight: Weight) -> Mapping[int, Derivation]:
        """What can be left of the terms `left`, with a derivation of those that were taken."""
        key = id(node), left, weight
        if key not in self.known:
            self.known[key] = self._reach(node, left, weight)
        return self.known[key]

    def _reach(self, node: Node, left: int, weight: Weight) -> dict[int, Derivation]:
        found: dict[int, Derivation] = {}
        match node:
            case Empty():
                found[left] = LeftOut(node)
            case Term():
                for place, (own, term, masks) in enumerate(self.terms):
                    if left >> place & 1 and own == weight and (derived := locate(node, term, masks)):
                        found[left & ~(1 << place)] = derived
            case Pick(options=options):
                for number, option in enumerate(options):
                    for rest, inner in self.reach(option, left, weight).items() if option else ():
                        found.setdefault(rest, Picked(node, number, inner))
            case Scaled(weights=weights, body=body):
                last = unscaled(body, self.unscaled)
                for number, leaf in enumerate(weights):
                    product = times(weight, weight_of(leaf))
                    if last and product not in self.weights:
                        continue  # what makes most of the difference where there are many weights
                    for rest, inner in self.reach(body, left, product).items():
                        found.setdefault(rest, Weighed(node, number, inner))
            case Sum(parts=parts):
                states: dict[int, tuple[Derivation, ...]] = {left: ()}
                for part in parts:
                    following: dict[int, tuple[Derivation, ...]] = {}
                    for before, derivations in states.items():
                        for rest, inner in self.reach(part, before, weight).items():
                            following.setdefault(rest, (*derivations, inner))
                    states = following
                found = {rest: Added(node, derivations) for rest, derivations in states.items()}
        return found


def locate(node: Term, term: Comparison, masks: tuple[int, int]) -> Compared | None:
    """A derivation of a comparison whose masks keep the `require` lines, if the node has one."""
    for word, group in node.kinds.get((term.operator, term.against_batch, term.options), ()):
        if (source := _holding(node.sources, group.sources, masks[0])) is None:
            continue
        if group.targets is None or node.targets is None:
            if not term.target:
                return Compared(node, word, source, masks[0])
        elif (target := _holding(node.targets, group.targets, masks[1])) is not None:
            return Compared(node, word, source, masks[0], target, masks[1])
    return None


def _holding(cubes: Sequence[Cube], places: Sequence[int], mask: int) -> int | None:
    for place in places:
        if cubes[place].holds(mask):
            return place
    return None

"""Taking a derivation over: to other parameters, or with another alternative in one place."""

from __future__ import annotations

from typing import TypeAlias

from a2ls_dsl.lang.grammar.derive import (
    Added,
    Compared,
    Derivation,
    Picked,
    Weighed,
    all_within,
)
from a2ls_dsl.lang.grammar.draw import Drawer, pick
from a2ls_dsl.lang.grammar.forms import SOURCE, TARGET, Cube
from a2ls_dsl.lang.grammar.nodes import Node, Pick, Scaled, Sum, Term

Site: TypeAlias = tuple[Derivation, int]
"""A place where another alternative could be taken: of a comparison the number of the word or set."""

_SOURCE, _TARGET = -1, -2


def follow(node: Node, old: Derivation, drawer: Drawer) -> Derivation:
    """A derivation of a node with the choices of another one, as far as it has them.

    Elements that both allow stay; those that only the new one allows are drawn, as is whatever differs.
    """
    if node.place != old.node.place:
        return drawer.draw(node)
    match node, old:
        case Pick(), Picked(_, place, inner):
            option = node.options[place] if place < len(node.options) else None
            if option is not None and option.valid:
                return Picked(node, place, follow(option, inner, drawer))
        case Scaled(weights=weights, body=body), Weighed(_, place, inner) if place < len(weights):
            return Weighed(node, place, follow(body, inner, drawer))
        case Sum(parts=parts), Added(_, others) if len(parts) == len(others):
            return Added(node, tuple(follow(*pair, drawer) for pair in zip(parts, others, strict=True)))
        case Term(), Compared() if node is old.node:
            return old
        case Term(), Compared():
            return _followed(node, old, drawer) or drawer.comparison(node)
    return drawer.draw(node)


def sites(derivation: Derivation) -> list[Site]:
    """Where another alternative could be taken."""
    found: list[Site] = []
    for each in all_within(derivation):
        match each:
            case Picked(node=Pick() as node) if len(node.live) > 1:
                found.append((each, 0))
            case Weighed(node=Scaled(weights=weights)) if len(weights) > 1:
                found.append((each, 0))
            case Compared(node=Term() as term):
                found += [(each, place) for place, leaves in enumerate(term.lists) if len(leaves) > 1]
                found += [(each, _SOURCE)] if len(term.sources) > 1 else []
                found += [(each, _TARGET)] if len(term.targets or ()) > 1 and each.target >= 0 else []
    return found


def other(old: Derivation, site: int, drawer: Drawer) -> Derivation | None:
    """A derivation with another alternative in one place; None where it doesn't go with the rest."""
    rng = drawer.rng
    match old:
        case Picked(node, place, inner):
            new, option = pick(rng, [each for each in node.live if each[0] != place])
            return Picked(node, new, _kept(option, inner, drawer))
        case Weighed(node, place, inner):
            new = pick(rng, [each for each in range(len(node.weights)) if each != place])
            return Weighed(node, new, inner)
        case Compared(node, word, source, _, target, _):
            picks = list(word.picks)
            if site == _SOURCE:
                source = _near(node.sources, source, drawer)
            elif site == _TARGET:
                target = _near(node.targets or (), target, drawer)
            else:
                picks[site] = pick(rng, [p for p in range(len(node.lists[site])) if p != picks[site]])
            return _taken(node, tuple(picks), source, target, old, drawer)
    return None


def _kept(node: Node, old: Derivation, drawer: Drawer) -> Derivation:
    """A new derivation that takes over parts of the old one from the same places, in order."""
    kept: dict[int, list[Derivation]] = {}
    for each in all_within(old):
        kept.setdefault(each.node.place, []).append(each)

    def of(each: Node) -> Derivation:
        if known := kept.get(each.place):
            return follow(each, known.pop(pick(drawer.rng, range(len(known)))), drawer)
        match each:
            case Pick():
                place, option = pick(drawer.rng, each.live)
                return Picked(each, place, of(option))
            case Scaled(weights=weights, body=body):
                return Weighed(each, pick(drawer.rng, range(len(weights))), of(body))
            case Sum(parts=parts):
                return Added(each, tuple(map(of, parts)))
        return drawer.draw(each)

    return of(node)


def _followed(node: Term, old: Compared, drawer: Drawer) -> Compared | None:
    if old.source >= len(node.sources) or old.target >= len(node.targets or ()):
        return None
    return _taken(node, old.word.picks, old.source, old.target, old, drawer)


def _taken(
    node: Term, picks: tuple[int, ...], source: int, target: int, old: Compared, drawer: Drawer
) -> Compared | None:
    """A comparison of these alternatives with the elements of the old one, if they go together."""
    word = node.fitting(picks, source, target)
    if word is None:
        return None
    mask = _moved(node.sources[source], old.node.sources[old.source], old.source_mask, SOURCE, drawer)
    there = 0
    if node.targets is not None and old.node.targets is not None:
        there = _moved(node.targets[target], old.node.targets[old.target], old.target_mask, TARGET, drawer)
    if not drawer.layouts.source.allows(mask) or (target >= 0 and not drawer.layouts.target.allows(there)):
        return None
    return Compared(node, word, source, mask, target, there)


def _moved(new: Cube, old: Cube, mask: int, side: str, drawer: Drawer) -> int:
    """What the new cube allows stays, what the old one had no place for is drawn."""
    return new.low | mask & new.high | drawer.masked(new.may & ~old.high, side)


def _near(cubes: tuple[Cube, ...], place: int, drawer: Drawer) -> int:
    """Another cube: one that has as many alternatives in common as can be, or any."""
    others = [each for each, cube in enumerate(cubes) if each != place and cube.valid]
    if not others:
        return place
    path = cubes[place].path
    if not path or drawer.rng.random() < 0.25:
        return pick(drawer.rng, others)
    left = set(path) - {pick(drawer.rng, path)}
    shared = [len(left.intersection(cubes[each].path)) for each in others]
    most = max(shared)
    return pick(drawer.rng, [each for each, common in zip(others, shared, strict=True) if common == most])

"""Shared heads in canonical form: which terms share a head counts, what it is called does not.

The terms of a loss fall into blocks, one a shared head. Blocks are ordered by what is in them, terms by their
print without names and then by their block, and names are given in that order. So two losses that differ in
the names, or in the order of their terms, get the same form.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TypeAlias

from a2ls_dsl.lang.ast import Call, Comparison, Loss, Ref, Schedule, Weight, Weighted
from a2ls_dsl.lang.printer import print_term
from a2ls_dsl.words.language import PREDICTOR

_TermKey: TypeAlias = tuple[str, tuple[float, ...]]


def shared_names(term: Comparison | Ref) -> list[str]:
    """The names that a comparison's heads have behind `as`."""
    options = term.options if isinstance(term, Comparison) else ()
    return [option.shared for option in options if option.shared]


def named_apart(loss: Loss, place: int) -> Loss:
    """A loss whose heads have names that no other part has: a head's name counts in its definition only."""
    if not any(shared_names(each.term) for each in loss.terms):
        return loss
    return Loss(tuple(_renamed(each, lambda name: f"{place}.{name}") for each in loss.terms))


def ordered_terms(terms: Iterable[Weighted]) -> tuple[Weighted, ...]:
    """Terms in canonical order; heads that only one term names lose their name, the others get h1, h2, ..."""
    given = list(terms)
    uses = Counter(name for each in given for name in shared_names(each.term))
    if not uses:
        return tuple(sorted(given, key=_key))
    given = [_renamed(each, lambda name: name if uses[name] > 1 else None) for each in given]
    keys = [_key(_renamed(each, lambda name: "h")) for each in given]
    contents: dict[str, list[_TermKey]] = {}
    for each, key in zip(given, keys, strict=True):
        for name in shared_names(each.term):
            contents.setdefault(name, []).append(key)
    blocks = sorted(contents, key=lambda name: sorted(contents[name]))
    ranks = {name: rank for rank, name in enumerate(blocks, start=1)}

    def order(place: int) -> tuple[_TermKey, int]:
        return keys[place], max((ranks[name] for name in shared_names(given[place].term)), default=0)

    ranked = [given[place] for place in sorted(range(len(given)), key=order)]
    names: dict[str, str] = {}
    for each in ranked:
        for name in shared_names(each.term):
            names.setdefault(name, f"h{len(names) + 1}")
    return tuple(_renamed(each, names.get) for each in ranked)


def _key(weighted: Weighted) -> _TermKey:
    return print_term(weighted.term), _numbers(weighted.weight)


def _numbers(weight: Weight) -> tuple[float, ...]:
    return (weight.start, weight.end, weight.frames) if isinstance(weight, Schedule) else (weight,)


def _renamed(weighted: Weighted, rename: Callable[[str], str | None]) -> Weighted:
    term = weighted.term
    if not isinstance(term, Comparison) or not shared_names(term):
        return weighted
    options = [replace(each, shared=rename(each.shared)) if each.shared else each for each in term.options]
    # Without its name, the default head says nothing.
    kept = tuple(each for each in options if each.shared or each.value != Call(PREDICTOR))
    return replace(weighted, term=replace(term, options=kept))

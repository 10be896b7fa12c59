"""The canonical form of a loss, and with it the loss' identity.

Canonical means: references replaced by what they name, nested weights multiplied out, the elements of every
set sorted (s, a, r, then time) and free of repetition, the terms of a sum sorted by their print. A view is a
new draw each time it is called, so repeated views stay.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from a2ls_dsl.lang.ast import Comparison, Element, Loss, Ref, Weighted
from a2ls_dsl.lang.printer import print_loss, print_term


def canonical(loss: Loss, scope: Mapping[str, Loss] | None = None) -> Loss:
    """The canonical form of `loss`; `scope` maps the names it refers to onto canonical losses."""
    terms: list[Weighted] = []
    for weighted in loss.terms:
        if isinstance(weighted.term, Ref):
            inner = (scope or {})[weighted.term.name]
            terms += [Weighted(weighted.weight * each.weight, each.term) for each in inner.terms]
        else:
            terms.append(Weighted(float(weighted.weight), canonical_comparison(weighted.term)))
    return Loss(tuple(sorted(terms, key=lambda each: (print_term(each.term), each.weight))))


def canonical_comparison(term: Comparison) -> Comparison:
    return Comparison(
        term.operator, canonical_set(term.source), canonical_set(term.target), term.against_batch
    )


def canonical_set(elements: Iterable[Element]) -> tuple[Element, ...]:
    """Elements in canonical order; the same tensor named twice is one element."""
    plain, views = set(), []
    for element in elements:
        bare = Element(element.stream, element.offset, element.view)
        if bare.view is None:
            plain.add(bare)
        else:
            views.append(bare)
    # Views stand behind all plain elements of their stream, so that both kinds can print as runs.
    return tuple(sorted([*plain, *views], key=lambda element: element.order))


def comparisons(loss: Loss) -> tuple[tuple[float, Comparison], ...]:
    """The weights and comparisons of a loss without references."""
    return tuple(
        (weighted.weight, weighted.term) for weighted in loss.terms if isinstance(weighted.term, Comparison)
    )


def single(comparison: Comparison) -> Loss:
    """The canonical loss that consists of one comparison with weight 1."""
    return Loss((Weighted(1.0, canonical_comparison(comparison)),))


def key(loss: Loss) -> str:
    """32 hexadecimal digits that name a canonical loss: a hash of its print."""
    return hashlib.sha256(print_loss(loss).encode()).hexdigest()[:32]

"""Typical losses of a search, by which its memory is estimated before there are any."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from a2ls_dsl.lang.grammar import Grammar
from a2ls_dsl.lang.syntax.printer import stream_of
from a2ls_dsl.lang.syntax.tree import Comparison, Loss
from a2ls_dsl.search.candidates import parsed, references
from a2ls_dsl.words.language import Stream

EXPECTED = 4  # losses that represent those to come
DRAWN = 64  # losses that they are chosen from


def expected_losses(grammar: Grammar, seed: int, slots: int) -> list[Loss | None]:
    """Losses such as a search may train, references included, to estimate its memory."""
    rng = np.random.default_rng(seed)
    drawn = [grammar.sample(rng) for _ in range(DRAWN)]
    chosen = such_as(drawn, min(slots, EXPECTED))
    return [*chosen, *(parsed(reference.text) for reference in references())]


def such_as(drawn: Sequence[Loss], count: int) -> list[Loss]:
    """Some losses that represent many, by how many states they name: a random choice would be too uneven.

    The one with the most states, and those that divide the others into equal parts; this rather overestimates
    the mean.
    """
    ordered = sorted(drawn, key=states)
    return [ordered[(number + 1) * len(ordered) // count - 1] for number in range(count)]


def states(loss: Loss) -> int:
    """How many states a loss names."""
    items = (item for term in loss.terms if isinstance(term.term, Comparison) for item in term.term.items)
    return sum(stream_of(item) is Stream.STATE for item in items)

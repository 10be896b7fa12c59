"""Which losses a search will train, on average: what it counts memory with before there are any."""

from __future__ import annotations

from collections.abc import Sequence

from a2ls_dsl.lang.syntax.printer import stream_of
from a2ls_dsl.lang.syntax.tree import Comparison, Loss
from a2ls_dsl.words.language import Stream


def such_as(drawn: Sequence[Loss], count: int) -> list[Loss]:
    """Some losses that stand for many, by how many states they name: as many at random tell too little.

    The one with the most, and those that divide the others into equal parts: on average rather too many.
    """
    ordered = sorted(drawn, key=states)
    return [ordered[(number + 1) * len(ordered) // count - 1] for number in range(count)]


def states(loss: Loss) -> int:
    """How many states a loss names."""
    items = (item for each in loss.terms if isinstance(each.term, Comparison) for item in each.term.items)
    return sum(stream_of(item) is Stream.STATE for item in items)

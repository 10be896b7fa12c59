"""Losses as numbers, for models of their scores: patterns, and a bag of everything that a loss is made of.

Nothing here depends on a grammar. A canonical loss is counted by its parts (operators, weights, options,
elements with their steps, functions by side): the distance of two losses is the difference of these counts,
which in the space of A2LS is the Hamming distance of their sets.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from a2ls_dsl.lang.rules.canonical import comparisons
from a2ls_dsl.lang.syntax.printer import print_option, print_weight
from a2ls_dsl.lang.syntax.tree import Element, Item, Loss, Return, Rollout
from a2ls_dsl.search.patterns import features_of_loss
from a2ls_dsl.words.language import Stream

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Features:
    """Features of losses, one row each. patterns: those of the report; bag: how often a loss has each
    part."""

    patterns: Matrix
    bag: Matrix

    def first(self, n: int) -> Features:
        """The features of the first `n` losses."""
        return Features(self.patterns[:n], self.bag[:n])


def features_of(losses: Sequence[Loss]) -> Features:
    """The features of losses that are compared with each other."""
    bags = [parts(loss) for loss in losses]
    columns = {name: place for place, name in enumerate(sorted(set[str]().union(*bags)))}
    bag = np.zeros((len(losses), len(columns)))
    for row, counts in enumerate(bags):
        for name, number in counts.items():
            bag[row, columns[name]] = number
    patterns = [list(features_of_loss(loss).values()) for loss in losses]
    return Features(np.array(patterns, dtype=float).reshape(len(losses), -1), bag)


def parts(loss: Loss) -> Counter[str]:
    """The parts of a canonical loss and their counts: `operator mse`, `source s[2]`, `target ema of s`."""
    counts: Counter[str] = Counter()
    for weight, term in comparisons(loss):
        counts[f"weight {print_weight(weight)}"] += 1
        counts[f"operator {term.operator}"] += 1
        counts["against batch"] += term.against_batch
        counts.update(f"option {print_option(option)}" for option in term.options)
        for side, items in (("source", term.source), ("target", term.target)):
            for item in items:
                counts.update(f"{side} {name}" for name in _item(item))
    return counts


def _item(item: Item) -> list[str]:
    match item:
        case Element():
            return _element(item)
        case Rollout(start, first, length):
            last = first + length - item.visited
            actions = [_step(Stream.ACTION, step) for step in range(first, last)]
            return [item.name, *_element(start), *actions]
        case Return(first, last, bootstrap, discount):
            rewards = [_step(Stream.REWARD, step) for step in range(first, last + 1)]
            return ["return", f"discount {discount}", *rewards, *(_element(bootstrap) if bootstrap else [])]


def _element(element: Element) -> list[str]:
    calls = [f"{call.key} of {element.stream.value}" for call in element.calls]
    return [*(_step(element.stream, step) for step in range(element.offset, element.last + 1)), *calls]


def _step(stream: Stream, offset: int) -> str:
    return f"{stream.value}[{offset}]"

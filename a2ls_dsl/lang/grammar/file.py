"""A loss grammar as a whole: its rules by name, in which order they can be read, its parameters' values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from graphlib import TopologicalSorter
from itertools import product
from typing import TypeVar

from a2ls_dsl.lang.syntax import surface

T = TypeVar("T")


@dataclass(frozen=True)
class GrammarFile:
    """A whole grammar; rules and other lines in the order they were written."""

    name: surface.Name
    horizons: tuple[surface.Horizon, ...]
    rules: tuple[surface.Equation, ...]
    requires: tuple[surface.Require, ...]
    bounds: tuple[surface.Bound, ...]

    @staticmethod
    def of(header: surface.Header, lines: Iterable[surface.Statement]) -> GrammarFile:
        """A file with these lines, rules and others."""

        def those(kind: type[T]) -> tuple[T, ...]:
            return tuple(line for line in lines if isinstance(line, kind))

        return GrammarFile(
            header.name,
            header.horizons,
            those(surface.Equation),
            those(surface.Require),
            those(surface.Bound),
        )

    @property
    def size(self) -> int:
        """The number of combinations of the parameters' values; a grammar without any is expanded once."""
        total = 1
        for given in self.horizons:
            total *= max(0, given.last - given.first + 1)
        return total

    def bindings(self) -> Iterator[dict[str, int]]:
        """Every combination of the parameters' values, the last parameter changing fastest."""
        names = [given.parameter.text for given in self.horizons]
        for values in product(*(range(given.first, given.last + 1) for given in self.horizons)):
            yield dict(zip(names, values, strict=True))

    def corners(self) -> Iterator[dict[str, int]]:
        """The combinations of first and last values: steps are linear, so these tell about all between."""
        names = [given.parameter.text for given in self.horizons]
        for values in product(*(dict.fromkeys((given.first, given.last)) for given in self.horizons)):
            yield dict(zip(names, values, strict=True))

    @cached_property
    def by_name(self) -> dict[str, surface.Equation]:
        """The rules by name; of two with one name the first."""
        return {rule.name.text: rule for rule in reversed(self.rules)}

    def ordered(self) -> list[str]:
        """The rules' names, each behind all that it refers to but bounded rules. Raises CycleError."""
        bounded = {bound.rule.text for bound in self.bounds}
        unbounded = self.by_name.keys() - bounded
        graph = {
            name: [use.text for use in surface.names_in(rule.body) if use.text in unbounded]
            for name, rule in self.by_name.items()
        }
        return list(TopologicalSorter(graph).static_order())

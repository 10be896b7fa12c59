"""The set of losses that a grammar stands for: how many, which, and whether a loss is one of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Self, TypeAlias

from a2ls_dsl.diagnostics import A2lError, Diagnostic, unknown
from a2ls_dsl.lang.grammar.comparison import leaves_of
from a2ls_dsl.lang.grammar.distinct import distinct, listed
from a2ls_dsl.lang.grammar.sets import Kind, Layouts
from a2ls_dsl.lang.grammar.space import Derivation, Search, Space, Terms
from a2ls_dsl.lang.rules.canonical import canonical
from a2ls_dsl.lang.syntax.printer import print_loss
from a2ls_dsl.lang.syntax.tree import Comparison, Loss
from a2ls_dsl.words.registry import operators as known_operators

Root: TypeAlias = tuple[dict[str, int], Space]
"""What the rule `loss` stands for with these values of the grammar's parameters."""

REMEMBERED = 1000
"""Of how many losses a grammar remembers how it produces them: a search asks again for every child."""


@dataclass(frozen=True)
class Filter:
    """The part of a grammar, or of its part `of`, whose comparisons have these operators and negatives.

    None: any.
    """

    operators: tuple[str, ...] | None = None
    against_batch: bool | None = None
    of: Filter | None = None

    def holds(self, kind: Kind) -> bool:
        """Whether comparisons of a kind belong to the part."""
        operator, against, _ = kind
        fits = self.operators is None or operator in self.operators
        fits = fits and self.against_batch in (None, against)
        return fits and (self.of is None or self.of.holds(kind))


@dataclass(frozen=True)
class LossSet:
    """A finite set of losses: the union of its roots. All losses that are given back are canonical.

    text: the grammar without comments and layout, which is what two equal grammars have in common.
    """

    name: str
    text: str
    only: Filter
    layouts: Layouts = field(compare=False, repr=False)
    roots: tuple[Root, ...] = field(compare=False, repr=False)
    rebuild: Callable[[Filter], tuple[Layouts, tuple[Root, ...]]] = field(compare=False, repr=False)
    warnings: tuple[Diagnostic, ...] = field(default=(), compare=False, repr=False)

    def derivations(self) -> int:
        """The ways to derive a loss, before the `require` lines; ambiguity counts.

        For the space of He et al. 2022: 10 * sum over k = 1..10 of 2^(6 (k+1)) = 749581981407880192000.
        """
        return sum(root.total for _, root in self.roots)

    def valid_derivations(self) -> int:
        """The derivations of losses that keep the `require` lines."""
        return sum(root.valid for _, root in self.roots)

    def count(self) -> int:
        """The number of distinct losses. Raises `A2lError` where only `bounds` are known."""
        least, greatest = self.bounds()
        if least != greatest:
            raise A2lError(
                f"how many losses of {self.name} are distinct is not known: from {least} to {greatest}",
                "the number of derivations is exact",
            )
        return least

    def bounds(self) -> tuple[int, int]:
        """The least and the greatest number of distinct losses that there can be; equal where it is known.

        It is known for grammars of single comparisons, short of very tangled ones, for sums of terms that
        are each the same or have no loss in common, and for whatever is small enough to list.
        """
        return self._bounds

    def enumerate(self) -> Iterator[Loss]:
        """Every distinct loss once. Lazy, but losses with several terms are remembered on the way."""
        return listed([root for _, root in self.live], self.layouts)

    def largest(self) -> list[Loss]:
        """Losses with all optional elements and terms, each alternative in one of them at least.

        What holds each of these holds every loss of the grammar, as far as it is about sizes and kinds.
        """
        # Sets grow or shrink evenly with a parameter, so the largest are those of its first or last value.
        ends = [{binding[name] for binding, _ in self.live} for name in self.live[0][0]]
        corners = [
            root
            for binding, root in self.live
            if all(value in (min(end), max(end)) for value, end in zip(binding.values(), ends, strict=True))
        ]
        chosen = corners or [root for _, root in self.live]
        return list(dict.fromkeys(derivation.loss() for root in chosen for derivation in root.largest()))

    def contains(self, loss: Loss) -> bool:
        """Whether the grammar can produce a loss."""
        return self._located(loss) is not None

    def horizon_of(self, loss: Loss) -> dict[str, int] | None:
        """The first values of the parameters for which the grammar produces a loss; None if for none."""
        located = self._located(loss)
        return None if located is None else self.live[located[0]][0]

    def restricted(self, operators: Collection[str] | None = None, against_batch: bool | None = None) -> Self:
        """The part of the space in which every comparison has these operators, with or without negatives.

        Raises if it is empty.
        """
        for operator in operators or ():
            if operator not in known_operators:
                raise unknown("operator", operator, known_operators)
        only = Filter(None if operators is None else tuple(operators), against_batch, self.only)
        layouts, roots = self.rebuild(only)
        part = type(self)(self.name, self.text, only, layouts, roots, self.rebuild, self.warnings)
        if not part.live:
            have = [f"{name} against batch" if against else name for name, against in self.kinds]
            raise A2lError(
                f"no loss of the grammar {self.name} is of that operator and negatives",
                f"it has {', '.join(have)}",
            )
        return part

    @cached_property
    def live(self) -> tuple[Root, ...]:
        """The roots that hold a loss."""
        return tuple((binding, root) for binding, root in self.roots if root.valid)

    @cached_property
    def kinds(self) -> tuple[tuple[str, bool], ...]:
        """The operators of the grammar's comparisons, with and without negatives."""
        kinds = {kind[:2]: None for _, root in self.live for leaf in leaves_of(root) for kind in leaf.kinds}
        return tuple(kinds)

    @cached_property
    def _bounds(self) -> tuple[int, int]:
        return distinct([root for _, root in self.live], self.layouts)

    def _located(self, loss: Loss) -> tuple[int, Derivation] | None:
        """A derivation of a loss and the number of its root; None if the loss is not in the set."""
        # What a search hands in is canonical already; only what isn't found is looked at twice.
        if (located := self._searched(loss)) is None and (tried := _canonical(loss)) not in (None, loss):
            located = self._searched(tried)
        return located

    @cached_property
    def _searched(self) -> Callable[[Loss], tuple[int, Derivation] | None]:
        return lru_cache(REMEMBERED)(self._search)

    def _search(self, loss: Loss) -> tuple[int, Derivation] | None:
        if terms := self._encoded(loss):
            for number, (_, root) in enumerate(self.live):
                least, greatest = root.lengths
                if least <= len(terms) <= greatest and (derivation := Search(terms).derivation(root)):
                    return number, derivation
        return None

    def _encoded(self, loss: Loss) -> Terms | None:
        """The terms of a canonical loss as masks; None if one holds what no loss of the grammar does."""
        terms: Terms = []
        for weighted in loss.terms:
            if not isinstance(weighted.term, Comparison):
                return None
            if (masks := self.layouts.encode(weighted.term)) is None:
                return None
            terms.append((weighted.weight, weighted.term, masks))
        return terms

    def _inside(self, loss: Loss) -> tuple[int, Derivation]:
        located = self._located(loss)
        if located is None:
            raise A2lError(
                f"the loss `{print_loss(loss)}` is not in the grammar {self.name}",
                "`a2l grammar contains` tells which losses of a file are",
            )
        return located


def _canonical(loss: Loss) -> Loss | None:
    terms = [weighted for weighted in loss.terms if isinstance(weighted.term, Comparison)]
    return canonical(Loss(tuple(terms))) if len(terms) == len(loss.terms) else None

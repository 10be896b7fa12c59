"""Walking in a search space: fresh losses, mutations, crossover, as in the evolution of He et al. 2022.

Every result is canonical, in the grammar and keeps its `require` lines. A proposal that breaks one is thrown
away and drawn again, as in the paper. Results depend on nothing but the arguments and the generator's state.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.lang.ast import Loss
from a2ls_dsl.lang.grammar.derive import (
    Added,
    Compared,
    Derivation,
    Picked,
    Weighed,
    all_within,
    replaced,
)
from a2ls_dsl.lang.grammar.draw import ATTEMPTS, Drawer, Prior, below, draw, pick
from a2ls_dsl.lang.grammar.space import Space
from a2ls_dsl.lang.grammar.transfer import follow, other, sites

if TYPE_CHECKING:
    from numpy.random import Generator


@dataclass(frozen=True)
class Grammar(Space):
    """A search space of losses: count it, list it, sample from it, walk in it."""

    def sample(self, rng: Generator, prior: Prior | None = None) -> Loss:
        """A fresh loss: values of the parameters, alternatives, each optional element with probability 1/2.

        When the requirements are hardly ever kept by chance, the elements that are missing are added.
        """
        if not all(0 <= rate <= 1 for rate in (prior or {}).values()):
            raise A2lError("a prior holds probabilities", "use numbers from 0 to 1")
        _, root = pick(rng, self.live)
        return self._loss(Drawer(self.layouts, rng, prior).draw(root))

    def sample_evenly(self, rng: Generator) -> Loss:
        """A loss of an evenly drawn derivation: of all that keep the `require` lines, each as probable.

        Large parts of a grammar come up more often than small ones: long horizons, many terms.
        """
        number = below(rng, self.valid_derivations())
        for _, root in self.live:
            if number < root.valid:
                return self._loss(Drawer(self.layouts, rng).even(root))
            number -= root.valid
        raise ValueError("the numbers of derivations add up")

    def replace(self, loss: Loss, rng: Generator, rate: float | None = None) -> Loss:
        """Puts each optional element in, or takes it out, with probability `rate`; may give the loss itself.

        By default one element changes on average; in the paper's space that is its 1 / (2 (3k + 3)).
        """
        _, derivation = self._inside(loss)
        compared = [each for each in all_within(derivation) if isinstance(each, Compared)]
        optional = sum(source.bit_count() + target.bit_count() for source, target in map(_may, compared))
        chance = 1 / max(1, optional) if rate is None else rate
        if not optional:
            return self._loss(derivation)
        for _ in range(ATTEMPTS):
            found: Derivation | None = derivation
            for each in compared:
                source, target = _may(each)
                flipped = replace(
                    each,
                    source_mask=each.source_mask ^ draw(rng, source, chance),
                    target_mask=each.target_mask ^ draw(rng, target, chance),
                )
                found = replaced(found, each, flipped) if found and self._keeps(flipped) else None
            if found:
                return self._loss(found)
        return self._loss(derivation)

    def change_horizon(self, loss: Loss, rng: Generator) -> Loss:
        """One parameter, one less or one more: as a rule the last step is dropped or a random one appended.

        The loss itself if the grammar allows neither.
        """
        number, derivation = self._inside(loss)
        here = self.live[number][0]
        others = [
            root
            for binding, root in self.live
            if sum(abs(value - here[name]) for name, value in binding.items()) == 1
        ]
        if not others:
            return self._loss(derivation)
        return self._loss(follow(pick(rng, others), derivation, Drawer(self.layouts, rng)))

    def change_alternative(self, loss: Loss, rng: Generator) -> Loss:
        """Takes another alternative in one place, e.g. another operator, weight, view or number of terms.

        Elements and terms that it allows, too, stay; what only it has is drawn. Without any the loss itself.
        """
        _, derivation = self._inside(loss)
        return self._loss(self._otherwise(derivation, rng))

    def regrow(self, loss: Loss, rng: Generator) -> Loss:
        """Draws one part anew: a term, a weighted term, a sum, or all of the loss."""
        _, derivation = self._inside(loss)
        part = pick(rng, list(all_within(derivation)))
        return self._loss(replaced(derivation, part, Drawer(self.layouts, rng).draw(part.node)))

    def crossover(self, a: Loss, b: Loss, rng: Generator) -> Loss:
        """Each part as in `a` or as in `b`; of comparisons, each optional element with equal probability.

        Parents of equal parameters give the child the alternatives of either; otherwise it has those of `a`,
        and of `b` it takes what they allow. The child may equal a parent.
        """
        (number_a, mine), (number_b, theirs) = self._inside(a), self._inside(b)
        return self._loss(self._mixed(mine, theirs, number_a == number_b, rng))

    def graft(self, a: Loss, b: Loss, rng: Generator) -> Loss:
        """Puts a part of `b` where `a` has one from the same place of the grammar; `a` if there is none."""
        (_, mine), (_, theirs) = self._inside(a), self._inside(b)
        parts: dict[int, list[Derivation]] = {}
        for each in list(all_within(theirs))[1:]:
            parts.setdefault(each.node.place, []).append(each)
        places = [each for each in all_within(mine) if each is not mine and each.node.place in parts]
        if not places:
            return self._loss(mine)
        place = pick(rng, places)
        given = pick(rng, parts[place.node.place])
        return self._loss(replaced(mine, place, follow(place.node, given, Drawer(self.layouts, rng))))

    def mutate(self, loss: Loss, rng: Generator) -> Loss:
        """A loss near by: mostly `replace`, sometimes other parameters, another alternative, a part anew.

        Never the loss itself, unless nothing else was found.
        """
        _, derivation = self._inside(loss)
        child = parent = self._loss(derivation)
        moves = _MIX
        compared = [each for each in all_within(derivation) if isinstance(each, Compared)]
        if not any(map(any, map(_may, compared))):
            moves = tuple(move for move in moves if move is not Grammar.replace)
        if len(self.live) == 1:
            moves = tuple(move for move in moves if move is not Grammar.change_horizon)
        if not isinstance(derivation, Compared):
            moves = (*moves, Grammar.regrow)
        for _ in range(ATTEMPTS):
            child = pick(rng, moves)(self, parent, rng)
            if child != parent:
                break
        return child

    def _keeps(self, each: Compared) -> bool:
        return self.layouts.source.allows(each.source_mask) and (
            each.target < 0 or self.layouts.target.allows(each.target_mask)
        )

    def _otherwise(self, derivation: Derivation, rng: Generator) -> Derivation:
        places = sites(derivation)
        drawer = Drawer(self.layouts, rng)
        for _ in range(ATTEMPTS if places else 0):
            old, site = pick(rng, places)
            new = other(old, site, drawer)
            if new is not None and (not isinstance(new, Compared) or self._keeps(new)):
                return replaced(derivation, old, new)
        return derivation

    def _mixed(self, a: Derivation, b: Derivation, equal: bool, rng: Generator) -> Derivation:
        """`a` and `b` from one node, or from the same place for other parameters."""
        drawer = Drawer(self.layouts, rng)
        if a.node.place != b.node.place:
            return a
        match a, b:
            case Compared(), Compared():
                return self._bred(a, b, equal, rng)
            case Picked(node, place, inner), Picked(_, other_place, other_inner):
                if place == other_place:
                    return Picked(node, place, self._mixed(inner, other_inner, equal, rng))
                return a if rng.random() < 0.5 else follow(node, b, drawer)
            case Weighed(node, place, inner), Weighed(_, other_place, other_inner):
                weight = place if rng.random() < 0.5 else other_place
                return Weighed(node, weight, self._mixed(inner, other_inner, equal, rng))
            case Added(node, parts), Added(_, other_parts) if len(parts) == len(other_parts):
                pairs = zip(parts, other_parts, strict=True)
                return Added(node, tuple(self._mixed(x, y, equal, rng) for x, y in pairs))
        return a

    def _bred(self, a: Compared, b: Compared, equal: bool, rng: Generator) -> Derivation:
        for _ in range(ATTEMPTS):
            form = pick(rng, (a, b)) if equal else a
            source, target = _may(form)
            from_a, more = draw(rng, source, 0.5), draw(rng, target, 0.5)
            lows = form.node.sources[form.source].low, _target_low(form)
            child = replace(
                form,
                source_mask=lows[0] | a.source_mask & from_a | b.source_mask & source & ~from_a,
                target_mask=lows[1] | a.target_mask & more | b.target_mask & target & ~more,
            )
            if self._keeps(child):
                return child
        return a


_MIX: tuple[Callable[[Grammar, Loss, Generator], Loss], ...] = (
    *(5 * [Grammar.replace]),
    Grammar.change_horizon,
    Grammar.change_alternative,
)
"""The paper's evolution replaces elements five times as often as it changes the horizon."""


def _may(each: Compared) -> tuple[int, int]:
    """The optional elements of both sides."""
    target = each.node.targets[each.target].may if each.node.targets and each.target >= 0 else 0
    return each.node.sources[each.source].may, target


def _target_low(each: Compared) -> int:
    return each.node.targets[each.target].low if each.node.targets and each.target >= 0 else 0


__all__ = ["Grammar", "Prior", "pick"]

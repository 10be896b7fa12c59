"""Walking in a search space: fresh losses, mutations, crossover, as in the evolution of He et al. 2022.

Every result is canonical, in the grammar and keeps its `require` lines. A proposal that breaks one is thrown
away and drawn again, as in the paper. Results depend on nothing but the arguments and the generator's state.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.lang.ast import Loss, Stream
from a2ls_dsl.lang.grammar.forms import Form, split
from a2ls_dsl.lang.grammar.space import Space

if TYPE_CHECKING:
    from numpy.random import Generator

ATTEMPTS = 100
"""How often a proposal that breaks a requirement is drawn again."""

Prior: TypeAlias = Mapping[tuple[str, Stream], float]
"""How probable an optional element is, by side (`source`, `target`) and stream; 1/2 where nothing is said."""

Proposal: TypeAlias = tuple[Form, int]
"""A form and the mask of one of its losses, which may still break a requirement."""

T = TypeVar("T")


@dataclass(frozen=True)
class Grammar(Space):
    """A search space of losses: count it, list it, sample from it, walk in it."""

    def sample(self, rng: Generator, prior: Prior | None = None) -> Loss:
        """A fresh loss: a horizon, a form of that horizon, each optional element with probability 1/2.

        When the requirements are hardly ever kept by chance, the elements that are missing are added.
        """
        rates = [(mask, (prior or {}).get((side, s), 0.5)) for side, s, mask in self.layout.columns]
        if not all(0 <= rate <= 1 for _, rate in rates):
            raise A2lError("a prior holds probabilities", "use numbers from 0 to 1")

        def propose() -> Proposal:
            form = pick(rng, pick(rng, self._horizons))
            return form, form.must | sum(draw(rng, form.may & mask, rate) for mask, rate in rates)

        found = self._first(propose)
        if found:
            return found
        form, mask = propose()
        for requirement in self.requirements:
            if not mask & requirement:
                mask |= pick(rng, tuple(split(form.may & requirement)))
        return self._decoded(form, mask)

    def replace(self, loss: Loss, rng: Generator, rate: float | None = None) -> Loss:
        """Puts each optional element in, or takes it out, with probability `rate`; may give the loss itself.

        By default one element changes on average; in the paper's space that is its 1 / (2 (3k + 3)).
        """
        form, mask = self._inside(loss)
        chance = 1 / max(1, form.may.bit_count()) if rate is None else rate
        return self._first(lambda: (form, mask ^ draw(rng, form.may, chance))) or self._decoded(form, mask)

    def change_horizon(self, loss: Loss, rng: Generator) -> Loss:
        """Drops the last step or appends a random one; the loss itself if the grammar allows neither."""
        form, mask = self._inside(loss)
        steps = (form.horizon - 1, form.horizon + 1)
        others = [self._places[step, form.choice] for step in steps if (step, form.choice) in self._places]
        return self._move(mask, form, others, rng)

    def change_alternative(self, loss: Loss, rng: Generator) -> Loss:
        """Takes other alternatives at the same horizon, e.g. another operator.

        Elements that these allow stay; those that only they allow are drawn. Without others the loss itself.
        """
        form, mask = self._inside(loss)
        peers = next(forms for forms in self._horizons if forms[0].horizon == form.horizon)
        return self._move(mask, form, [peer for peer in peers if peer.choice != form.choice], rng)

    def crossover(self, a: Loss, b: Loss, rng: Generator) -> Loss:
        """Each optional element as in `a` or as in `b`, with equal probability.

        Parents of equal horizon give the child the operator and the alternatives of either; otherwise it has
        those of `a`, and of `b` it takes what they allow. The child may equal a parent.
        """
        (form_a, mask_a), (form_b, mask_b) = self._inside(a), self._inside(b)
        either = (form_a, form_b) if form_a.horizon == form_b.horizon else (form_a,)

        def propose() -> Proposal:
            form = pick(rng, either)
            from_a = draw(rng, form.may, 0.5)
            return form, form.must | mask_a & from_a | mask_b & form.may & ~from_a

        return self._first(propose) or self._decoded(form_a, mask_a)

    def mutate(self, loss: Loss, rng: Generator) -> Loss:
        """A loss near by: mostly `replace`, sometimes another horizon or another alternative.

        Never the loss itself, unless nothing else was found.
        """
        child = parent = self._decoded(*self._inside(loss))
        for _ in range(ATTEMPTS):
            child = pick(rng, _MIX)(self, parent, rng)
            if child != parent:
                break
        return child

    def _move(self, mask: int, old: Form, others: Sequence[Form], rng: Generator) -> Loss:
        """To one of the other forms: what it allows stays, what the old one had no place for is drawn."""

        def propose() -> Proposal:
            new = pick(rng, others)
            low, high = new.cube
            return new, low | mask & high | draw(rng, new.may & ~old.cube[1], 0.5)

        return (self._first(propose) if others else None) or self._decoded(old, mask)

    def _first(self, propose: Callable[[], Proposal]) -> Loss | None:
        """The first proposal that keeps the requirements; None when luck runs out."""
        for _ in range(ATTEMPTS):
            form, mask = propose()
            if self.allows(mask):
                return self._decoded(form, mask)
        return None

    def _decoded(self, form: Form, mask: int) -> Loss:
        return self.layout.decode(form.operator, form.against_batch, mask)

    @cached_property
    def _horizons(self) -> tuple[tuple[Form, ...], ...]:
        """The live forms of each horizon."""
        groups: dict[int, list[Form]] = {}
        for form in self.live:
            groups.setdefault(form.horizon, []).append(form)
        return tuple(tuple(forms) for forms in groups.values())

    @cached_property
    def _places(self) -> dict[tuple[int, int], Form]:
        return {(form.horizon, form.choice): form for form in self.live}


_MIX = (*(5 * [Grammar.replace]), Grammar.change_horizon, Grammar.change_alternative)
"""The paper's evolution replaces elements five times as often as it changes the horizon."""


def pick(rng: Generator, choices: Sequence[T]) -> T:
    """One of several, each as probable as the others."""
    return choices[int(rng.integers(len(choices)))]


def draw(rng: Generator, bits: int, rate: float) -> int:
    """Each of the bits with probability `rate`."""
    each = tuple(split(bits))
    return sum(bit for bit, number in zip(each, rng.random(len(each)).tolist(), strict=True) if number < rate)

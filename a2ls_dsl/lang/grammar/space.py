"""The set of losses that a grammar stands for: how many, which, and whether a loss is one of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Self

from a2ls_dsl.diagnostics import A2lError, Diagnostic, unknown
from a2ls_dsl.lang.ast import Comparison, Loss
from a2ls_dsl.lang.grammar.counting import members, total_size, under, union_size
from a2ls_dsl.lang.grammar.forms import Form, Layout
from a2ls_dsl.lang.operators import PAPER_OPERATORS
from a2ls_dsl.lang.printer import print_loss


@dataclass(frozen=True)
class Space:
    """A finite union of forms, less the losses that break a requirement.

    Requirements are masks of which one element has to be there. A loss is one comparison of weight 1; all
    that are given or taken are canonical.
    """

    name: str
    layout: Layout
    forms: tuple[Form, ...]
    requirements: tuple[int, ...]
    warnings: tuple[Diagnostic, ...] = field(default=(), compare=False, repr=False)

    def derivations(self) -> int:
        """The ways to derive a loss, before the `require` lines; ambiguity counts.

        For the space of He et al. 2022: 10 * sum over k = 1..10 of 2^(6 (k+1)) = 749581981407880192000.
        """
        return total_size([form.cube for form in self.forms])

    def valid_derivations(self) -> int:
        """The derivations of losses that keep the `require` lines."""
        return under(self.requirements, [form.cube for form in self.forms], total_size)

    def count(self) -> int:
        """The number of distinct losses. Exact, so it can take long for hundreds of tangled alternatives."""
        return sum(
            under(
                self.requirements,
                [form.cube for form in forms],
                lambda cubes: union_size(cubes, self.layout.bits),
            )
            for forms in self.kinds.values()
        )

    def enumerate(self) -> Iterator[Loss]:
        """Every distinct loss once: operator by operator, short horizons first. Lazy."""
        for (operator, against_batch), forms in self.kinds.items():
            cubes = [form.cube for form in forms]
            for mask in members(cubes, self.requirements, self.layout.digits):
                yield self.layout.decode(operator, against_batch, mask)

    def largest(self) -> list[Loss]:
        """The largest loss of each form, all its optional elements there: what has to fit if all are to."""
        return [
            self.layout.decode(form.operator, form.against_batch, form.must | form.may) for form in self.live
        ]

    def contains(self, loss: Loss) -> bool:
        """Whether the grammar can produce a loss."""
        return self.form_of(loss) is not None

    def form_of(self, loss: Loss) -> Form | None:
        """The form that a loss belongs to: of the smallest horizon, and there the first; None if of none."""
        located = self._locate(loss)
        return located[0] if located else None

    def restricted(self, operators: Collection[str] | None = None, against_batch: bool | None = None) -> Self:
        """The part of the space with these operators, with or without negatives. Raises if it is empty."""
        for operator in operators or ():
            if operator not in PAPER_OPERATORS:
                raise unknown("operator", operator, PAPER_OPERATORS)
        forms = tuple(
            form
            for form in self.forms
            if (operators is None or form.operator in operators)
            and (against_batch is None or form.against_batch == against_batch)
        )
        part = replace(self, forms=forms)
        if not part.live:
            have = ", ".join(f"{name} against batch" if against else name for name, against in self.kinds)
            raise A2lError(
                f"no loss of the grammar {self.name} is of that operator and negatives", f"it has {have}"
            )
        return part

    def allows(self, mask: int) -> bool:
        """Whether a mask keeps the `require` lines."""
        return all(mask & requirement for requirement in self.requirements)

    @cached_property
    def live(self) -> tuple[Form, ...]:
        """The forms that hold a loss: with all optional elements there, the requirements are kept."""
        return tuple(form for form in self.forms if self.allows(form.must | form.may))

    @cached_property
    def kinds(self) -> dict[tuple[str, bool], list[Form]]:
        """The live forms by operator and negatives; losses of different kinds are never equal."""
        kinds: dict[tuple[str, bool], list[Form]] = {}
        for form in self.live:
            kinds.setdefault(form.kind, []).append(form)
        return kinds

    def _locate(self, loss: Loss) -> tuple[Form, int] | None:
        """The form and the mask of a loss; None if it is not in the space."""
        if len(loss.terms) != 1 or loss.terms[0].weight != 1.0:
            return None
        term = loss.terms[0].term
        mask = self.layout.encode(term) if isinstance(term, Comparison) else None
        if mask is None or not isinstance(term, Comparison) or not self.allows(mask):
            return None
        forms = self.kinds.get((term.operator, term.against_batch), [])
        form = next((form for form in forms if form.holds(mask)), None)
        return (form, mask) if form else None

    def _inside(self, loss: Loss) -> tuple[Form, int]:
        located = self._locate(loss)
        if located is None:
            raise A2lError(
                f"the loss `{print_loss(loss)}` is not in the grammar {self.name}",
                "`a2l grammar contains` tells which losses of a file are",
            )
        return located

"""What an editor writes between the words of a loss file: horizons, and how wide the rows are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from a2ls_dsl.editor.hover import row
from a2ls_dsl.editor.project import Analysis
from a2ls_dsl.editor.words import LEGEND
from a2ls_dsl.lang.rules.canonical import canonical_comparison
from a2ls_dsl.lang.rules.types import steps
from a2ls_dsl.lang.syntax.tree import Comparison, Definition


@dataclass(frozen=True)
class Hint:
    """A text behind a character, and what it means."""

    at: int
    text: str
    meaning: str


def hints(analysis: Analysis) -> list[Hint]:
    """The horizon behind each name, the width of a row behind each set; none while there are errors."""
    unit = analysis.unit
    losses = unit.losses if unit else {}
    return [
        hint
        for definition in (unit.file.definitions if unit else ())
        if definition.name in losses and definition.name_span
        for hint in (
            Hint(
                definition.name_span.end,
                f"horizon {losses[definition.name].horizon}",
                "its windows have a step more",
            ),
            *_widths(definition),
        )
    ]


def _widths(definition: Definition) -> Iterator[Hint]:
    for weighted in definition.loss.terms:
        if isinstance(weighted.term, Comparison):
            rows = steps(canonical_comparison(weighted.term))[0]
            for side, items in zip(weighted.term.sides or (), rows, strict=False):
                yield Hint(side.end, row(items), f"numbers of a row: {LEGEND}, O numbers of an observation")

"""Where the checks put what they find."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from a2ls_dsl.diagnostics import Diagnostic, Fix, Source, Span
from a2ls_dsl.lang.codes import report

_FEW = 50
"""Until so many findings, names are compared with others to suggest one; nobody reads more suggestions."""


class Findings:
    """The diagnostics of the checks, beside the `earlier` ones of the parser."""

    def __init__(self, earlier: Sequence[Diagnostic] = ()) -> None:
        self.found: list[Diagnostic] = []
        self._earlier = sorted(diagnostic.span.start for diagnostic in earlier)

    @property
    def few(self) -> bool:
        """Whether there is time to look for a near name."""
        return len(self.found) < _FEW

    def note(self, code: str, message: str, span: Span | None, fix: str | Fix) -> None:
        """Add a diagnostic; its severity follows from its code."""
        self.found.append(report(code, message, place(span), fix))

    def damaged(self, where: Span | None) -> bool:
        """Whether an earlier diagnostic lies in this place."""
        if where is None:
            return False
        following = bisect_left(self._earlier, where.start)
        return following < len(self._earlier) and self._earlier[following] < where.end


def place(span: Span | None) -> Span:
    """A tree that was built rather than parsed has no places; its diagnostics point at nothing."""
    return span or Span(Source("<tree>", ""), 0, 0)


def head(span: Span | None, name: str) -> Span | None:
    """The name that a node begins with."""
    return span and Span(span.source, span.start, span.start + len(name))

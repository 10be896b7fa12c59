"""Every code that a loss file can earn, with the rule behind it. Errors lie below 100, warnings from 101."""

from __future__ import annotations

from a2ls_dsl.diagnostics import Diagnostic, Severity, Span

RULES: dict[str, str] = {
    # the file
    "A2L001": "a loss file has at most 1 MB",
    "A2L002": "a loss file holds at least one loss",
    "A2L003": "a loss file is written in letters, digits and + - * = , . ( ) [ ] { } # only",
    # syntax
    "A2L010": "a definition reads `loss NAME = TERM + TERM`, a term `operator({ source } -> { target })`",
    "A2L011": "every bracket is closed by its partner",
    "A2L012": "an element is a stream and a step in square brackets: s[t+1]",
    "A2L013": "an arrow `->` stands between the source and the target",
    "A2L014": "source and target stand in braces",
    "A2L015": "a definition begins with `loss NAME =`",
    "A2L016": "a run is two steps with two dots between them: a[t+1..t+3]",
    "A2L017": "negatives are asked for with `against batch`",
    "A2L018": "terms are added, each with its weight before it: 1.0 * a + 0.1 * b",
    # names
    "A2L021": "an operator is one of the known ones",
    "A2L022": "a stream is s, a or r",
    "A2L023": "a view is one of the known ones",
    "A2L024": "a view is taken of a state only",
    "A2L025": "a name is defined once",
    "A2L026": "a loss refers to losses defined earlier in its file",
    # values
    "A2L031": "steps start at t",
    "A2L032": "a step is t, or t plus a whole number",
    "A2L033": "an offset is at most 999",
    "A2L034": "a run goes forward in time",
    "A2L035": "source and target hold at least one element",
    "A2L036": "a source holds a state, or no gradient reaches the encoder",
    "A2L037": "a weight is a positive, finite number",
    "A2L038": "a file names at most 100,000 elements, references multiplied out",
    # warnings
    "A2L101": "an element of the source that is in the target too can be copied by the predictor",
    "A2L102": "an element is named once in a set",
}

FIRST_WARNING = 101

WARNINGS = tuple(code for code in RULES if int(code.removeprefix("A2L")) >= FIRST_WARNING)


def report(code: str, message: str, span: Span, fix: str = "") -> Diagnostic:
    """The diagnostic of a code in `RULES`; its severity follows from its number."""
    warning = int(code.removeprefix("A2L")) >= FIRST_WARNING
    return Diagnostic(code, message, span, fix, Severity.WARNING if warning else Severity.ERROR)

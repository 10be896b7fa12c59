"""Every finding about a `.a2g` file. Codes are never reused: scripts and the documentation name them."""

from __future__ import annotations

from a2ls_dsl.diagnostics import Diagnostic, Fix, Severity, Span

RULES: dict[str, str] = {
    "A2L201": "a grammar is a line `grammar NAME`, then rules `name = ...` and `require` lines",
    "A2L202": "a name in a rule is another rule's, an operator's or a function's",
    "A2L203": "a stream is s, a, r, o or done",
    "A2L204": "a function is one of the known ones, called on what it takes",
    "A2L205": "a step counts from t, in whole numbers and parameters",
    "A2L206": "a rule is defined once, a parameter given once",
    "A2L207": "operators, functions, words of the language and `t` keep their meaning",
    "A2L208": "there is a rule `loss`",
    "A2L209": "a rule that refers to itself, directly or through others, has a bound",
    "A2L210": "losses, operators, sets, functions and numbers stand each in their own place",
    "A2L211": "the range of the horizon holds a number",
    "A2L212": "no step lies before t, whatever the horizon",
    "A2L213": "steps and horizons are at most 999",
    "A2L214": "no run is empty, whatever the horizon",
    "A2L215": "`require` asks for a state, an action, a reward or an element in source or target",
    "A2L216": "the sets of a grammar have at most 100,000 forms: alternatives times horizons",
    "A2L217": "source and target can't be empty",
    "A2L218": "a loss can't lack a state that is encoded with gradient",
    "A2L219": "the `require` lines leave a loss",
    "A2L220": "the sets of a grammar hold at most 1,000,000 elements, all horizons together",
    "A2L221": "the parts of a comparison go together in one way at least",
    "A2L222": "a loss may be left out of a sum only",
    "A2L223": "an option is one that some operator has, given once",
    "A2L224": "weights, widths of heads and numbers of options are in their range",
    "A2L225": "`require at most` bounds a rule of losses that refers to itself",
    "A2L226": "the product of two schedules is none",
    # warnings
    "A2L251": "every rule is used",
}
"""The rule behind each code."""

WARNINGS = frozenset({"A2L251"})


def error(code: str, message: str, span: Span, fix: str | Fix = "") -> Diagnostic:
    """A finding that makes the grammar unusable."""
    return Diagnostic.of(code, message, span, fix, Severity.ERROR)


def warning(code: str, message: str, span: Span, fix: str | Fix = "") -> Diagnostic:
    """A finding that a user should know of, no more."""
    return Diagnostic.of(code, message, span, fix, Severity.WARNING)

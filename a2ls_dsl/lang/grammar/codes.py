"""Every finding about a `.a2g` file. Codes are never reused: scripts and the documentation name them."""

from __future__ import annotations

from a2ls_dsl.diagnostics import Diagnostic, Severity, Span

CODES = {
    "A2L201": "the text does not follow the syntax of loss grammars",
    "A2L202": "a name is neither a rule nor an operator",
    "A2L203": "a name in a set is no stream",
    "A2L204": "a view does not exist, or is called on something that is not a state",
    "A2L205": "a step does not count from t, or counts with an unknown parameter",
    "A2L206": "a rule is defined twice",
    "A2L207": "a name is reserved by the language",
    "A2L208": "there is no rule `loss`",
    "A2L209": "a rule refers to itself, directly or through others",
    "A2L210": "an expression stands where one of another kind belongs",
    "A2L211": "the range of the horizon is empty",
    "A2L212": "a step lies before t for some horizon",
    "A2L213": "a step or horizon lies beyond the largest offset",
    "A2L214": "a run of steps is empty for some horizon",
    "A2L215": "a `require` line names something unknown",
    "A2L216": "the grammar has too many forms",
    "A2L217": "a target may be empty",
    "A2L218": "a source may hold no state",
    "A2L219": "the `require` lines leave no loss at all",
    "A2L220": "the sets of a grammar hold too many elements, all horizons together",
    "A2L251": "warning: a rule is never used",
}
"""What each code stands for, in one sentence."""


def error(code: str, message: str, span: Span, fix: str = "") -> Diagnostic:
    """A finding that makes the grammar unusable."""
    return Diagnostic(code, message, span, fix)


def warning(code: str, message: str, span: Span, fix: str = "") -> Diagnostic:
    """A finding that a user should know of, no more."""
    return Diagnostic(code, message, span, fix, Severity.WARNING)

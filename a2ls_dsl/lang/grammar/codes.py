"""Every finding about a `.a2g` file. Codes are never reused: scripts and the documentation name them."""

from __future__ import annotations

from a2ls_dsl.diagnostics import Diagnostic, Fix, RuleTable, Severity, Span


class Rule(RuleTable):
    """The rules of loss grammars by name; the value of each is the code that users see."""

    SYNTAX = "A2L201", "a grammar is a line `grammar NAME`, then rules `name = ...` and `require` lines"
    NAME_UNKNOWN = "A2L202", "a name in a rule is another rule's, an operator's or a function's"
    STREAM_UNKNOWN = "A2L203", "a stream is s, a, r, o or done"
    FUNCTION = "A2L204", "a function is one of the known ones, called on what it takes"
    STEP = "A2L205", "a step counts from t, in whole numbers and parameters"
    NAME_TWICE = "A2L206", "a rule is defined once, a parameter given once"
    NAME_TAKEN = "A2L207", "operators, functions, words of the language and `t` keep their meaning"
    NO_LOSS = "A2L208", "there is a rule `loss`"
    RECURSION = "A2L209", "a rule that refers to itself, directly or through others, has a bound"
    KIND = "A2L210", "losses, operators, sets, functions and numbers stand each in their own place"
    HORIZON_EMPTY = "A2L211", "the range of the horizon holds a number"
    STEP_BEFORE_T = "A2L212", "no step lies before t, whatever the horizon"
    OFFSET = "A2L213", "steps and horizons are at most 999"
    RUN_EMPTY = "A2L214", "no run is empty, whatever the horizon"
    REQUIRE = "A2L215", "`require` asks for a state, an action, a reward or an element in source or target"
    FORMS = "A2L216", "the sets of a grammar have at most 100,000 forms: alternatives times horizons"
    SIDE_EMPTY = "A2L217", "source and target can't be empty"
    NO_GRADIENT = "A2L218", "a loss can't lack a state that is encoded with gradient"
    NOTHING_LEFT = "A2L219", "the `require` lines leave a loss"
    ELEMENTS = "A2L220", "the sets of a grammar hold at most 1,000,000 elements, all horizons together"
    NOTHING_FITS = "A2L221", "the parts of a comparison go together in one way at least"
    OPTIONAL_LOSS = "A2L222", "a loss may be left out of a sum only"
    OPTION = "A2L223", "an option is one that some operator has, given once"
    NUMBER_RANGE = "A2L224", "weights, widths of heads and numbers of options are in their range"
    BOUND = "A2L225", "`require at most` bounds a rule of losses that refers to itself"
    SCHEDULE_PRODUCT = "A2L226", "the product of two schedules is none"
    # warnings
    RULE_UNUSED = "A2L251", "every rule is used"


RULES: dict[str, str] = {rule: rule.text for rule in Rule}
"""The rule behind each code."""

WARNINGS = frozenset({Rule.RULE_UNUSED})


def error(code: str, message: str, span: Span, fix: str | Fix = "") -> Diagnostic:
    """A finding that makes the grammar unusable."""
    return Diagnostic.of(code, message, span, fix, Severity.ERROR)


def warning(code: str, message: str, span: Span, fix: str | Fix = "") -> Diagnostic:
    """A finding that a user should know of, no more."""
    return Diagnostic.of(code, message, span, fix, Severity.WARNING)

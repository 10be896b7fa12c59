"""How large a grammar may be: what would take too long to expand is refused before."""

from __future__ import annotations

from collections.abc import Iterator

from a2ls_dsl.diagnostics import Diagnostic
from a2ls_dsl.lang.grammar import tree
from a2ls_dsl.lang.grammar.alternatives import MANY, Alternatives
from a2ls_dsl.lang.grammar.check_names import walk
from a2ls_dsl.lang.grammar.codes import Rule, error
from a2ls_dsl.lang.grammar.elaborate import calls_of

MAX_FORMS = 100_000
"""Alternatives of sets times horizons; the optional elements of a form cost nothing."""

MAX_WORDS = 5_000
"""Operators times negatives times options, of one comparison."""

MAX_ELEMENTS = 1_000_000
"""The elements in all sets for all horizons; the space of He et al. 2022 has 390."""


def too_large_findings(file: tree.GrammarFile, alternatives: Alternatives) -> Iterator[Diagnostic]:
    """What is too large, without building it."""
    loss = next(rule.name for rule in file.rules if rule.name.text == "loss")
    calls = calls_of(alternatives)
    sets = [each for call in calls for each in (*call.arguments, call.target) if each is not None]
    number = min(MANY, sum(map(alternatives.measure, sets)))
    for call in calls:
        words = 1
        for part in (call.name, call.negatives, *(option.value for option in call.options)):
            words = min(MANY, words * (alternatives.measure(part) if part else 1))
        number = min(MANY, number + words)
        if words > MAX_WORDS:
            message = f"the operators and options of this comparison have {words:,} combinations"
            yield error(Rule.FORMS, message, call.span, f"at most {MAX_WORDS:,}; split it, or offer fewer")
    if number * file.size > MAX_FORMS:
        shown = f"{number:,}" if number < MANY else "more than 10^30"
        total = f"{number * file.size:,}" if number < MANY else "far too many"
        message = f"the grammar has {total} forms: {shown} alternatives times {file.size} horizons"
        fix = f"at most {MAX_FORMS:,}; `some of {{ ... }}` costs nothing, alternatives do"
        yield error(Rule.FORMS, message, loss.span, fix)
    if (named := _elements(file)) > MAX_ELEMENTS:
        message = f"the sets of the grammar hold {named:,} elements, all horizons together"
        yield error(Rule.ELEMENTS, message, loss.span, f"at most {MAX_ELEMENTS:,}; shorten runs or horizons")


def _elements(file: tree.GrammarFile) -> int:
    """The elements in all sets for all horizons together, without building them."""
    literals = [part for rule in file.rules for part in walk(rule.body) if isinstance(part, tree.Elements)]
    runs = [run for part in literals for item in part.items for run in tree.runs(item)]
    # A run's length is linear in the parameters: the mean over all values is that of the corners.
    corners = list(file.corners())
    ends = sum(1 + run.last.at(corner) - run.first.at(corner) for run in runs for corner in corners)
    return ends * file.size // len(corners)

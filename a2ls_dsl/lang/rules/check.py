"""What a loss file must satisfy beyond its syntax. Every rule has a code in `messages/codes.py`.

Here are names, references and weights; `terms.py`, `items.py` and `comparison.py` look inside the terms,
`warnings.py` warns. One mistake gives one message: where something was already found, what follows
from it is not reported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from a2ls_dsl.diagnostics import Diagnostic, Fix, Source, Span
from a2ls_dsl.lang.files import SUFFIX, shipped
from a2ls_dsl.lang.messages.codes import Findings, Rule, head, place
from a2ls_dsl.lang.messages.unknown_names import suggestion
from a2ls_dsl.lang.rules.sums import WEIGHT, ends, product, weight_problem
from a2ls_dsl.lang.rules.terms import TermChecker
from a2ls_dsl.lang.rules.warnings import anchored, collapses
from a2ls_dsl.lang.syntax.items import MAX_ELEMENTS
from a2ls_dsl.lang.syntax.tree import Comparison, Definition, Import, LossFile, Ref, Schedule, Weighted
from a2ls_dsl.words.registry import operators

_COMPARED = 300
"""With how many names an unknown one is compared."""


@dataclass(frozen=True)
class Summary:
    """What a loss amounts to with its references multiplied out.

    elements: how many it names. least, greatest: its weights. scheduled: whether one of them is a schedule.
    anchored, collapsing: whether a term keeps the encoder from collapse, and a term that invites it.
    """

    elements: int = 0
    least: float = 1.0
    greatest: float = 1.0
    scheduled: bool = False
    anchored: bool = False
    collapsing: Span | None = None


@dataclass(frozen=True)
class Imported:
    """A loss of another file: the import that brings it, the file, and what the loss amounts to."""

    by: Import
    source: Source
    summary: Summary


def check(file: LossFile, earlier: Sequence[Diagnostic] = ()) -> list[Diagnostic]:
    """Errors and warnings of a parsed file in the order of their places, without the `earlier` ones."""
    checker = FileChecker(earlier)
    checker.check(file, {})
    return checker.diagnostics


class FileChecker:
    """Checks one file; afterwards `summaries` says what each of its losses amounts to."""

    def __init__(self, earlier: Sequence[Diagnostic] = ()) -> None:
        self.summaries: dict[str, Summary] = {}
        self._findings = Findings(earlier)
        self._note = self._findings.note
        self._everywhere: dict[str, Definition] = {}
        self._defined: dict[str, Definition] = {}
        self._imported: Mapping[str, Imported] = {}
        self._used: set[str] = set()
        self._elements = 0
        self._complete = True

    @property
    def diagnostics(self) -> list[Diagnostic]:
        """Errors and warnings in the order of their places."""
        return sorted(self._findings.diagnostics, key=lambda diagnostic: diagnostic.span.start)

    def check(self, file: LossFile, imported: Mapping[str, Imported], complete: bool = True) -> None:
        """Check every definition of a file that may refer to `imported` losses.

        Where these are not `complete`, since an import failed, an unknown name may be one of those missing.
        """
        self._complete = complete
        self._everywhere = {definition.name: definition for definition in reversed(file.definitions)}
        self._imported = imported
        for definition in file.definitions:
            self._definition(definition)
        for name, definition in self._defined.items():
            self._collapse(name, definition)
        self._unused(file)

    def _definition(self, definition: Definition) -> None:
        terms = TermChecker(self._findings)
        summary = _total([self._weighted(weighted, terms) for weighted in definition.loss.terms])
        terms.finish()
        if self._findings.damaged(definition.span):
            summary = Summary(anchored=True)
        before, self._elements = self._elements, self._elements + summary.elements
        if self._elements > MAX_ELEMENTS:
            if before <= MAX_ELEMENTS:
                message = f"with references multiplied out, a file names at most {MAX_ELEMENTS:,} elements"
                self._note(Rule.ELEMENTS, message, definition.name_span, "name fewer, or split the file")
            summary = Summary(anchored=True)
        first = self._defined.setdefault(definition.name, definition)
        self.summaries.setdefault(definition.name, summary)
        if not definition.loss.terms:
            return
        if first is not definition:
            message = f"the name `{definition.name}` is taken"
            fix = f"first defined in line {place(first.span).line}; choose another name"
            self._note(Rule.NAME_TAKEN, message, definition.name_span, fix)
        elif definition.name in self._imported:
            message = f"the name `{definition.name}` is taken by an import"
            fix = f'it is a loss of "{self._imported[definition.name].by.path}"; choose another name'
            self._note(Rule.NAME_TAKEN, message, definition.name_span, fix)

    def _weighted(self, weighted: Weighted, terms: TermChecker) -> Summary:
        """Check one summand; what it amounts to."""
        if isinstance(weighted.term, Ref):
            inner = self._reference(weighted.term)
        else:
            inner = _of_comparison(weighted.term, terms.check(weighted.term))
        own = self._ends(weighted)
        if own is None:
            return replace(inner, least=1.0, greatest=1.0, scheduled=False)
        least, greatest = product(own[0], inner.least), product(own[1], inner.greatest)
        if not (WEIGHT.holds(least) and WEIGHT.holds(greatest)):
            message = f"with references multiplied out, a weight is no longer {WEIGHT}"
            self._note(Rule.WEIGHT, message, weighted.span, "use weights nearer to 1")
            return replace(inner, least=1.0, greatest=1.0)
        scheduled = isinstance(weighted.weight, Schedule)
        if scheduled and inner.scheduled:
            message = "with references multiplied out, this weight is a product of two schedules"
            self._note(Rule.SCHEDULE_PRODUCT, message, weighted.span, "let one of the two be a number")
        return replace(inner, least=least, greatest=greatest, scheduled=scheduled or inner.scheduled)

    def _ends(self, weighted: Weighted) -> tuple[float, float] | None:
        """The least weight above 0 and the greatest, or None after noting what is wrong with them."""
        if problem := weight_problem(weighted.weight):
            code, message, fix = problem
            self._note(code, message, weighted.weight_span or weighted.span, fix)
            return None
        return ends(weighted.weight)

    def _reference(self, ref: Ref) -> Summary:
        self._used.add(ref.name)
        if ref.name in self.summaries or ref.name in self._imported:
            above = self.summaries.get(ref.name)
            summary = above or self._imported[ref.name].summary
            return replace(summary, collapsing=summary.collapsing and (ref.span or summary.collapsing))
        if not self._complete and ref.name not in self._everywhere:
            return Summary(anchored=True)
        message = f"no loss `{ref.name}` is defined above this one"
        self._note(Rule.REFERENCE_UNKNOWN, message, ref.span, self._where_it_is(ref.name))
        return Summary(anchored=True)

    def _where_it_is(self, name: str) -> str | Fix:
        """The fix for a reference to nothing."""
        if name in operators:
            return f"`{name}` is an operator: write {name}({{ s[t] }} -> {{ s[t+1] }})"
        if name in self._everywhere:
            line = place(self._everywhere[name].span).line
            return f"it is defined in line {line}; a loss refers only to losses above it"
        names = [*self._imported, *islice(reversed(self._defined), _COMPARED)]
        near = suggestion(name, names, guess=self._findings.few)
        if isinstance(near, Fix):
            return near
        if name in shipped("losses", SUFFIX):
            wanted = f'import "{name}{SUFFIX}"'
            return Fix(f"to use the shipped loss, begin the file with: {wanted}", f"{wanted}\n", (0, 0))
        return "define it above, or import it"

    def _collapse(self, name: str, definition: Definition) -> None:
        """Only losses that no other one refers to are judged: the others are parts."""
        summary = self.summaries[name]
        if name in self._used or summary.anchored or summary.collapsing is None:
            return
        message = "nothing keeps the encoder from giving every state the same latent"
        fix = "encode the target with ema or stop, or add negatives, a variance or a data label"
        self._note(Rule.COLLAPSE, message, summary.collapsing, fix)

    def _unused(self, file: LossFile) -> None:
        brought = {loss.by for name, loss in self._imported.items() if name in self._used}
        imports = {loss.by for loss in self._imported.values()}
        for statement in file.imports:
            if statement in imports and statement not in brought:
                message = f'no loss of "{statement.path}" is used'
                self._note(Rule.IMPORT_UNUSED, message, statement.span, Fix("remove the import", ""))


def _of_comparison(term: Comparison, clean: bool) -> Summary:
    elements = max(1, len(term.items))
    entry = operators.get(term.operator)
    if not clean or entry is None:
        return Summary(elements, anchored=True)
    collapsing = collapses(term, entry)
    where = place(head(term.span, term.operator)) if collapsing else None
    return Summary(elements, anchored=anchored(term, entry), collapsing=where)


def _total(summaries: Sequence[Summary]) -> Summary:
    """What a sum amounts to."""
    return Summary(
        sum(summary.elements for summary in summaries),
        min((summary.least for summary in summaries), default=1.0),
        max((summary.greatest for summary in summaries), default=1.0),
        any(summary.scheduled for summary in summaries),
        any(summary.anchored for summary in summaries),
        next((summary.collapsing for summary in summaries if summary.collapsing), None),
    )

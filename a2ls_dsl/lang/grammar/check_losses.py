"""Whether a grammar is small enough, and each of its losses is one: items, numbers, states, targets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from a2ls_dsl.diagnostics import Diagnostic, Severity
from a2ls_dsl.lang.grammar.alternatives import MANY, Alternatives
from a2ls_dsl.lang.grammar.comparison import ComparisonSpace, leaves_of
from a2ls_dsl.lang.grammar.compound import ScaledSpace
from a2ls_dsl.lang.grammar.elaborate import Elaborator, calls_of, sets_of
from a2ls_dsl.lang.grammar.file import GrammarFile
from a2ls_dsl.lang.grammar.losses import Root
from a2ls_dsl.lang.grammar.sets import ENCODERS, SOURCE
from a2ls_dsl.lang.grammar.space import Space, spaces_of
from a2ls_dsl.lang.messages.codes import Findings, GrammarRule, report
from a2ls_dsl.lang.rules.items import ItemChecker
from a2ls_dsl.lang.rules.options import range_problem
from a2ls_dsl.lang.rules.sums import NO_SCHEDULE, SCHEDULE_FIX, WEIGHT, weight_problem
from a2ls_dsl.lang.rules.terms import TermChecker
from a2ls_dsl.lang.rules.types import trains_encoder
from a2ls_dsl.lang.syntax import surface
from a2ls_dsl.lang.syntax.items import MAX_ELEMENTS, Value
from a2ls_dsl.lang.syntax.printer import print_item, print_option
from a2ls_dsl.lang.syntax.tree import Call, Option, Schedule
from a2ls_dsl.words.language import Stream
from a2ls_dsl.words.registry import operators

MAX_FORMS = 100_000
"""Alternatives of sets times horizons; the optional elements of a form cost nothing."""

MAX_WORDS = 5_000
"""Operators times negatives times options, of one comparison."""

MAX_NAMED = 1_000_000
"""The elements in all sets for all horizons; the space of He et al. 2022 has 390."""


def too_large_findings(file: GrammarFile, alternatives: Alternatives) -> Iterator[Diagnostic]:
    """What is too large, without building it."""
    loss = next(rule.name for rule in file.rules if rule.name.text == "loss")
    calls = calls_of(alternatives)
    sets = [written for call in calls for written in sets_of(call).values()]
    number = min(MANY, sum(map(alternatives.measure, sets)))
    for call in calls:
        words = 1
        for part in (call.name, call.negatives, *(option.value for option in call.options)):
            words = min(MANY, words * (alternatives.measure(part) if part else 1))
        number = min(MANY, number + words)
        if words > MAX_WORDS:
            message = f"the operators and options of this comparison have {words:,} combinations"
            fix = f"at most {MAX_WORDS:,}; split it, or offer fewer"
            yield report(GrammarRule.FORMS, message, call.span, fix)
    if number * file.size > MAX_FORMS:
        shown = f"{number:,}" if number < MANY else "more than 10^30"
        total = f"{number * file.size:,}" if number < MANY else "far too many"
        message = f"the grammar has {total} forms: {shown} alternatives times {file.size} horizons"
        fix = f"at most {MAX_FORMS:,}; `some of {{ ... }}` costs nothing, alternatives do"
        yield report(GrammarRule.FORMS, message, loss.span, fix)
    if (named := _elements(file)) > MAX_NAMED:
        message = f"the sets of the grammar hold {named:,} elements, all horizons together"
        yield report(
            GrammarRule.ELEMENTS, message, loss.span, f"at most {MAX_NAMED:,}; shorten runs or horizons"
        )


def number_findings(alternatives: Alternatives) -> Iterator[Diagnostic]:
    """Weights, widths of heads and numbers of options out of their range."""
    names = {"loss", *alternatives.reached(alternatives.rules["loss"].body)}
    for part in (part for name in sorted(names) for part in surface.walk(alternatives.rules[name].body)):
        match part:
            case surface.Scaled(weight):
                for word in alternatives.words(weight):
                    if problem := _weight_problem(word.value):
                        yield report(GrammarRule.NUMBER_RANGE, problem[0], weight.span, problem[1])
            case surface.Operation():
                yield from _options(part, alternatives)


def item_findings(alternatives: Alternatives) -> Iterator[Diagnostic]:
    """Functions called on what they don't take, or with other numbers."""
    reported: set[surface.Item] = set()
    for item, (origin, binding) in alternatives.origins.items():
        findings = Findings()
        if origin in reported or ItemChecker(findings).check((item,)):
            continue
        reported.add(origin)
        first = findings.diagnostics[0]
        message = f"{first.message}: {print_item(item)}{surface.for_values(binding)}"
        yield report(GrammarRule.FUNCTION, message, origin.span, first.fix)


def root_findings(elaborator: Elaborator, roots: Sequence[Root]) -> Iterator[Diagnostic]:
    """Comparisons without any way to go together; sources without gradient, empty targets; weights, sizes."""
    leaves = {id(leaf): leaf for _, root in roots for leaf in leaves_of(root)}.values()
    held = {leaf.place for leaf in leaves if leaf.groups}
    for call in calls_of(elaborator.alternatives):
        if call.span.start not in held and elaborator.file.size:
            yield _mismatch(elaborator, call)
    layouts = elaborator.layouts
    trained = tuple(
        layout.cover(item for item in layout.items if trains_encoder(item, ENCODERS[layout.side]))
        for layout in (layouts.source, layouts.target)
    )
    for leaf in leaves:
        yield from _empty_or_idle(leaf, trained)
    for _, root in roots:
        yield from _weights(root)
        if root.elements > MAX_ELEMENTS:
            message = f"a loss of this grammar names {root.elements:,} elements"
            fix = f"at most {MAX_ELEMENTS:,} in one loss"
            yield report(GrammarRule.ELEMENTS, message, elaborator.file.name.span, fix)


def _options(call: surface.Operation, alternatives: Alternatives) -> Iterator[Diagnostic]:
    """Values that no operator of a comparison takes, as the checker of losses says it."""
    entries = [entry for word in alternatives.words(call.name) if (entry := operators.get(str(word.value)))]
    for written in call.options:
        name = written.name.text
        takers = [entry for entry in entries if (name in entry.maps or entry.option(name))]
        for value in (word.value for word in alternatives.words(written.value)):
            if not isinstance(value, float | Call):
                continue
            option = Option(name, value)
            problems = [range_problem(option, entry) for entry in takers]
            if problems and problems[0] and all(problems):
                message = f"{problems[0].message}: {print_option(option)}"
                fix = problems[0].fix
                words = fix if isinstance(fix, str) else fix.words
                yield report(GrammarRule.NUMBER_RANGE, message, written.value.span, words)


def _weight_problem(value: Value) -> tuple[str, str] | None:
    """Message and fix for what can't be a weight, as the checker of losses says it."""
    if not isinstance(value, float | Schedule):
        return NO_SCHEDULE, SCHEDULE_FIX
    problem = weight_problem(value)
    return problem and problem[1:]


def _mismatch(elaborator: Elaborator, call: surface.Operation) -> Diagnostic:
    """Why the first combination of a comparison is no loss, in the words of the checker of losses."""
    findings = Findings()
    TermChecker(findings).check(elaborator.example(call))
    errors = [finding for finding in findings.diagnostics if finding.severity is Severity.ERROR]
    if not errors:
        message = "no combination of this comparison is a loss: `some of` doesn't go with the rest of it"
        return report(GrammarRule.NOTHING_FITS, message, call.span, "write the sets out with `|`")
    message = f"no combination of this comparison is a loss: {errors[0].message}"
    return report(GrammarRule.NOTHING_FITS, message, call.span, "offer alternatives that go together")


def _empty_or_idle(leaf: ComparisonSpace, trained: tuple[int, ...]) -> Iterator[Diagnostic]:
    """Sides that no loss can have: without elements, and without a state that trains the encoder.

    trained: the items of source and target through which a gradient reaches the encoder.
    """
    written = [given.span for given in sets_of(leaf.call).values()]
    for group in leaf.live:
        source, *targets = group.sets
        layout = source.space.layout
        # Where every target trains the encoder, a source may be anything but empty.
        idle = (cube.can_lack(trained[1], target.space.layout) for target in targets for cube in target.cubes)
        needed = not targets or any(idle)
        for cube in source.cubes:
            if needed and cube.can_lack(trained[0], layout):
                may = cube.may & trained[0]
                fix = "add `require a state in source`" if may else "add a state to the source"
                message = "a source without a state trains no encoder, and the grammar allows one here"
                if cube.high & ~trained[0] & layout.mask(Stream.STATE):
                    message = "states without gradient train no encoder, and there may be only these here"
                    fix = "let one state that is always there be encoded by `online`, the default"
                yield report(GrammarRule.NO_GRADIENT, message, written[0], fix)
        for offer, span in zip(group.sets, written, strict=True):
            layout, side = offer.space.layout, offer.space.layout.side
            for cube in offer.cubes:
                # An empty source of which a state is needed was refused above.
                if not (side == SOURCE and needed) and cube.can_lack(cube.high, layout):
                    message = f"a loss needs a {side}, and the grammar allows an empty one here"
                    yield report(GrammarRule.SIDE_EMPTY, message, span, f"add `require an element in {side}`")


def _weights(root: Space) -> Iterator[Diagnostic]:
    """Weights before weights: products of schedules, and products that are no weight any more."""
    scaled = [space for space in spaces_of(root) if isinstance(space, ScaledSpace)]
    for space in scaled:
        span = leaves_of(space)[0].call.span
        if space.has_schedule and space.body.scheduled:
            message = "two schedules before this comparison would be multiplied"
            fix = "let one of the two weights be a number"
            yield report(GrammarRule.SCHEDULE_PRODUCT, message, span, fix)
        if not all(map(WEIGHT.holds, space.multiplied)):
            message = f"with the weights before it multiplied, one of this comparison is no longer {WEIGHT}"
            yield report(GrammarRule.NUMBER_RANGE, message, span, "use weights nearer to 1")


def _elements(file: GrammarFile) -> int:
    """The elements in all sets for all horizons together, without building them."""
    runs = [run for rule in file.rules for run in surface.every(surface.Run, rule.body)]
    # A run's length is linear in the parameters: the mean over all values is that of the corners.
    corners = list(file.corners())
    ends = sum(1 + run.last.at(corner) - run.first.at(corner) for run in runs for corner in corners)
    return ends * file.size // len(corners)

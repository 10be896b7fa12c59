"""Whether every loss of a grammar is a loss: its items, its numbers, a state and a target in each."""

from __future__ import annotations

from collections.abc import Iterator

from a2ls_dsl.diagnostics import Diagnostic, Severity
from a2ls_dsl.lang.ast import Call, Option, Schedule
from a2ls_dsl.lang.build_piece import MAX_ELEMENTS
from a2ls_dsl.lang.canonical import SOURCE as ONLINE_SIDE
from a2ls_dsl.lang.canonical import TARGET as EMA_SIDE
from a2ls_dsl.lang.check_items import ItemChecker
from a2ls_dsl.lang.check_terms import TermChecker
from a2ls_dsl.lang.findings import Findings
from a2ls_dsl.lang.grammar import tree
from a2ls_dsl.lang.grammar.build import Builder, calls_of
from a2ls_dsl.lang.grammar.check import for_values, walk
from a2ls_dsl.lang.grammar.codes import Rule, error
from a2ls_dsl.lang.grammar.derive import weight_of
from a2ls_dsl.lang.grammar.expand import Expander, Value
from a2ls_dsl.lang.grammar.forms import Cube, Layout
from a2ls_dsl.lang.grammar.nodes import Empty, Layouts, Node, Pick, Scaled, Sum, Term, inside, terms_of
from a2ls_dsl.lang.grammar.space import Roots
from a2ls_dsl.lang.printer import print_item, print_option
from a2ls_dsl.lang.rules import range_problem
from a2ls_dsl.lang.types import trains_encoder
from a2ls_dsl.lang.weights import SCHEDULE_FIX, WEIGHT, ends, product, weight_problem
from a2ls_dsl.words.language import HEAD
from a2ls_dsl.words.registry import operators


def number_findings(expander: Expander) -> Iterator[Diagnostic]:
    """Weights, widths of heads and numbers of options out of their range."""
    names = {"loss", *expander.reached(expander.rules["loss"].body)}
    for part in (part for name in sorted(names) for part in walk(expander.rules[name].body)):
        match part:
            case tree.Scaled(weight):
                for leaf in expander.leaves(weight):
                    if problem := _weight_problem(leaf.value):
                        yield error(Rule.NUMBER_RANGE, problem[0], weight.span, problem[1])
            case tree.Call():
                yield from _options(part, expander)


def item_findings(expander: Expander) -> Iterator[Diagnostic]:
    """Functions called on what they don't take, or with other numbers."""
    told: set[tree.Item] = set()
    for item, (origin, binding) in expander.origins.items():
        findings = Findings()
        if origin in told or ItemChecker(findings).check((item,)):
            continue
        told.add(origin)
        first = findings.found[0]
        message = f"{first.message}: {print_item(item)}{for_values(binding)}"
        yield error(Rule.FUNCTION, message, origin.span, first.fix)


def root_findings(builder: Builder, roots: Roots) -> Iterator[Diagnostic]:
    """Comparisons without any way to go together; sources without gradient, empty targets; weights, sizes."""
    held = {term.place for _, root in roots for term in terms_of(root) if term.groups}
    for call in calls_of(builder.expander):
        if call.span.start not in held and builder.file.size:
            yield _mismatch(builder, call)
    layouts = builder.layouts
    trained = tuple(
        layout.cover(item for item in layout.items if trains_encoder(item, side))
        for layout, side in ((layouts.source, ONLINE_SIDE), (layouts.target, EMA_SIDE))
    )
    for term in {id(term): term for _, root in roots for term in terms_of(root)}.values():
        yield from _unusable(term, trained, layouts)
    for _, root in roots:
        yield from _schedules(root)
        yield from _products(root)
        if (size := _size(root)) > MAX_ELEMENTS:
            message = f"a loss of this grammar names {size:,} elements"
            yield error(
                Rule.ELEMENTS, message, builder.file.name.span, f"at most {MAX_ELEMENTS:,} in one loss"
            )


def _options(call: tree.Call, expander: Expander) -> Iterator[Diagnostic]:
    """Values that no operator of a comparison takes, as the checker of losses says it."""
    entries = [entry for leaf in expander.leaves(call.name) if (entry := operators.get(str(leaf.value)))]
    for written in call.options:
        name = written.name.text
        takers = [entry for entry in entries if (entry.head if name == HEAD else entry.option(name))]
        for value in (leaf.value for leaf in expander.leaves(written.value)):
            if not isinstance(value, float | Call):
                continue
            option = Option(name, value)
            problems = [range_problem(option, entry) for entry in takers]
            if problems and problems[0] and all(problems):
                message = f"{problems[0].message}: {print_option(option)}"
                fix = problems[0].fix
                words = fix if isinstance(fix, str) else fix.words
                yield error(Rule.NUMBER_RANGE, message, written.value.span, words)


def _weight_problem(value: Value) -> tuple[str, str] | None:
    """Message and fix for what can't be a weight, as the checker of losses says it."""
    if not isinstance(value, float | Schedule):
        return "a schedule takes three numbers, the last one whole", SCHEDULE_FIX
    problem = weight_problem(value)
    return problem and problem[1:]


def _mismatch(builder: Builder, call: tree.Call) -> Diagnostic:
    """Why the first combination of a comparison is no loss, in the words of the checker of losses."""
    findings = Findings()
    TermChecker(findings).check(builder.example(call))
    errors = [each for each in findings.found if each.severity is Severity.ERROR]
    fix = "offer alternatives that go together"
    if not errors:
        message = "no combination of this comparison is a loss: `some of` doesn't go with the rest of it"
        return error(Rule.NOTHING_FITS, message, call.span, "write the sets out with `|`")
    return error(
        Rule.NOTHING_FITS,
        f"no combination of this comparison is a loss: {errors[0].message}",
        call.span,
        fix,
    )


def _unusable(term: Term, trained: tuple[int, ...], layouts: Layouts) -> Iterator[Diagnostic]:
    """Sides that no loss can have; `trained`: the items of source and target that pass gradients."""
    source, target = layouts.source, layouts.target
    for group in term.live:
        targets = [(term.targets or ())[place] for place in group.targets or ()]
        # Where every target trains the encoder, a source may be anything but empty.
        needed = not targets or any(_can_lack(cube, trained[1], target) for cube in targets)
        for cube in (term.sources[place] for place in group.sources):
            if not needed and _can_lack(cube, cube.high, source):
                message = "a loss needs a source, and the grammar allows an empty one here"
                yield error(
                    Rule.SIDE_EMPTY,
                    message,
                    term.call.arguments[0].span,
                    "add `require an element in source`",
                )
            if needed and _can_lack(cube, trained[0], source):
                may = cube.may & trained[0]
                fix = "add `require a state in source`" if may else "add a state to the source"
                message = "a source without a state trains no encoder, and the grammar allows one here"
                if cube.high & ~trained[0] & source.states:
                    message = "states without gradient train no encoder, and there may be only these here"
                    fix = "let one state that is always there be encoded by `online`, the default"
                yield error(Rule.NO_GRADIENT, message, term.call.arguments[0].span, fix)
        for cube in targets:
            if _can_lack(cube, cube.high, target) and term.call.target:
                message = "a loss needs a target, and the grammar allows an empty one here"
                yield error(
                    Rule.SIDE_EMPTY,
                    message,
                    term.call.target.span,
                    "add `require an element in target`",
                )


def _can_lack(cube: Cube, off: int, layout: Layout) -> bool:
    """Whether a cube holds an allowed mask that has none of the elements `off`."""
    return not cube.low & off and layout.allows(cube.high & ~off)


def _schedules(root: Node) -> Iterator[Diagnostic]:
    def scheduled(node: Node) -> bool:
        match node:
            case Scaled(weights=weights, body=body):
                return scheduled(body) or any(isinstance(weight_of(leaf), Schedule) for leaf in weights)
            case Sum(parts=parts):
                return any(map(scheduled, parts))
            case Pick(options=options):
                return any(scheduled(each) for each in options if each)
        return False

    def found(node: Node) -> Iterator[Node]:
        match node:
            case Scaled(weights=weights, body=body):
                if scheduled(body) and any(isinstance(weight_of(leaf), Schedule) for leaf in weights):
                    yield node
                yield from found(body)
            case Sum(parts=parts):
                for each in parts:
                    yield from found(each)
            case Pick(options=options):
                for each in [option for option in options if option]:
                    yield from found(each)

    for twice in found(root):
        span = next(iter(terms_of(twice))).call.span
        message = "two schedules before this comparison would be multiplied"
        yield error(Rule.SCHEDULE_PRODUCT, message, span, "let one of the two weights be a number")


def _products(root: Node) -> Iterator[Diagnostic]:
    """Weights before weights whose product is none any more."""
    known: dict[int, tuple[float, float]] = {}

    def found(node: Node) -> Iterator[Diagnostic]:
        for each in inside(node):
            if id(each) not in known:
                yield from found(each)
        inner = [known[id(each)] for each in inside(node)]
        least = min((low for low, _ in inner), default=1.0)
        greatest = max((high for _, high in inner), default=1.0)
        if isinstance(node, Scaled):
            own = [ends(weight_of(leaf)) for leaf in node.weights]
            least, greatest = (
                product(min(low for low, _ in own), least),
                product(max(high for _, high in own), greatest),
            )
            if not (WEIGHT.holds(least) and WEIGHT.holds(greatest)):
                span = next(iter(terms_of(node))).call.span
                message = (
                    f"with the weights before it multiplied, one of this comparison is no longer {WEIGHT}"
                )
                yield error(Rule.NUMBER_RANGE, message, span, "use weights nearer to 1")
                least = greatest = 1.0
        known[id(node)] = least, greatest

    yield from found(root)


def _size(root: Node) -> int:
    """The most elements that a loss of a root can name."""
    match root:
        case Empty():
            return 0
        case Term(sources=sources, targets=targets):
            here = max((cube.high.bit_count() for cube in sources), default=0)
            return here + max((cube.high.bit_count() for cube in targets or ()), default=0)
        case Pick(options=options):
            return max((_size(each) for each in options if each), default=0)
        case Sum(parts=parts):
            return sum(map(_size, parts))
        case Scaled(body=body):
            return _size(body)

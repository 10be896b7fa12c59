"""What stands inside sets: runs become elements, steps become offsets, nested calls become chains of calls.

What a tree can hold and still be wrong (an unknown function, a view of a latent) is the checker's business.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from a2ls_dsl.diagnostics import Fix, Span
from a2ls_dsl.lang.messages.codes import Findings, Rule
from a2ls_dsl.lang.messages.unknown_names import unknown_function, unknown_stream
from a2ls_dsl.lang.syntax import surface
from a2ls_dsl.lang.syntax.printer import print_step
from a2ls_dsl.lang.syntax.tree import MAX_OFFSET, Call, Element, Item, Return, Rollout
from a2ls_dsl.words.agent import DISCOUNT, DRAWS, RETURN, ROLLOUTS, VISITED
from a2ls_dsl.words.language import Stream
from a2ls_dsl.words.registry import functions

MAX_ELEMENTS = 10_000
"""How many elements a file may name; a run of a thousand is written in a dozen characters."""


def short(text: str, limit: int = 40) -> str:
    """A text for a message, cut where it is long."""
    return text if len(text) <= limit else text[:limit] + "..."


class Numbers:
    """The values of the numbers of a loss file; of one that has none, `findings` say why."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings

    def value(self, number: surface.Argument, rule: Rule) -> float | None:
        """The value of a number, or None after noting under a rule that it has none."""
        if not isinstance(number, surface.Number):
            raise TypeError("the syntax of loss files lets numbers stand here only")
        if number.fault is None:
            return number.value
        self._findings.note(rule, number.fault.message, number.span, number.fault.fix)
        return None

    def values(self, numbers: Iterable[surface.Argument], rule: Rule) -> tuple[float, ...] | None:
        """The values of several numbers, or None if one of them has none."""
        values = [self.value(number, rule) for number in numbers]
        given = tuple(value for value in values if value is not None)
        return given if len(given) == len(values) else None


class ItemBuilder:
    """Builds the items of the sets of a loss file, and notes what is wrong with them."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._numbers = Numbers(findings)
        self._elements = 0

    def build(self, item: surface.Argument) -> list[Item]:
        """The items that a written item stands for: none if something is wrong with it."""
        outer, calls = item, list[Call]()
        while isinstance(item, surface.Apply):
            if item.function.text in (RETURN, *ROLLOUTS):
                return self._sequence(item, calls)
            call = self._call(item)
            if call is None:
                return []
            calls.append(call)
            item = item.arguments[0]
        if not isinstance(item, surface.Run):
            return []  # what is nested too deeply was noted by the parser
        return list(self._run(item, outer.span, tuple(reversed(calls))))

    def _call(self, item: surface.Apply) -> Call | None:
        """A call of a function of one item."""
        name, arguments = item.function.text, item.arguments
        if misuse := misused(name, shapes(item)):
            if name in functions:
                self._findings.note(misuse.code, misuse.message, item.span, misuse.fix)
            else:
                fix = unknown_function(name, self._findings.few)
                message = f"there is no function `{short(name)}`"
                self._findings.note(Rule.FUNCTION_UNKNOWN, message, item.function.span, fix)
            return None
        numbers = self._numbers.values(arguments[1:], Rule.NUMBER_RANGE)
        if numbers is None:
            return None
        return Call(name, numbers, (item.function.span, *(number.span for number in arguments[1:])))

    def _sequence(self, call: surface.Apply, calls: list[Call]) -> list[Item]:
        name, arguments = call.function.text, call.arguments
        misuse = misused(name, shapes(call))
        if misuse and misuse.argument is None:
            self._findings.note(misuse.code, misuse.message, call.span, misuse.fix)
            return []
        items = [self.build(argument) for argument in arguments if not isinstance(argument, surface.Number)]
        if [] in items:
            return []
        if misuse and misuse.argument is not None:
            self._findings.note(misuse.code, misuse.message, arguments[misuse.argument].span, misuse.fix)
            return []
        numbers = self._numbers.values(arguments[len(items) :], Rule.NUMBER_RANGE)
        if not self._single(call, *items) or numbers is None:
            return []
        if calls:
            outside = applied_outside(calls[-1].name, name)
            self._findings.note(outside.code, outside.message, call.span, outside.fix)
            return []
        first, *more = items
        return applied(Call(name, numbers), first, more[0] if more else (), call.span)

    def _single(self, call: surface.Apply, first: list[Item], second: Sequence[Item] = ()) -> bool:
        """Whether a rollout starts at one state, and a return ends in one value."""
        rolled = call.function.text in ROLLOUTS
        single = first if rolled else second or first[:1]
        if len(single) == 1 and isinstance(single[0], Element):
            return True
        if rolled:
            place, message = call.arguments[0].span, "a rollout starts at one state"
            self._findings.note(Rule.ARGUMENTS, message, place, "e.g. s[t]")
        else:
            fix = Fix.write(f"value(s[{print_step(first[-1].last + 1)}])")
            message = "a return ends in one value"
            self._findings.note(Rule.RETURN, message, call.arguments[1].span, fix)
        return False

    def _run(self, run: surface.Run, span: Span, calls: tuple[Call, ...]) -> list[Element]:
        """The elements of a run, each under the same chain of calls."""
        if not is_sound(run, None, self._findings) or not is_inside(run, {}, self._findings):
            return []
        first, last = run.first.at({}), run.last.at({})
        if not self._affordable(last - first + 1, run):
            # One element stands for the run, so that the set isn't called empty on top.
            last = first
        stream = Stream(run.stream.text)
        if calls and last > first and calls[0].name in DRAWS:
            return [Element(stream, first, calls, span, last)]
        return [Element(stream, offset, calls, span) for offset in range(first, last + 1)]

    def _affordable(self, elements: int, run: surface.Run) -> bool:
        """Count the elements of a run, before it is expanded."""
        before, self._elements = self._elements, self._elements + elements
        if before <= MAX_ELEMENTS < self._elements:
            message = f"a file names at most {MAX_ELEMENTS:,} elements"
            self._findings.note(Rule.ELEMENTS, message, run.span, "split the file")
        return self._elements <= MAX_ELEMENTS


def applied(
    call: Call, items: Sequence[Item], more: Sequence[Item] = (), span: Span | None = None
) -> list[Item]:
    """What a call makes of items; `more` are the actions of a rollout, or what a return ends in.

    What can't be made stays as it is.
    """
    elements = [item for item in items if isinstance(item, Element)]
    following = [item for item in more if isinstance(item, Element)]
    if call.name in ROLLOUTS:
        first, length, visited = following[0].offset, len(following), call.name == VISITED
        return [Rollout(start, first, length, visited, span) for start in elements]
    if call.name == RETURN:
        discount = call.numbers[0] if call.numbers else DISCOUNT.default
        ends: list[Element | None] = [*following] or [None]
        return [Return(elements[0].offset, elements[-1].offset, end, discount, span) for end in ends]
    if (
        call.name in DRAWS
        and len(elements) == len(items) > 1
        and not any(element.calls for element in elements)
    ):
        return [replace(elements[0], calls=(call,), until=elements[-1].offset)]
    return [replace(item, calls=(*item.calls, call)) if isinstance(item, Element) else item for item in items]


def is_sound(run: surface.Run, parameters: Collection[str] | None, findings: Findings) -> bool:
    """Whether a run names a stream, and steps from t; says what is wrong with it.

    parameters: those that steps of a grammar may count with; None in a loss file.
    """
    stream = run.stream.text in STREAM_NAMES
    if not stream:
        message = f"there is no stream `{short(run.stream.text)}`"
        findings.note(Rule.STREAM_UNKNOWN, message, run.stream.span, unknown_stream(run.stream.text))
    first = _counts(run.first, parameters, findings)
    last = first if run.last is run.first else _counts(run.last, parameters, findings)
    return stream and first and last


def _counts(step: surface.Step, parameters: Collection[str] | None, findings: Findings) -> bool:
    """Whether a step counts from t, in whole numbers and parameters."""
    base = step.base.text
    if base.isdecimal() and not step.moves:
        findings.note(Rule.STEP, "steps are counted from t", step.span, Fix.write(f"t+{short(base)}"))
        return False
    if base != "t":
        message = f"a step counts from t, not from `{short(base)}`"
        findings.note(Rule.STEP, message, step.base.span, "write t, t+1, ...")
        return False
    unknown = [name for _, name in step.parameters if name.text not in (parameters or ())]
    if parameters is None and (unknown or len(step.moves) > 1):
        named = any(name.text.isidentifier() for name in unknown)
        fix = "e.g. t+3" + "; parameters such as k belong to loss grammars" * named
        findings.note(Rule.STEP, "a step is t, or t plus one whole number", step.span, fix)
        return False
    for name in unknown:
        if not name.text.isidentifier():
            findings.note(Rule.STEP, "a step counts in whole numbers", name.span, "e.g. t+3")
            continue
        fix = "the grammar has no `for ... in ...`"
        if parameters:
            are = "parameters are" if len(parameters) > 1 else "parameter is"
            fix = f"the {are} {', '.join(parameters)}"
        findings.note(Rule.STEP, f"there is no parameter `{name.text}`", name.span, fix)
    return not unknown


def is_inside(run: surface.Run, binding: surface.Binding, findings: Findings) -> bool:
    """Whether a sound run lies in the window and holds a step; `binding`: the values of the parameters."""
    first, last, where = run.first.at(binding), run.last.at(binding), surface.for_values(binding)
    if min(first, last) < 0:
        written = short(run.span.source.text[run.span.start : run.span.end])
        message = f"steps start at t; {written} lies before the window{where}"
        step = run.first if first < 0 else run.last
        by = -min(first, last)
        fix = f"shift every element by {by}" if by < surface.FAR else "shift every element"
        findings.note(Rule.STEP_BEFORE_T, message, step.span, fix)
    elif max(first, last) > MAX_OFFSET:
        message = f"an offset is at most {MAX_OFFSET}" + (
            f"; this one is {max(first, last)}{where}" if where else ""
        )
        step = run.first if first > MAX_OFFSET else run.last
        findings.note(Rule.OFFSET, message, step.span, f"an episode has at most {MAX_OFFSET + 1:,} steps")
    elif last < first:
        message = f"a run goes forward in time; {print_step(first)}..{print_step(last)} is empty{where}"
        turned = Fix.write(f"{run.stream.text}[{print_step(last)}..{print_step(first)}]")
        later = "let it end where it starts or later"
        findings.note(Rule.RUN_BACKWARDS, message, run.span, later if where else turned)
    else:
        return True
    return False


STREAM_NAMES = frozenset(Stream)

Shape: TypeAlias = str
"""What an argument is: the stream of a run, `ITEM`, which is the call of a function, or `NUMBER`."""

ITEM, NUMBER = "()", "0"


@dataclass(frozen=True)
class Misuse:
    """Why a function can't be called like this: what is wrong with one `argument` of it, or with the call."""

    code: Rule
    message: str
    fix: str
    argument: int | None = None


def misused(name: str, arguments: Sequence[Shape]) -> Misuse | None:
    """What is wrong with the arguments of a function; a name that is none is taken for one of an item."""
    example = f"e.g. {functions[name].example if name in functions else 'crop(s[t])'}"
    items = [shape for shape in arguments if shape != NUMBER]
    ordered = arguments[: len(items)] == items
    if name in ROLLOUTS:
        if len(items) != 2 or len(arguments) != 2:
            return Misuse(Rule.ARGUMENTS, f"`{name}` takes a state and a run of actions", example)
        if items[1] in (*STREAM_NAMES - {Stream.ACTION}, ITEM):
            return Misuse(Rule.ARGUMENTS, "a rollout goes along a run of actions", "e.g. a[t..t+4]", 1)
    elif name == RETURN:
        if not ordered or not 1 <= len(items) <= 2 or len(arguments) - len(items) > 1:
            message = "`return` takes a run of rewards, then, if wanted, a value and a discount"
            return Misuse(Rule.ARGUMENTS, message, example)
        if items[0] in (*STREAM_NAMES - {Stream.REWARD}, ITEM):
            return Misuse(Rule.RETURN, "a return sums a run of rewards", "e.g. r[t..t+2]", 0)
    elif len(items) != 1 or not ordered:
        return Misuse(Rule.ARGUMENTS, f"`{name}` is called on one item of a set", example)
    return None


def applied_outside(name: str, inner: str) -> Misuse:
    """What is wrong with a function of a rollout or a return."""
    message = f"`{name}` can't be applied to what `{inner}` gives"
    inside = f"it stands inside, as in {inner}({name}(s[t]), a[t..t+4])"
    return Misuse(Rule.MISAPPLIED, message, inside if inner in ROLLOUTS else "name the return alone")


def shapes(call: surface.Apply) -> list[Shape]:
    """What argument argument of a call is."""
    return [
        argument.stream.text
        if isinstance(argument, surface.Run)
        else ITEM
        if isinstance(argument, surface.Apply | surface.Broken)
        else NUMBER
        for argument in call.arguments
    ]

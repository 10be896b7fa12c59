"""What stands inside sets: which calls and runs are sound, and which items they stand for.

Runs become elements, steps become offsets, nested calls become chains of calls. In a grammar, a function or a
number may be one of several: an item stands for other ones in each combination of them. What a tree can hold
and still be wrong (an unknown function, a view of a latent) is the checker's business.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import product
from typing import NamedTuple, TypeAlias, TypeGuard

from a2ls_dsl.diagnostics import Fix
from a2ls_dsl.lang.messages.codes import Findings, Rule
from a2ls_dsl.lang.messages.unknown_names import unknown_function, unknown_stream
from a2ls_dsl.lang.syntax import surface
from a2ls_dsl.lang.syntax.printer import print_step
from a2ls_dsl.lang.syntax.tree import MAX_OFFSET, Call, Element, Item, Return, Rollout, Schedule
from a2ls_dsl.words.agent import DISCOUNT, DRAWS, RETURN, ROLLOUTS, VISITED
from a2ls_dsl.words.entry import Kind
from a2ls_dsl.words.language import Stream
from a2ls_dsl.words.registry import functions

MAX_ELEMENTS = 10_000
"""How many elements a file may name; a run of a thousand is written in a dozen characters."""

SEQUENCES = (RETURN, *ROLLOUTS)
"""The functions of more than one item."""

Path: TypeAlias = tuple[tuple[int, int], ...]
"""Which alternative was taken at which place of a grammar; in a loss file there are none."""

Value: TypeAlias = str | float | bool | Call | Schedule | None
"""An operator's name, a number, whether against the batch, a function or head, a schedule, `none`."""


class Word(NamedTuple):
    """One thing that a word can be, and which alternatives lead to it."""

    path: Path
    value: Value


Words: TypeAlias = Callable[[surface.Expression], Iterable[Word]]
"""What can stand for a function or a number."""

Steps: TypeAlias = Callable[[surface.Run], range]
"""The offsets of a run."""


def join(paths: Iterable[Path]) -> Path:
    """The alternatives of several parts together."""
    return tuple(sorted({step for path in paths for step in path}))


def numbers_of(words: Iterable[Word]) -> tuple[float, ...]:
    """The numbers among some words."""
    return tuple(float(word.value) for word in words if isinstance(word.value, float | int))


def short(text: str, limit: int = 40) -> str:
    """A text for a message, cut where it is long."""
    return text if len(text) <= limit else text[:limit] + "..."


def built(
    item: surface.Argument, words: Words, steps: Steps, placed: bool = True
) -> Iterator[tuple[Path, list[Item]]]:
    """The items that a sound one stands for, in each combination of its alternatives.

    placed: whether they keep the place where they are written.
    """
    span = item.span if placed else None
    layers = list[list[tuple[Path, Call | None]]]()
    while isinstance(item, surface.Apply):
        if item.function.text in SEQUENCES:  # nothing is called on what these give
            yield from _sequences(item, words, steps, placed)
            return
        layers.append(list(_calls(item, words)))
        item = item.arguments[0]
    if not isinstance(item, surface.Run):
        raise TypeError("the checks let an item stand first only")
    stream, offsets = Stream(item.stream.text), steps(item)
    for combination in product(*layers):
        calls = tuple(call for _, call in reversed(combination) if call)
        if calls and calls[0].name in DRAWS and len(offsets) > 1:
            items = [Element(stream, offsets[0], calls, span, offsets[-1])]
        else:
            items = [Element(stream, offset, calls, span) for offset in offsets]
        yield join(path for path, _ in combination), [*items]


def _calls(call: surface.Apply, words: Words) -> Iterator[tuple[Path, Call | None]]:
    """What a call of a function of one item can be; None where no function is called."""
    name = call.function
    numbers = list(filter(_is_number, call.arguments))
    spans = (name.span, *(number.span for number in numbers))
    for given in product(*map(words, numbers)):
        for path, value in words(name):
            function = value if isinstance(value, Call) else None
            shared = call.shared.text if call.shared else None
            numbered = function and Call(function.name, function.numbers or numbers_of(given), spans, shared)
            yield join([path, *(number.path for number in given)]), numbered


def _sequences(
    call: surface.Apply, words: Words, steps: Steps, placed: bool
) -> Iterator[tuple[Path, list[Item]]]:
    """The rollouts or returns that a call stands for: one for each start, or each value at the end."""
    name, span = call.function.text, call.span if placed else None
    inner = [part for part in call.arguments if isinstance(part, surface.Run | surface.Apply)]
    numbers = list(filter(_is_number, call.arguments))
    for given in product(*map(words, numbers)):
        for parts in product(*(list(built(part, words, steps, placed)) for part in inner)):
            path = join([*(path for path, _ in parts), *(number.path for number in given)])
            first, *more = ([item for item in items if isinstance(item, Element)] for _, items in parts)
            if name == RETURN:
                discount = next(iter(numbers_of(given)), DISCOUNT.default)
                ends: list[Element | None] = [*more[0]] if more else [None]
                yield path, [Return(first[0].offset, first[-1].offset, end, discount, span) for end in ends]
            else:
                begin, length = more[0][0].offset, len(more[0])
                yield path, [Rollout(start, begin, length, name == VISITED, span) for start in first]


def is_sound(
    item: surface.Item,
    parameters: Collection[str] | None,
    bindings: Collection[surface.Binding],
    findings: Findings,
) -> bool:
    """Whether an item is called as it may be and lies in the window; says what is wrong with it.

    parameters: those that steps of a grammar may count with; None in a loss file. bindings: their values.
    """
    calls = [_is_called(call, parameters is None, findings) for call in surface.every(surface.Apply, item)]
    runs = [
        _is_run(run, parameters, findings) and all(_is_inside(run, binding, findings) for binding in bindings)
        for run in surface.every(surface.Run, item)
    ]
    return all(calls + runs)


def _is_called(call: surface.Apply, of_loss: bool, findings: Findings) -> bool:
    """Whether a call has the arguments that its function takes; a name that is none is one of an item."""
    name, place = call.function.text, call.span
    items = [part for part in call.arguments if not _is_number(part)]
    numbers = len(call.arguments) - len(items)
    ordered = call.arguments[: len(items)] == tuple(items)
    example = f"e.g. {functions[name].example if name in functions else 'crop(s[t])'}"
    if name in ROLLOUTS:
        if len(items) != 2 or numbers:
            message = f"`{name}` takes a state and a run of actions"
            return findings.refuse(Rule.ARGUMENTS, message, place, example)
        if _is_other(items[1], Stream.ACTION):
            message = "a rollout goes along a run of actions"
            return findings.refuse(Rule.ARGUMENTS, message, items[1].span, "e.g. a[t..t+4]")
    elif name == RETURN:
        if not ordered or not 1 <= len(items) <= 2 or numbers > 1:
            message = "`return` takes a run of rewards, then, if wanted, a value and a discount"
            return findings.refuse(Rule.ARGUMENTS, message, place, example)
        if _is_other(items[0], Stream.REWARD):
            return findings.refuse(
                Rule.RETURN, "a return sums a run of rewards", items[0].span, "e.g. r[t..t+2]"
            )
    elif len(items) != 1 or not ordered:
        if of_loss and name not in functions:
            message, fix = f"there is no function `{short(name)}`", unknown_function(name, findings.few)
            return findings.refuse(Rule.FUNCTION_UNKNOWN, message, call.function.span, fix)
        return findings.refuse(Rule.ARGUMENTS, f"`{name}` is called on one item of a set", place, example)
    if call.shared and name in functions and functions[name].kind is not Kind.VIEW:
        message = f"`as` names a view or a learned map; `{name}` is neither"
        before = place.source.text[: call.shared.span.start].rstrip().removesuffix("as").rstrip()
        leave_out = Fix("leave out `as` and the name", "", (len(before), call.shared.span.end))
        return findings.refuse(Rule.VIEW_NAME, message, place, leave_out)
    for inner in items:
        if isinstance(inner, surface.Apply) and (made := inner.function.text) in SEQUENCES:
            message = f"`{name}` can't be applied to what `{made}` gives"
            inside = f"it stands inside, as in {made}({name}(s[t]), a[t..t+4])"
            fix = inside if made in ROLLOUTS else "name the return alone"
            return findings.refuse(Rule.MISAPPLIED, message, inner.span, fix)
    return True


def _is_number(argument: surface.Argument) -> TypeGuard[surface.Expression]:
    return not isinstance(argument, surface.Run | surface.Apply | surface.Broken)


def _is_other(argument: surface.Argument, stream: Stream) -> bool:
    """Whether an argument is no run of a stream, but a call or the run of another one."""
    return not isinstance(argument, surface.Run) or argument.stream.text in set(Stream) - {stream}


def _is_run(run: surface.Run, parameters: Collection[str] | None, findings: Findings) -> bool:
    """Whether a run names a stream, and steps from t."""
    stream = run.stream.text in list(Stream)
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
        fix = Fix.write(f"t+{short(base)}")
        return findings.refuse(Rule.STEP, "steps are counted from t", step.span, fix)
    if base != "t":
        message = f"a step counts from t, not from `{short(base)}`"
        return findings.refuse(Rule.STEP, message, step.base.span, "write t, t+1, ...")
    unknown = [name for _, name in step.parameters if name.text not in (parameters or ())]
    if parameters is None and (unknown or len(step.moves) > 1):
        named = any(name.text.isidentifier() for name in unknown)
        plain = "e.g. t+3" + "; parameters such as k belong to loss grammars" * named
        return findings.refuse(Rule.STEP, "a step is t, or t plus one whole number", step.span, plain)
    for name in unknown:
        if not name.text.isidentifier():
            findings.note(Rule.STEP, "a step counts in whole numbers", name.span, "e.g. t+3")
            continue
        there = "the grammar has no `for ... in ...`"
        if parameters:
            are = "parameters are" if len(parameters) > 1 else "parameter is"
            there = f"the {are} {', '.join(parameters)}"
        findings.note(Rule.STEP, f"there is no parameter `{name.text}`", name.span, there)
    return not unknown


def _is_inside(run: surface.Run, binding: surface.Binding, findings: Findings) -> bool:
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

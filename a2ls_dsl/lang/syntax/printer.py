"""From trees back to text. The print of a canonical loss is its identity."""

from __future__ import annotations

import re
from collections.abc import Iterable

from a2ls_dsl.lang.syntax.tree import (
    Call,
    Comparison,
    Element,
    Item,
    Loss,
    Option,
    Ref,
    Return,
    Rollout,
    Schedule,
    Weight,
)
from a2ls_dsl.words.agent import DISCOUNT, RETURN
from a2ls_dsl.words.language import SCHEDULE, Stream
from a2ls_dsl.words.numbers import print_number

RUN_LENGTH = 3
"""From this many steps in a row on, elements print as a run."""


def print_loss(loss: Loss) -> str:
    """A loss on one line: `mse({ s[t] } -> { s[t+1] })`, `1.0 * curl + 0.1 * mse(...)`."""
    if len(loss.terms) == 1 and loss.terms[0].weight == 1.0:
        return print_term(loss.terms[0].term)
    return " + ".join(f"{print_weight(part.weight)} * {print_term(part.term)}" for part in loss.terms)


def print_weight(weight: Weight) -> str:
    """`0.5`, `linear(0.0, 1.0, 100000)`."""
    if isinstance(weight, Schedule):
        return f"{SCHEDULE}({float(weight.start)!r}, {float(weight.end)!r}, {weight.frames})"
    return repr(float(weight))


def print_term(term: Comparison | Ref) -> str:
    if isinstance(term, Ref):
        return term.name
    sets = [print_set(items) for items in sets_of(term)]
    return f"{term.operator}({' -> '.join(sets)}){print_tail(term)}"


def sets_of(term: Comparison) -> list[tuple[Item, ...]]:
    """The sets that a comparison is written with: an operator of one set has no target."""
    unary = not term.target and (term.sides is None or len(term.sides) == 1)
    return [term.source] if unary else [term.source, term.target]


def print_tail(term: Comparison) -> str:
    """What stands behind the parenthesis: ` against batch with temperature = 0.1`."""
    negatives = " against batch" if term.against_batch else ""
    options = ", ".join(map(print_option, term.options))
    return negatives + (f" with {options}" if options else "")


def print_option(option: Option) -> str:
    """`head = mlp(256) as q`, `bins = 101`."""
    value = option.value
    text = print_map(value.name, value.numbers) if isinstance(value, Call) else print_number(value)
    return f"{option.name} = {text}" + (f" as {option.shared}" if option.shared else "")


def print_set(items: Iterable[Item]) -> str:
    """`{ s[t], a[t..t+2] }`; items must be in canonical order for runs to be found."""
    return "{ " + ", ".join(text for _, text in print_runs(items)) + " }"


def print_runs(items: Iterable[Item]) -> list[tuple[Stream, str]]:
    """The items of a set with their streams, elements in a row joined into runs."""
    return [(stream_of(run[0]), _print_item(run[0], run[-1])) for run in runs_of(items)]


def runs_of(items: Iterable[Item]) -> list[list[Item]]:
    """The items of a set, of which `RUN_LENGTH` or more elements in a row stand together."""
    groups: list[list[Item]] = []
    for item in items:
        if groups and _follows(groups[-1][-1], item):
            groups[-1].append(item)
        else:
            groups.append([item])
    runs = []
    for group in groups:
        runs += [group] if len(group) >= RUN_LENGTH else [[item] for item in group]
    return runs


def print_item(item: Item) -> str:
    """One item of a set."""
    return _print_item(item, item)


def print_anew(element: Element, calls: Iterable[Call]) -> str:
    """An element under other calls, its run and all else as it was written."""
    span = element.span
    run = span and re.search(r"\w+\s*\[[^]]*\]", span.source.text[span.start : span.end])
    text = run[0] if run else print_run(element.stream, element.offset, element.last)
    for call in calls:
        text = print_call(call, text)
    return text


def print_call(call: Call, text: str) -> str:
    """A call of what a text says: `shift(s[t], 8)`, `shift(s[t]) as x`."""
    called = f"{call.name}({', '.join([text, *map(print_number, call.numbers)])})"
    return f"{called} as {call.shared}" if call.shared else called


def print_step(offset: int) -> str:
    """`t`, `t+3`."""
    return f"t+{offset}" if offset else "t"


def print_run(stream: Stream, first: int, last: int) -> str:
    """`a[t..t+3]`, or `a[t]` where both ends are the same."""
    return f"{stream}[{print_step(first)}" + (f"..{print_step(last)}]" if last != first else "]")


def stream_of(item: Item) -> Stream:
    """The stream that an item stands with in a row: a rollout with the states, a return with the rewards."""
    match item:
        case Element():
            return item.stream
        case Rollout():
            return item.start.stream
        case Return():
            return Stream.REWARD


def _follows(before: Item, after: Item) -> bool:
    return (
        isinstance(before, Element)
        and isinstance(after, Element)
        and (before.stream, before.calls) == (after.stream, after.calls)
        and before.until is after.until is None
        and after.offset == before.offset + 1
    )


def _print_item(first: Item, last: Item) -> str:
    match first:
        case Rollout(start, action, length):
            actions = print_run(Stream.ACTION, action, action + length - 1)
            return f"{first.name}({print_item(start)}, {actions})"
        case Return(reward, end, bootstrap, discount):
            arguments = [print_run(Stream.REWARD, reward, end)]
            arguments += [print_item(bootstrap)] if bootstrap else []
            arguments += [print_number(discount)] if discount != DISCOUNT.default else []
            return f"{RETURN}({', '.join(arguments)})"
        case Element(stream, offset, calls):
            text = print_run(stream, offset, last.last)
            for call in calls:
                text = print_call(call, text)
            return text


def print_map(name: str, numbers: Iterable[float]) -> str:
    """`linear`, `mlp(256)`."""
    inside = ", ".join(map(print_number, numbers))
    return f"{name}({inside})" if inside else name

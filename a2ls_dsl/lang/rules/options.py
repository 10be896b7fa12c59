"""The rules of an operator's words, each said once: its negatives and options, whatever its sets are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from a2ls_dsl.diagnostics import Fix
from a2ls_dsl.lang.messages.codes import Rule
from a2ls_dsl.lang.messages.unknown_names import unknown_option
from a2ls_dsl.lang.rules.types import Place, Problem
from a2ls_dsl.lang.syntax.printer import print_option
from a2ls_dsl.lang.syntax.tree import Call, Option
from a2ls_dsl.words.entry import LAYER, MAX_LAYERS, Needs, Negatives, Operator
from a2ls_dsl.words.language import HEAD, HIGH, LOW, NONE, PROJECTOR, TRANSITION
from a2ls_dsl.words.maps import MAPS
from a2ls_dsl.words.numbers import print_number
from a2ls_dsl.words.registry import heads


def word_problems(entry: Operator, against_batch: bool, options: Sequence[Option]) -> Iterator[Problem]:
    """What is wrong with an operator, its negatives and options, whatever its sets are."""
    if against_batch and entry.negatives is not Negatives.ON_REQUEST:
        always = entry.negatives is Negatives.ALWAYS
        message = f"`{entry.name}` " + ("is against the batch by nature" if always else "takes no negatives")
        yield Problem(Rule.NO_NEGATIVES, message, Fix("leave out `against batch`", ""), Place.NEGATIVES)
    seen = set[str]()
    for option in options:
        if option.name in seen:
            yield Problem(Rule.OPTION_TWICE, f"`{option.name}` is given twice", left_out(option), option)
        elif option.name in MAPS:
            yield from _map(option, entry)
        else:
            yield from _number(option, entry, against_batch)
        seen.add(option.name)
    yield from _pairs(options, entry)
    yield from _ends(options, entry)


def _map(option: Option, entry: Operator) -> Iterator[Problem]:
    call = option.value if isinstance(option.value, Call) else None
    if option.name not in entry.maps:
        message = f"`{entry.name}` has no {option.name}: {_WITHOUT[option.name]}"
        yield Problem(Rule.OPTION_UNKNOWN, message, left_out(option), option)
    elif call is None or call.name not in heads:
        message = f"there is no such {option.name}: `{print_option(option)}`"
        fix = f"a {option.name} is {', '.join(heads)}, e.g. mlp(256)"
        yield Problem(Rule.OPTION_VALUE, message, fix, option)
    elif heads[call.name].layers and not 1 <= len(call.numbers) <= MAX_LAYERS:
        message = f"`{call.name}` takes the widths of 1 to {MAX_LAYERS} hidden layers"
        yield Problem(Rule.OPTION_VALUE, message, f"e.g. {heads[call.name].example}", option)
    elif call.numbers and not heads[call.name].layers:
        plain = Fix.write(f"{option.name} = {call.name}")
        yield Problem(Rule.OPTION_VALUE, f"`{call.name}` takes no numbers", plain, option)
    elif problem := range_problem(option, entry):
        yield problem
    elif call.name == NONE and option.shared:
        message = f"`none` is no {option.name} that could be shared"
        yield Problem(Rule.OPTION_VALUE, message, _unshared(option), option)
    elif call.name == NONE and option.name == TRANSITION:
        message = "a rollout can't do without a transition"
        yield Problem(Rule.OPTION_VALUE, message, "e.g. transition = mlp(256)", option)
    elif heads[call.name].residual and option.name != TRANSITION:
        message = f"`{call.name}` adds to a latent, as a transition does; no {option.name} can"
        yield Problem(Rule.OPTION_VALUE, message, "e.g. mlp(256)", option)
    elif call.name == NONE and option.name == HEAD and entry.needs_head:
        message = f"`{entry.name}` can't do without a head: its prediction is no row like the target"
        yield Problem(Rule.OPTION_VALUE, message, "e.g. head = linear", option)


_WITHOUT = {
    HEAD: "it looks at the rows themselves",
    PROJECTOR: "it looks at the latents themselves",
    TRANSITION: "it looks at single steps",
}


def _number(option: Option, entry: Operator, against_batch: bool) -> Iterator[Problem]:
    parameter = entry.option(option.name)
    if parameter is None:
        names = [*entry.maps, *(option.name for option in entry.options)]
        message = f"`{entry.name}` has no option `{option.name}`"
        fix = unknown_option(option.name, names)
        if isinstance(fix, Fix) and option.span:
            fix = replace(fix, at=(option.span.start, option.span.start + len(option.name)))
        yield Problem(Rule.OPTION_UNKNOWN, message, fix, option)
    elif problem := range_problem(option, entry):
        yield problem
    elif option.shared:
        message = f"`as` names a head; `{parameter.name}` is none"
        yield Problem(Rule.OPTION_VALUE, message, _unshared(option), option)
    elif parameter.needs is Needs.NEGATIVES and not against_batch:
        message = f"`{option.name}` divides similarities to the batch; there are none"
        yield Problem(Rule.OPTION_UNKNOWN, message, "add `against batch`", option)


def _pairs(options: Sequence[Option], entry: Operator) -> Iterator[Problem]:
    """No option is given without the one that belongs to it: nobody would think of its default."""
    names = {option.name for option in options}
    for option in options:
        parameter = entry.option(option.name)
        if parameter and parameter.beside and parameter.beside not in names:
            message = f"`{option.name}` is given without `{parameter.beside}`"
            fix = f"give `{parameter.beside}`, too, or neither"
            yield Problem(Rule.OPTION_ALONE, message, fix, option)


def _ends(options: Sequence[Option], entry: Operator) -> Iterator[Problem]:
    """A range that is given begins below its end; from 0 to 0 it is the natural one."""
    given = {option.name: option for option in options if option.name in (LOW, HIGH)}
    values = {name: option.value for name, option in given.items() if not isinstance(option.value, Call)}
    if entry.option(LOW) and len(values) == 2 and any(values.values()) and values[LOW] >= values[HIGH]:
        message = f"the bins lie from {print_number(values[LOW])} to {print_number(values[HIGH])}"
        fix = f"let `{LOW}` be less than `{HIGH}`"
        yield Problem(Rule.OPTION_VALUE, message, fix, next(iter(given.values())))


def range_problem(option: Option, entry: Operator) -> Problem | None:
    """What is wrong with the value of an option that an operator has: a number, or widths of layers."""
    if option.name in MAPS:
        if isinstance(option.value, Call) and all(map(LAYER.holds, option.value.numbers)):
            return None
        return Problem(Rule.OPTION_VALUE, f"the width of a layer is {LAYER}", "e.g. mlp(256)", option)
    parameter = entry.option(option.name)
    if parameter is None or (not isinstance(option.value, Call) and parameter.range.holds(option.value)):
        return None
    fix = Fix.write(f"{parameter.name} = {print_number(parameter.default)}")
    return Problem(Rule.OPTION_VALUE, f"`{parameter.name}` is {parameter.range}", fix, option)


def _unshared(option: Option) -> Fix:
    return Fix(f"leave out `as {option.shared}`", print_option(replace(option, shared=None)))


def left_out(option: Option) -> str | Fix:
    """The edit that removes an option, with the comma or the `with` that is too many then."""
    words = "remove it"
    if option.span is None:
        return words
    text, start, end = option.span.source.text, option.span.start, option.span.end
    before, behind = text[:start].rstrip(), text[end:]
    if before.endswith(","):
        return Fix(words, "", (len(before) - 1, end))
    if behind.lstrip().startswith(","):
        following = behind.lstrip()[1:]
        return Fix(words, "", (start, len(text) - len(following.lstrip())))
    return Fix(words, "", (len(before.removesuffix("with").rstrip()), end))

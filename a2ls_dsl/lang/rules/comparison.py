"""The rules of a comparison, each said once: the checker asks them of a loss, a grammar of its alternatives.

A rule looks at sets in canonical form, so the order of elements, repetition and written defaults can't change
its answer. It gives the problems that it finds, each with what it is about; the checker turns these into
diagnostics with places, and a grammar leaves out whatever has a problem.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TypeAlias

from a2ls_dsl.diagnostics import Fix
from a2ls_dsl.lang.messages.codes import Rule
from a2ls_dsl.lang.messages.unknown_names import unknown_option
from a2ls_dsl.lang.rules.canonical import SOURCE, TARGET, canonical_items
from a2ls_dsl.lang.rules.types import (
    Parts,
    Place,
    Problem,
    Side,
    Width,
    groups,
    is_latent,
    row_words,
    run_length,
    type_of,
    width_of,
)
from a2ls_dsl.lang.syntax.printer import print_item, print_option, print_runs
from a2ls_dsl.lang.syntax.tree import Call, Element, Option, Rollout
from a2ls_dsl.words.entry import LAYER, MAX_LAYERS, Needs, Negatives, Operator, Sets, Type
from a2ls_dsl.words.language import HEAD, NONE, PROJECTOR, TRANSITION, Stream
from a2ls_dsl.words.maps import MAPS
from a2ls_dsl.words.numbers import print_number
from a2ls_dsl.words.registry import heads


def problems(parts: Parts) -> list[Problem]:
    """What is wrong with a comparison; where something is, what follows from it is not looked at."""
    for test in TESTS:
        if wrong := list(test(parts)):
            return wrong
    return []


def number_of_sets(entry: Operator, written: int) -> Iterator[Problem]:
    """An operator has its number of sets, one or two."""
    if entry.unary and written == 2:
        message = f"`{entry.name}` looks at one set, here are two"
        yield Problem(Rule.NUMBER_OF_SETS, message, f"as in {entry.name}({{ s[t] }})", Place.TERM)
    elif not entry.unary and written == 1:
        fix = f"as in {entry.name}({{ source }} -> {{ target }})"
        yield Problem(Rule.NUMBER_OF_SETS, f"`{entry.name}` compares two sets, here is one", fix, Place.TERM)


def word_problems(entry: Operator, against_batch: bool, options: Iterable[Option]) -> Iterator[Problem]:
    """What is wrong with an operator, its negatives and options, whatever its sets are."""
    if against_batch and entry.negatives is not Negatives.ON_REQUEST:
        always = entry.negatives is Negatives.ALWAYS
        message = f"`{entry.name}` " + ("is against the batch by nature" if always else "takes no negatives")
        yield Problem(Rule.NO_NEGATIVES, message, Fix("leave out `against batch`", ""), Place.NEGATIVES)
    seen = set[str]()
    for option in options:
        if option.name in seen:
            yield Problem(Rule.OPTION_TWICE, f"`{option.name}` is given twice", _left_out(option), option)
        elif option.name in MAPS:
            yield from _map(option, entry)
        else:
            yield from _number(option, entry, against_batch)
        seen.add(option.name)


def _sets(parts: Parts) -> Iterator[Problem]:
    return number_of_sets(parts.entry, 1 + (parts.target is not None))


def _rollouts(parts: Parts) -> Iterator[Problem]:
    """Rollouts stand in a source, all of one length, beside runs and opposite runs of that length."""
    entry, source, target = parts.entry, parts.source, parts.target
    if target and target.lengths and not (entry.sets is Sets.TRANSITION and target.lengths == {1}):
        misplaced = next(item for item in target.items if isinstance(item, Rollout))
        message, fix = "a rollout stands in the source; what it is compared with stands in the target", ""
        if entry.sets is Sets.TRANSITION:
            message, fix = "the next state of a transition is one step ahead", "e.g. rollout(s[t], a[t])"
        yield Problem(Rule.ROLLOUT_PLACE, message, fix or "e.g. { s[t+1..t+5] }", misplaced)
        return
    rolled = [item for item in source.items if isinstance(item, Rollout)]
    if not parts.rolled:
        return
    if target is None or entry.pairwise:
        message = f"`{entry.name}` looks at single steps, not along a rollout"
        yield Problem(Rule.ROLLOUT_PLACE, message, "name a state, e.g. s[t]", rolled[0])
    elif len(source.lengths) > 1:
        odd = next(rollout for rollout in rolled if rollout.length != rolled[0].length)
        message = f"the rollouts of a source have one length; these have {rolled[0].length} and {odd.length}"
        yield Problem(Rule.ROLLOUT_PLACE, message, "take as many actions in each", odd)
    elif source.row is None or target.row is None:
        yield _optional(Rule.ROLLOUT_TARGET, "along a rollout", source)
    elif source.steps != parts.rolled:
        yield _unlike(rolled[0], source, Place.SOURCE)
    elif target.steps != parts.rolled:
        yield _unlike(rolled[0], target, Place.TARGET)


def _unlike(rollout: Rollout, side: Side, place: Place) -> Problem:
    """The first part of a set that is no run as long as the rollout."""
    plain = canonical_items(side.items, TARGET if place is Place.TARGET else SOURCE)
    written = dict(zip(plain, side.items, strict=True))
    part = [written[item] for item in next(p for p in groups(plain) if run_length(p) != rollout.length)]
    named = ", ".join(text for _, text in print_runs(part))
    count = f"{rollout.length} step" + "s" * (rollout.length > 1)
    where = "of its target" if place is Place.TARGET else "beside it"
    message = f"this rollout has {count}, and so has each part {where}; not so {named}"
    first, fix = part[0], "e.g. one return a step, each one step later"
    if isinstance(first, Element):
        later = first.stream not in (Stream.ACTION, Stream.REWARD) and not rollout.visited
        start = rollout.first + later
        calls = first.calls[first.until is not None :]
        run = [Element(first.stream, start + step, calls) for step in range(rollout.length)]
        fix = f"e.g. {', '.join(text for _, text in print_runs(run))}"
    rule = Rule.ROLLOUT_TARGET if place is Place.TARGET else Rule.ROLLOUT_PLACE
    return Problem(rule, message, fix, first)


def _contents(parts: Parts) -> Iterator[Problem]:
    """The sets hold what the operator compares."""
    entry, source, target = parts.entry, parts.source, parts.target
    match entry.sets:
        case Sets.LATENTS:
            for item in (item for side in (source, target) if side for item in side.items):
                if not is_latent(item):
                    message = f"`{entry.name}` is about latents; {print_item(item)} is {type_of(item)}"
                    yield Problem(Rule.CONTENTS, message, "take it out, or use another operator", item)
                    return
        case Sets.DATA_TARGET:
            for item in target.items if target else ():
                if width_of(item) in (Width.LATENT, Width.RAW):
                    kind = Type.LATENT if is_latent(item) else type_of(item)
                    message = (
                        f"`{entry.name}` predicts numbers of a known range; {print_item(item)} is {kind}"
                    )
                    fix = "use mse, or predict actions, rewards, returns, values or done"
                    yield Problem(Rule.CONTENTS, message, fix, item)
                    return
        case Sets.TRANSITION:
            example = f"as in {entry.name}({{ s[t] }} -> {{ r[t], s[t+1] }})"
            if source.row is None or (target and target.row is None):
                yield _optional(Rule.CONTENTS, f"in `{entry.name}`", source)
            elif source.row != (Width.LATENT,):
                yield Problem(
                    Rule.CONTENTS, f"the source of `{entry.name}` is one state", example, Place.SOURCE
                )
            elif target is None or target.rewards != 1 or sorted(target.row or ()) != _TRANSITION:
                message = f"the target of `{entry.name}` is one reward and one state"
                yield Problem(Rule.CONTENTS, message, example, Place.TARGET)


_TRANSITION = sorted([Width.NUMBER, Width.LATENT])


def _words(parts: Parts) -> Iterator[Problem]:
    """Negatives and options fit the operator and the sets."""
    wrong = list(word_problems(parts.entry, parts.against_batch, parts.options))
    yield from wrong
    for option in parts.options:
        parameter = parts.entry.option(option.name)
        reported = any(problem.about is option for problem in wrong)
        if parameter and parameter.needs is Needs.ROLLOUT and not parts.rolled and not reported:
            message = f"`{option.name}` weighs the steps of a rollout; there is none"
            yield Problem(Rule.OPTION_UNKNOWN, message, _left_out(option), option)
        if option.name == TRANSITION and not parts.rolls and not reported:
            message = f"a `{TRANSITION}` is what a rollout applies; there is none"
            yield Problem(Rule.OPTION_UNKNOWN, message, _left_out(option), option)


def _map(option: Option, entry: Operator) -> Iterator[Problem]:
    call = option.value if isinstance(option.value, Call) else None
    if option.name not in entry.maps:
        message = f"`{entry.name}` has no {option.name}: {_WITHOUT[option.name]}"
        yield Problem(Rule.OPTION_UNKNOWN, message, _left_out(option), option)
    elif call is None or call.name not in heads:
        message = f"there is no such {option.name}: `{print_option(option)}`"
        fix = f"a {option.name} is {', '.join(heads)}, e.g. mlp(256)"
        yield Problem(Rule.OPTION_VALUE, message, fix, option)
    elif heads[call.name].layers and not 1 <= len(call.numbers) <= MAX_LAYERS:
        message = f"`{call.name}` takes the widths of 1 to {MAX_LAYERS} hidden layers"
        yield Problem(Rule.OPTION_VALUE, message, f"e.g. {heads[call.name].example}", option)
    elif call.numbers and not heads[call.name].layers:
        yield Problem(
            Rule.OPTION_VALUE,
            f"`{call.name}` takes no numbers",
            Fix.write(f"{option.name} = {call.name}"),
            option,
        )
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


def _left_out(option: Option) -> str | Fix:
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


def _rows(parts: Parts) -> Iterator[Problem]:
    """Without a head, the source row itself is compared with the target row."""
    source, target = parts.source, parts.target
    if target is None or parts.entry.pairwise or not parts.headless:
        return
    if source.row is None or target.row is None:
        yield _optional(Rule.ROWS_DIFFER, "without a head", source)
        return
    here, there = parts.rows
    if here != there:
        message = f"without a head both rows are alike, but {row_words(here)} meet {row_words(there)}"
        fix = (
            "let a head map one onto the other" if parts.entry.head else "name as many of each on both sides"
        )
        option = next((option for option in parts.options if option.name == HEAD), None)
        yield Problem(Rule.ROWS_DIFFER, message, fix, option or Place.TERM)


def _optional(code: Rule, where: str, source: Side) -> Problem:
    """Only a grammar has optional elements: there a combination is taken or left out as a whole."""
    message = f"{where} a row counts as a whole, so `some of` does not go with it"
    about = Place.SOURCE if source.row is None else Place.TARGET
    return Problem(code, message, "write the sets out with `|`", about)


Test: TypeAlias = Callable[[Parts], Iterator[Problem]]

TESTS: tuple[Test, ...] = (_sets, _rollouts, _contents, _words, _rows)
"""In the order in which they are asked: each counts on those before it."""

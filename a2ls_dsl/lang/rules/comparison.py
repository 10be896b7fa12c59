"""The rules of a comparison, each said once: the checker asks them of a loss, a grammar of its alternatives.

A rule looks at sets in canonical form, so the order of elements, repetition and written defaults can't change
its answer. It gives the problems that it finds, each with what it is about; the checker turns these into
diagnostics with places, and a grammar leaves out whatever has a problem.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

from a2ls_dsl.lang.messages.codes import Rule
from a2ls_dsl.lang.rules.canonical import SOURCE, TARGET, canonical_items
from a2ls_dsl.lang.rules.options import left_out, word_problems
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
from a2ls_dsl.lang.syntax.printer import print_item, print_runs
from a2ls_dsl.lang.syntax.tree import Element, Rollout
from a2ls_dsl.words.entry import Needs, Operator, Sets, Type
from a2ls_dsl.words.language import HEAD, TRANSITION, Stream


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
    rolled = [item for item in source.items if isinstance(item, Rollout) and item.length in source.lengths]
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
    if isinstance(first, Rollout):
        fix = "take as many actions in each"
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
                    message = f"`{entry.name}` predicts numbers of a known range"
                    message += f"; {print_item(item)} is {kind}"
                    fix = "use mse, or predict actions, rewards, returns, values or done"
                    yield Problem(Rule.CONTENTS, message, fix, item)
                    return
        case Sets.TRANSITION:
            example = f"as in {entry.name}({{ s[t] }} -> {{ r[t], s[t+1] }})"
            if source.row is None or (target and target.row is None):
                yield _optional(Rule.CONTENTS, f"in `{entry.name}`", source)
            elif source.row != (Width.LATENT,):
                message = f"the source of `{entry.name}` is one state"
                yield Problem(Rule.CONTENTS, message, example, Place.SOURCE)
            elif target is None or target.rewards != 1 or sorted(target.row or ()) != _TRANSITION:
                message = f"the target of `{entry.name}` is one reward and one state"
                yield Problem(Rule.CONTENTS, message, example, Place.TARGET)


_TRANSITION = sorted([Width.NUMBER, Width.LATENT])


def _words(parts: Parts) -> Iterator[Problem]:
    """Negatives and options fit the operator and the sets."""
    source, target = parts.source, parts.target
    rolls = source.rolls or (target is not None and target.rolls)
    wrong = list(word_problems(parts.entry, parts.against_batch, parts.options))
    yield from wrong
    for option in parts.options:
        parameter = parts.entry.option(option.name)
        reported = any(problem.about is option for problem in wrong)
        if parameter and parameter.needs is Needs.ROLLOUT and not source.rolls and not reported:
            message = f"`{option.name}` weighs the steps of a rollout; there is none"
            yield Problem(Rule.OPTION_UNKNOWN, message, left_out(option), option)
        if option.name == TRANSITION and not rolls and not reported:
            message = f"a `{TRANSITION}` is what a rollout applies; there is none"
            yield Problem(Rule.OPTION_UNKNOWN, message, left_out(option), option)


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

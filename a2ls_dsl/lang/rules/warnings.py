"""Warnings: what is allowed, and often not meant."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from a2ls_dsl.diagnostics import Fix
from a2ls_dsl.lang.messages.codes import Findings, Rule
from a2ls_dsl.lang.rules.canonical import (
    SOURCE,
    TARGET,
    canonical_items,
    drawn_calls,
    is_fresh,
    ordered_set,
    views_of,
    without_effect,
)
from a2ls_dsl.lang.rules.types import Parts, Width, is_latent, trains_encoder, type_of
from a2ls_dsl.lang.syntax.printer import print_anew, print_item, print_run, print_runs
from a2ls_dsl.lang.syntax.tree import Call, Comparison, Element, Item, Return, Rollout, elements_of
from a2ls_dsl.words.agent import ONLINE, STOP, VALUE
from a2ls_dsl.words.entry import Negatives, Operator, Sets, Type
from a2ls_dsl.words.language import HEAD, NONE, Stream
from a2ls_dsl.words.registry import functions


class Advice:
    """Looks at what is free of errors."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings

    def set(self, items: Iterable[Item], side: str) -> None:
        """Repetition, and calls without effect."""
        seen, reported, items = set[Item](), False, list(items)
        for item, bare in zip(items, canonical_items(items, side), strict=True):
            if bare in seen and not is_fresh(bare) and not reported:
                message = f"{_words([item])} is named twice in this set; it counts once"
                self._findings.note(Rule.REPEATED, message, item.span, "remove one")
                reported = True
            seen.add(bare)
        for item in {item.span or item: item for item in items}.values():
            self._idle(item)

    def term(self, term: Comparison, parts: Parts) -> None:
        """What source and target have to do with each other."""
        entry = parts.entry
        if entry.sets is not Sets.TRANSITION:
            self._overlap(term, parts)
        self._flags(term, parts)
        self._predicted_view(term, parts)
        contrast = term.against_batch or entry.negatives is Negatives.ALWAYS
        if contrast and term.target and all(type_of(item) is Type.DONE for item in term.target):
            message = "nearly all samples have the same terminal flag, so the negatives equal the positive"
            self._findings.note(
                Rule.EQUAL_NEGATIVES, message, term.target[0].span, "use ce without negatives"
            )
        if entry.unit_rows and parts.target and len(parts.rows[1]) == 1:
            only = parts.target.items[0]
            if parts.rows[1] == (Width.NUMBER,):
                message = f"`{entry.name}` divides this number by its size, which leaves only its sign"
                self._findings.note(Rule.ONE_NUMBER, message, only.span, "use mse, huber or ce")
            if (outer := _outermost(only)) and functions[outer].scale_free:
                words = "leave it out"
                fix = _in_place(only, words, only.calls[:-1]) if isinstance(only, Element) else words
                self._no_effect(f"`{outer}`", f"`{entry.name}` divides each row by its length", only, fix)

    def _overlap(self, term: Comparison, parts: Parts) -> None:
        sources = {_named(item, SOURCE) for item in term.source} - {None}
        both = [item for item in term.target if _named(item, TARGET) in sources]
        if not both:
            return
        single = len({_named(item, TARGET) for item in both}) == 1
        verb, pronoun, own = ("is", "it", "itself") if single else ("are", "them", "themselves")
        message = f"{_words(both)} {verb} in the source and in the target"
        message += f"; the predictor can copy {pronoun}" if not parts.headless else f", compared with {own}"
        self._findings.note(Rule.COPIED, message, both[0].span, "allowed, as in a2_winner_v")

    def _flags(self, term: Comparison, parts: Parts) -> None:
        """Terminal flags of the steps at which the actions of a rollout are taken."""
        flags = [item for item in term.target if type_of(item) is Type.DONE]
        starts = [item.first for item in term.source if isinstance(item, Rollout)]
        if not parts.rolled or not flags or min(item.last for item in flags) != min(starts):
            return
        first = min(starts)
        later = print_run(Stream.DONE, first + 1, first + parts.rolled)
        message = f"{_words(flags)} is 0 where an action is taken; what it leads to is a step later"
        self._findings.note(Rule.FLAG_BEFORE, message, flags[0].span, Fix.write(later))

    def _predicted_view(self, term: Comparison, parts: Parts) -> None:
        """A head that nobody wrote, between two views of one state that both train the encoder."""
        if parts.headless or any(option.name == HEAD for option in term.options):
            return
        match term.source, term.target:
            case (Element() as first,), (Element() as second,) if views_of(first) and views_of(second):
                if first.offset == second.offset and is_latent(second) and trains_encoder(second, TARGET):
                    message = "a head foretells one view of a state from the other, both of them learning"
                    fix = f"`with {HEAD} = {NONE}` asks that they are alike"
                    self._findings.note(Rule.PREDICTED_VIEW, message, term.span, fix)

    def _idle(self, item: Item) -> None:
        if isinstance(item, Return) and item.bootstrap is None and item.first == item.last_reward:
            message = "the return of one reward is the reward"
            fix = Fix.write(print_run(Stream.REWARD, item.first, item.first))
            self._findings.note(Rule.NO_EFFECT, message, item.span, fix)
            return
        if isinstance(item, Rollout) and item.visited and item.length == 1:
            why, state = "one action is taken, at the state itself", print_item(item.start)
            self._no_effect(f"`{item.name}`", why, item, f"name {state} itself")
            return
        for element in elements_of([item]):
            calls = element.calls
            if drawn_calls(element) is not calls:
                fix = _in_place(element, "name the step alone", calls[1:])
                self._no_effect(f"`{calls[0].name}`", "there is one step only", item, fix)
                return
            for place, why in without_effect(calls).items():
                rest = (*calls[:place], *calls[place + 1 :])
                fix = _in_place(element, "leave it out", rest)
                if functions[calls[place].name].uncropped:
                    rest = (calls[place], *rest)
                    fix = _in_place(element, f"write {print_anew(element, rest)}", rest)
                self._no_effect(f"`{calls[place].name}`", why, item, fix)
                return
            names = [call.name for call in calls]
            if ONLINE in names and VALUE in names:
                why = "a value passes no gradient on; it means the same as `stop`"
                rest = tuple(replace(call, name=STOP) if call.name == ONLINE else call for call in calls)
                fix = _in_place(element, f"write {print_anew(element, rest)}", rest)
                self._no_effect(f"`{ONLINE}`", why, item, fix)
                return

    def _no_effect(self, what: str, why: str, item: Item, fix: str | Fix) -> None:
        self._findings.note(Rule.NO_EFFECT, f"{what} has no effect: {why}", item.span, fix)


def anchored(term: Comparison, entry: Operator) -> bool:
    """Whether a term can't be made small by encoding every state as the same latent.

    Negatives, a variance, a data label in the target: any of these in a loss keeps the encoder from collapse.
    """
    return entry.anchored or entry.pairwise or term.against_batch or not all(map(is_latent, term.target))


def collapses(term: Comparison, entry: Operator) -> bool:
    """Whether a term alone is least where every state has the same latent, and both sides can go there."""
    if anchored(term, entry):
        return False
    return all(trains_encoder(item, SOURCE if entry.unary else TARGET) for item in term.target or term.source)


def _named(item: Item, side: str) -> object:
    """What an item names, whatever is done to it: None for a fresh draw and what is computed."""
    if isinstance(item, Rollout) or is_fresh(item):
        return None
    if isinstance(item, Element) and type_of(item) is not Type.VALUE:
        drawn = item.calls[:1] if item.until is not None else ()
        return item.stream, item.offset, item.until, drawn, *[view.shared for view in views_of(item)][-1:]
    return canonical_items([item], side)[0]


def _outermost(item: Item) -> str:
    return item.calls[-1].name if isinstance(item, Element) and item.calls else ""


def _in_place(element: Element, words: str, calls: tuple[Call, ...]) -> Fix:
    """The fix that gives an element other calls."""
    span = element.span
    return Fix(words, print_anew(element, calls), (span.start, span.end) if span else None)


def _words(items: Iterable[Item]) -> str:
    return ", ".join(text for _, text in print_runs(ordered_set(items)))

"""Is every item of a set typed: functions exist, take what they are applied to, with numbers in range."""

from __future__ import annotations

from dataclasses import replace

from a2ls_dsl.diagnostics import Fix, Span
from a2ls_dsl.lang.messages.codes import Findings, Rule, head
from a2ls_dsl.lang.messages.codes import place as where
from a2ls_dsl.lang.messages.unknown_names import unknown_function
from a2ls_dsl.lang.rules.types import STREAM_TYPES
from a2ls_dsl.lang.syntax.printer import print_anew, print_item, print_run, print_step
from a2ls_dsl.lang.syntax.tree import Call, Element, Item, Return, Rollout, elements_of
from a2ls_dsl.words.agent import DISCOUNT, STOP, VALUE
from a2ls_dsl.words.entry import GIVES, Function, Kind, Type
from a2ls_dsl.words.language import Stream
from a2ls_dsl.words.numbers import print_number
from a2ls_dsl.words.registry import functions

_TAKEN = {
    Kind.DRAW: "draws a step of a run",
    Kind.VIEW: "is taken of a state",
    Kind.ENCODER: "encodes a state",
    Kind.NORMALISER: "is applied to a latent",
    Kind.ESTIMATE: "estimates a state or a latent",
}


class ItemChecker:
    """Checks items one by one. Methods say whether all is well, so that nothing follows from a mistake."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._views: dict[str, list[Element]] = {}

    def check(self, items: tuple[Item, ...]) -> bool:
        """Check the items of a set; the elements of a run are checked once."""
        clean = True
        for item in {item.span or item: item for item in reversed(items)}.values():
            clean = self._item(item) and clean
        return clean and all(map(self._named, elements_of(items)))

    def finish(self) -> None:
        """Warn of views that share a name with no other in the definition."""
        for name, views in self._views.items():
            if len(views) == 1:
                message = f"the view `{name}` is named once; nothing shares it"
                fix = "name it where it is meant again, or leave out `as`"
                self._findings.note(Rule.NAMED_ONCE, message, views[0].span, fix)

    def _named(self, element: Element) -> bool:
        """Whether the views of an element that have names are written as others of these names."""
        for place, call in enumerate(element.calls, start=1):
            if not call.shared:
                continue
            view = replace(element, calls=(*element.calls[: place - 1], replace(call, shared=None)))
            if view.until is not None:
                message = f"`{call.shared}` is of a step that each term draws anew"
                fix = "name a view of a step: shift(s[t])"
                return self._findings.refuse(Rule.VIEW_NAME, message, element.span, fix)
            views = self._views.setdefault(call.shared, [])
            views.append(view)
            if view != views[0]:
                message = f"the view `{call.shared}` is {print_item(views[0])} in line "
                message += f"{where(views[0].span).line}, here {print_item(view)}"
                fix = "give both the same, or another name"
                return self._findings.refuse(Rule.VIEW_NAME, message, element.span, fix)
        return True

    def _item(self, item: Item) -> bool:
        match item:
            case Rollout():
                return self._rollout(item)
            case Return():
                return self._return(item)
            case Element():
                return self._type(item) is not None

    def _rollout(self, item: Rollout) -> bool:
        kind = self._type(item.start)
        if kind is None:
            return False
        drawn = item.start.until is not None
        if drawn or kind not in (Type.OBSERVATION, Type.LATENT):
            wrong = "a step, not at one that is drawn" if drawn else f"a state, this is {kind}"
            message, fix = f"`{item.name}` starts at {wrong}", f"e.g. {functions[item.name].example}"
            return self._findings.refuse(Rule.MISAPPLIED, message, item.start.span, fix)
        if item.first != item.start.offset or item.length < 1:
            first = item.start.offset
            action, state = print_step(item.first), print_step(first)
            message = f"the first action of this rollout is a[{action}], its state s[{state}]"
            run = print_run(Stream.ACTION, first, first + max(item.length, 1) - 1)
            start = print_anew(item.start, item.start.calls)
            together = Fix(f"let them begin at one step: {run}", f"{item.name}({start}, {run})")
            return self._findings.refuse(Rule.ROLLOUT_START, message, item.span, together)
        return True

    def _return(self, item: Return) -> bool:
        if item.last_reward < item.first:
            message = "a return sums a reward or more"
            return self._findings.refuse(Rule.RUN_BACKWARDS, message, item.span, "e.g. r[t..t+2]")
        if not DISCOUNT.range.holds(item.discount):
            message = f"the discount of a return is {DISCOUNT.range}, not {print_number(item.discount)}"
            plain = print_item(replace(item, discount=DISCOUNT.default))
            mended = Fix(f"leave it out for {DISCOUNT.default}", plain)
            return self._findings.refuse(Rule.NUMBER_RANGE, message, item.span, mended)
        if item.bootstrap is None:
            return True
        kind, after = self._type(item.bootstrap), item.last_reward + 1
        if kind is None:
            return False
        if kind is not Type.VALUE or item.bootstrap.offset != after or item.bootstrap.until is not None:
            message = f"a return over rewards up to {print_run(Stream.REWARD, *[item.last_reward] * 2)}"
            message += f" ends in the value of step {print_step(after)}, not in {print_item(item.bootstrap)}"
            fix = Fix.write(f"{VALUE}(s[{print_step(after)}])")
            return self._findings.refuse(Rule.RETURN, message, item.bootstrap.span, fix)
        return True

    def _type(self, element: Element) -> Type | None:
        """The type of an element, or None after noting why it has none."""
        current = STREAM_TYPES[element.stream]
        for place, call in enumerate(element.calls):
            function = functions.get(call.name)
            if function is None:
                fix = unknown_function(call.name, self._findings.few)
                message = f"there is no function `{call.name}`"
                self._findings.note(Rule.FUNCTION_UNKNOWN, message, _name(call, element), fix)
                return None
            encoded = any(functions[inner.name].kind is Kind.ENCODER for inner in element.calls[:place])
            if current not in function.takes and (call.name != STOP or current is not Type.LATENT or encoded):
                self._misapplied(element, place, function, current)
                return None
            if function.kind is Kind.DRAW and place > 0:
                message = f"`{call.name}` draws one of the steps of a run; a function is called on it"
                fix = _in_order(element)
                self._findings.note(Rule.MISAPPLIED, message, element.span, fix)
                return None
            if not self._numbers(call, function, element):
                return None
            current = GIVES.get(function.kind, current)
        return current

    def _misapplied(self, element: Element, place: int, function: Function, current: Type) -> None:
        taken = _TAKEN.get(function.kind, "is no function of one element")
        message = f"`{function.name}` {taken}, this is {current}"
        calls = element.calls
        kinds = [functions[call.name].kind for call in calls if call.name in functions]
        fix: str | Fix
        if function.kind is Kind.SEQUENCE or len(kinds) < len(calls):
            fix = f"e.g. {function.example}"
        elif current is not Type.LATENT:
            words = "name the element alone" if place == 0 else f"leave out {function.name}"
            fix = Fix(words, print_anew(element, () if place == 0 else (*calls[:place], *calls[place + 1 :])))
        elif kinds.count(Kind.ENCODER) > 1:
            fix = "encode it once: keep one of online, ema and stop"
        else:
            fix = _in_order(element)
        self._findings.note(Rule.MISAPPLIED, message, element.span, fix)

    def _numbers(self, call: Call, function: Function, element: Element) -> bool:
        parameters = function.parameters
        if len(call.numbers) > len(parameters):
            count = len(parameters)
            takes = f"{count} number{'s' * (count > 1)}" if count else "no numbers"
            message = f"`{call.name}` takes {takes}"
            where = call.spans[1 + len(parameters)] if call.spans else element.span
            return self._findings.refuse(Rule.ARGUMENTS, message, where, f"e.g. {function.example}")
        for place, (value, parameter) in enumerate(zip(call.numbers, parameters, strict=False)):
            if not parameter.range.holds(value):
                message = f"`{parameter.name}` of `{call.name}` is {parameter.range}"
                message += f", not {print_number(value)}"
                where = call.spans[1 + place] if call.spans else element.span
                fix = Fix.write(print_number(parameter.default))
                return self._findings.refuse(Rule.NUMBER_RANGE, message, where, fix)
        return True


def _in_order(element: Element) -> Fix:
    """The fix that sorts the calls of an element, which all exist, by their kinds."""
    order = list(Kind)
    calls = sorted(element.calls, key=lambda call: order.index(functions[call.name].kind))
    return Fix.write(print_anew(element, calls))


def _name(call: Call, element: Element) -> Span | None:
    return call.spans[0] if call.spans else head(element.span, call.name)

"""The options of comparisons: has the operator got them, are their values possible, do shared heads agree."""

from __future__ import annotations

from dataclasses import dataclass

from a2ls_dsl.lang.aliases import unknown_option
from a2ls_dsl.lang.ast import Call, Comparison, Option
from a2ls_dsl.lang.findings import Findings, place
from a2ls_dsl.lang.numbers import print_number
from a2ls_dsl.lang.operators import HEAD, HEADS, LAYER, MAX_LAYERS, MLP, NONE, Needs, NumberOption, Operator
from a2ls_dsl.lang.printer import print_option
from a2ls_dsl.lang.settings import head_of, number_of
from a2ls_dsl.lang.types import Width, rollouts, steps, widths


@dataclass(frozen=True)
class _Use:
    """A named head where it first stood: its option, and the widths that it maps from and to."""

    option: Option
    source: tuple[Width, ...]
    target: tuple[Width, ...]
    bins: float


class OptionChecker:
    """Checks the options of the terms of one definition, whose heads share names."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._heads: dict[str, list[_Use]] = {}

    def check(self, term: Comparison, entry: Operator) -> bool:
        """Check the options of a term whose sets are fine; whether all is well."""
        clean, seen = True, set[str]()
        for option in term.options:
            if option.name in seen:
                message = f"`{option.name}` is given twice"
                self._findings.note("A2L042", message, option.span, "remove one")
                clean = False
            elif option.name == HEAD:
                clean = self._head(option, entry) and clean
            else:
                clean = self._number(option, term, entry) and clean
            seen.add(option.name)
        return clean and self._rows(term, entry) and self._shared(term)

    def finish(self) -> None:
        """Warn of names that only one term of the definition uses."""
        for name, uses in self._heads.items():
            if len(uses) == 1:
                message = f"the head `{name}` is named once; nothing shares it"
                fix = "name it in another term of this loss too, or leave out `as`"
                self._findings.note("A2L106", message, uses[0].option.span, fix)

    def _head(self, option: Option, entry: Operator) -> bool:
        call = option.value if isinstance(option.value, Call) else None
        if not entry.head:
            message = f"`{entry.name}` has no head: it looks at the rows themselves"
            self._findings.note("A2L027", message, option.span, "remove it")
        elif call is None or call.name not in HEADS:
            message = f"there is no such head: `{print_option(option)}`"
            self._findings.note(
                "A2L041", message, option.span, f"a head is {', '.join(HEADS)}, e.g. mlp(256)"
            )
        elif call.name == MLP and not 1 <= len(call.numbers) <= MAX_LAYERS:
            message = f"`mlp` takes the widths of 1 to {MAX_LAYERS} hidden layers"
            self._findings.note("A2L041", message, option.span, "e.g. mlp(256)")
        elif call.name != MLP and call.numbers:
            self._findings.note(
                "A2L041", f"`{call.name}` takes no numbers", option.span, f"write {call.name}"
            )
        elif not all(LAYER.holds(each) for each in call.numbers):
            self._findings.note("A2L041", f"the width of a layer is {LAYER}", option.span, "e.g. mlp(256)")
        elif call.name == NONE and option.shared:
            message = "`none` is no head that could be shared"
            self._findings.note("A2L041", message, option.span, f"leave out `as {option.shared}`")
        elif call.name == NONE and entry.needs_head:
            message = f"`{entry.name}` can't do without a head: its prediction is no row like the target"
            self._findings.note("A2L041", message, option.span, "e.g. head = linear")
        else:
            return True
        return False

    def _number(self, option: Option, term: Comparison, entry: Operator) -> bool:
        known = entry.option(option.name)
        if known is None:
            names = [HEAD] * entry.head + [each.name for each in entry.options]
            fix = unknown_option(option.name, names, self._findings.few)
            message = f"`{entry.name}` has no option `{option.name}`"
            self._findings.note("A2L027", message, option.span, fix)
        elif isinstance(option.value, Call) or not known.range.holds(option.value):
            message = f"`{known.name}` is {known.range}"
            fix = f"leave it out for {print_number(known.default)}"
            self._findings.note("A2L041", message, option.span, fix)
        elif option.shared:
            message = f"`as` names a head; `{known.name}` is none"
            self._findings.note("A2L041", message, option.span, f"leave out `as {option.shared}`")
        elif lacks := _lacks(known, term):
            message, fix = lacks
            self._findings.note("A2L027", message, option.span, fix)
        else:
            return True
        return False

    def _rows(self, term: Comparison, entry: Operator) -> bool:
        """Without a head, the source row itself is compared with the target row."""
        head = head_of(term)
        if entry.unary or entry.pairwise or (head is not None and head.kind != NONE):
            return True
        source, target = steps(term)[0]
        if widths(source) == widths(target):
            return True
        option = next((each for each in term.options if each.name == HEAD), None)
        here, there = _words(widths(source)), _words(widths(target))
        message = f"without a head both rows are alike, but {here} meet {there}"
        fix = "let a head map one onto the other" if entry.head else "name as many of each on both sides"
        self._findings.note("A2L043", message, option.span if option else term.span, fix)
        return False

    def _shared(self, term: Comparison) -> bool:
        option = next((each for each in term.options if each.shared), None)
        if option is None or option.shared is None:
            return True
        source, target = steps(term)[0]
        use = _Use(option, widths(source), widths(target), number_of(term, "bins", 1.0))
        uses = self._heads.setdefault(option.shared, [])
        uses.append(use)
        first = uses[0]
        line = place(first.option.span).line
        if use.option.value != first.option.value:
            message = f"the head `{option.shared}` is `{print_option(first.option)}` in line {line}"
            self._findings.note("A2L050", message, option.span, "write the same here, or another name")
            return False
        for what, here, there in (
            ("reads", (use.source, 1.0), (first.source, 1.0)),
            ("predicts", (use.target, use.bins), (first.target, first.bins)),
        ):
            if here != there:
                before, now = _words(there[0]), _words(here[0])
                message = f"the head `{option.shared}` {what} {before} in line {line}, here {now}"
                if before == now:
                    message = f"the head `{option.shared}` {what} other bins in line {line}"
                self._findings.note("A2L050", message, option.span, "use it for equal rows, or another name")
                return False
        return True


def _lacks(option: NumberOption, term: Comparison) -> tuple[str, str] | None:
    """What an option needs that is not there."""
    if option.needs is Needs.NEGATIVES and not term.against_batch:
        return f"`{option.name}` divides similarities to the batch; there are none", "add `against batch`"
    if option.needs is Needs.ROLLOUT and not rollouts(term):
        return f"`{option.name}` weighs the steps of a rollout; there is none", "remove it"
    return None


def _words(row: tuple[Width, ...]) -> str:
    """`2 latents and 1 action`."""
    counts = {width: row.count(width) for width in dict.fromkeys(row)}
    return " and ".join(f"{n} {width.value}{'s' * (n > 1)}" for width, n in counts.items())

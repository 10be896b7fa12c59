"""What a comparison must satisfy: its sets, its operator, its negatives. Options: `check_options.py`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from a2ls_dsl.diagnostics import Span
from a2ls_dsl.lang.advice import Advice
from a2ls_dsl.lang.aliases import unknown_operator
from a2ls_dsl.lang.ast import Comparison, Element, Item, Rollout, Stream
from a2ls_dsl.lang.canonical import SOURCE, TARGET
from a2ls_dsl.lang.check_items import ItemChecker
from a2ls_dsl.lang.check_options import OptionChecker
from a2ls_dsl.lang.findings import Findings, head
from a2ls_dsl.lang.functions import Type
from a2ls_dsl.lang.operators import Negatives, Operator, Sets
from a2ls_dsl.lang.printer import print_item, print_runs, stream_of
from a2ls_dsl.lang.registry import operators
from a2ls_dsl.lang.types import Width, groups, is_latent, rollouts, trains_encoder, type_of, width_of


class TermChecker:
    """Checks the terms of one definition."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._items = ItemChecker(findings)
        self._options = OptionChecker(findings)
        self._advice = Advice(findings)

    def check(self, term: Comparison) -> bool:
        """Check one comparison; whether it is free of errors."""
        entry = operators.get(term.operator)
        if entry is None:
            fix = unknown_operator(term.operator, self._findings.few)
            message = f"there is no operator `{term.operator}`"
            self._findings.note("A2L021", message, head(term.span, term.operator), fix)
        elif not self._number_of_sets(term, entry):
            return False
        first, *second = term.sides or (term.span, term.span)
        sides = (first, second[0] if second else None)
        source = self._set("source", term.source, sides[0])
        one = entry.unary if entry else not second
        target = one or self._set("target", term.target, sides[1])
        if not source:
            return False
        if not self._gradient(term, sides[0]) or not target or entry is None:
            return False
        if not (self._steps(term, entry, sides) and self._contents(term, entry, sides)):
            return False
        clean = self._negatives(term, entry)
        clean = self._options.check(term, entry) and clean
        self._advice.term(term, entry)
        return clean

    def finish(self) -> None:
        """What can be said once all terms were seen."""
        self._options.finish()

    def _number_of_sets(self, term: Comparison, entry: Operator) -> bool:
        written = len(term.sides) if term.sides else 1 + bool(term.target)
        if entry.unary and written == 2:
            message = f"`{entry.name}` looks at one set, here are two"
            self._findings.note("A2L048", message, term.span, f"write {entry.name}({{ s[t] }})")
            return False
        if not entry.unary and term.sides and written == 1:
            message = f"`{entry.name}` compares two sets, here is one"
            fix = f"write {entry.name}({{ source }} -> {{ target }})"
            self._findings.note("A2L048", message, term.span, fix)
            return False
        return True

    def _set(self, side: str, items: tuple[Item, ...], where: Span | None) -> bool:
        """Check one set; False if something is wrong with it, so that nothing more is said about it."""
        if self._findings.damaged(where):
            return False
        if not items:
            self._findings.note("A2L035", f"the {side} is empty", where, "put an element in it, e.g. s[t]")
            return False
        clean = self._items.check(items)
        if clean:
            self._advice.set(items, SOURCE if side == "source" else TARGET)
        return clean

    def _gradient(self, term: Comparison, where: Span | None) -> bool:
        """Some state has to be encoded with gradient; the checks of the target may still fail."""
        if any(trains_encoder(item, SOURCE) for item in term.source):
            return True
        if any(trains_encoder(item, TARGET) for item in term.target):
            return True
        if any(stream_of(item) is Stream.STATE for item in term.source):
            message = "no state of the source is encoded with gradient; none would reach the encoder"
            fix = "leave one as it is, e.g. s[t]"
        else:
            message = "the source holds no state; no gradient would reach the encoder"
            fix = "add one, e.g. s[t]"
        self._findings.note("A2L036", message, where, fix)
        return False

    def _steps(self, term: Comparison, entry: Operator, sides: Sequence[Span | None]) -> bool:
        """Rollouts stand among themselves, all of one length, and opposite runs of that length."""
        rolled = rollouts(term)
        misplaced = next((item for item in term.target if isinstance(item, Rollout)), None)
        if misplaced is not None:
            message = "a rollout stands in the source; what it is compared with stands in the target"
            self._findings.note("A2L044", message, misplaced.span, "e.g. { s[t+1..t+5] }")
            return False
        if not rolled:
            return True
        if entry.unary or entry.pairwise:
            message = f"`{entry.name}` looks at single steps, not along a rollout"
            self._findings.note("A2L044", message, rolled[0].span, "name a state, e.g. s[t]")
            return False
        other = next((item for item in term.source if not isinstance(item, Rollout)), None)
        if other is not None:
            message = f"beside a rollout stand rollouts only; {print_item(other)} is none"
            fix = "compare it in a term of its own, or start a rollout at it"
            self._findings.note("A2L044", message, other.span, fix)
            return False
        odd = next((each for each in rolled if each.length != rolled[0].length), None)
        if odd is not None:
            message = (
                f"the rollouts of a source have one length; these have {rolled[0].length} and {odd.length}"
            )
            self._findings.note("A2L044", message, odd.span, "take as many actions in each")
            return False
        return self._targets_of(rolled[0], term)

    def _targets_of(self, rollout: Rollout, term: Comparison) -> bool:
        for group in groups(term.target):
            offsets = [item.last for item in group]
            first = offsets[0]
            if offsets == list(range(first, first + rollout.length)):
                continue
            named = ", ".join(text for _, text in print_runs(group))
            count = f"{rollout.length} step" + "s" * (rollout.length > 1)
            message = f"this rollout has {count}, and so has each part of its target; not so {named}"
            each = group[0]
            fix = "e.g. one return a step, each one step later"
            if isinstance(each, Element):
                early = each.stream in (Stream.ACTION, Stream.REWARD)
                start = rollout.first + (not early)
                run = [replace(each, offset=start + step) for step in range(rollout.length)]
                fix = f"e.g. {', '.join(text for _, text in print_runs(run))}"
            self._findings.note("A2L045", message, group[0].span, fix)
            return False
        return True

    def _contents(self, term: Comparison, entry: Operator, sides: Sequence[Span | None]) -> bool:
        """Whether the sets hold what the operator compares."""
        if entry.sets is Sets.TRANSITION:
            return self._transition(term, entry, sides)
        latents = entry.sets is Sets.LATENTS
        checked = term.items if latents else term.target if entry.sets is Sets.DATA_TARGET else ()
        for item in checked:
            if latents and not is_latent(item):
                message = f"`{entry.name}` is about latents; {print_item(item)} is {type_of(item)}"
                fix = "take it out, or use another operator"
            elif not latents and width_of(item) in (Width.LATENT, Width.RAW):
                kind = Type.LATENT if is_latent(item) else type_of(item)
                message = f"`{entry.name}` predicts numbers of a known range; {print_item(item)} is {kind}"
                fix = "use mse, or predict actions, rewards, returns, values or done"
            else:
                continue
            self._findings.note("A2L049", message, item.span, fix)
            return False
        return True

    def _transition(self, term: Comparison, entry: Operator, sides: Sequence[Span | None]) -> bool:
        example = f"write {entry.name}({{ s[t] }} -> {{ r[t], s[t+1] }})"
        if [is_latent(item) for item in term.source] != [True]:
            message = f"the source of `{entry.name}` is one state"
            self._findings.note("A2L049", message, sides[0], example)
            return False
        rewards = [item for item in term.target if type_of(item) in (Type.REWARD, Type.RETURN)]
        if len(term.target) != 2 or len(rewards) != 1 or sum(map(is_latent, term.target)) != 1:
            message = f"the target of `{entry.name}` is one reward and one state"
            self._findings.note("A2L049", message, sides[1], example)
            return False
        return True

    def _negatives(self, term: Comparison, entry: Operator) -> bool:
        if not term.against_batch or entry.negatives is Negatives.ON_REQUEST:
            return True
        if entry.negatives is Negatives.ALWAYS:
            message = f"`{entry.name}` is against the batch by nature"
        else:
            message = f"`{entry.name}` takes no negatives"
        where = term.against_span or term.span
        self._findings.note("A2L053", message, where, "leave out `against batch`")
        return False

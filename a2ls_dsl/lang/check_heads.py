"""Do the terms of one definition that share a head agree on it?"""

from __future__ import annotations

from dataclasses import dataclass

from a2ls_dsl.diagnostics import Fix
from a2ls_dsl.lang.ast import Comparison, Option
from a2ls_dsl.lang.codes import Rule
from a2ls_dsl.lang.findings import Findings, place
from a2ls_dsl.lang.printer import print_option
from a2ls_dsl.lang.rules import Parts, row_words
from a2ls_dsl.lang.settings import number_of
from a2ls_dsl.lang.types import Width


@dataclass(frozen=True)
class _Use:
    """A named head where it stands: its option, and the widths that it maps from and to."""

    option: Option
    source: tuple[Width, ...]
    target: tuple[Width, ...]
    bins: float


class HeadChecker:
    """Checks the heads of the terms of one definition that share names."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._heads: dict[str, list[_Use]] = {}

    def check(self, term: Comparison, parts: Parts) -> bool:
        """Check the named head of a term that is free of problems; whether it agrees with those before it."""
        option = next((option for option in parts.options if option.shared), None)
        if option is None or option.shared is None:
            return True
        use = _Use(option, *parts.rows, number_of(term, "bins", 1.0))
        uses = self._heads.setdefault(option.shared, [])
        uses.append(use)
        first = uses[0]
        line = place(first.option.span).line
        if use.option.value != first.option.value:
            message = f"the head `{option.shared}` is `{print_option(first.option)}` in line {line}"
            fix = Fix("write the same here, or another name", print_option(first.option))
            self._findings.note(Rule.SHARED_HEAD, message, option.span, fix)
            return False
        for what, here, there in (
            ("reads", (use.source, 1.0), (first.source, 1.0)),
            ("predicts", (use.target, use.bins), (first.target, first.bins)),
        ):
            if here != there:
                before, now = row_words(there[0]), row_words(here[0])
                message = f"the head `{option.shared}` {what} {before} in line {line}, here {now}"
                if before == now:
                    message = f"the head `{option.shared}` {what} other bins in line {line}"
                self._findings.note(
                    Rule.SHARED_HEAD, message, option.span, "use it for equal rows, or another name"
                )
                return False
        return True

    def finish(self) -> None:
        """Warn of names that only one term of the definition uses."""
        for name, uses in self._heads.items():
            if len(uses) == 1:
                message = f"the head `{name}` is named once; nothing shares it"
                fix = "name it in another term of this loss too, or leave out `as`"
                self._findings.note(Rule.HEAD_ONCE, message, uses[0].option.span, fix)

"""TextMate grammars as an editor reads them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

EDITORS = Path(__file__).parent.parent / "editors"
Rule = dict[str, Any]
Coloured = tuple[str, str]
"""A piece of text and the name of its innermost scope, without the language's suffix."""


def grammar(language: str) -> Rule:
    grammar: Rule = json.loads((EDITORS / f"{language}.tmLanguage.json").read_text(encoding="utf-8"))
    return grammar


class Engine:
    """Splits a text into coloured pieces."""

    def __init__(self, language: str) -> None:
        self._suffix, self._grammar = f".{language}", grammar(language)

    def colour(self, text: str) -> list[Coloured]:
        pieces: list[Coloured] = []
        stack: list[Rule] = [self._grammar]
        for line in text.splitlines():
            at = 0
            while at <= len(line):
                match, rule, ends = self._next(line, at, stack)
                if match is None:
                    break
                if ends:
                    stack.pop()
                    pieces += self._pieces(match, rule.get("endCaptures", {}), "")
                elif "begin" in rule:
                    stack.append(rule)
                    pieces += self._pieces(match, rule.get("beginCaptures", {}), "")
                else:
                    pieces += self._pieces(match, rule.get("captures", {}), rule.get("name", ""))
                assert match.end() > at or ends or "begin" in rule, "no pattern matches nothing"
                at = match.end()
        return pieces

    def _next(self, line: str, at: int, stack: list[Rule]) -> tuple[re.Match[str] | None, Rule, bool]:
        choices: list[tuple[re.Match[str], Rule, bool]] = []
        if len(stack) > 1 and (match := re.compile(stack[-1]["end"]).search(line, at)):
            choices.append((match, stack[-1], True))
        for rule in self._flat(stack[-1]["patterns"]):
            if match := re.compile(rule.get("match") or rule["begin"]).search(line, at):
                choices.append((match, rule, False))
        if not choices:
            return None, {}, False
        return min(choices, key=lambda choice: choice[0].start())

    def _flat(self, patterns: list[Rule]) -> Iterator[Rule]:
        for pattern in patterns:
            if "include" in pattern:
                yield from self._flat([self._grammar["repository"][pattern["include"].removeprefix("#")]])
            elif "patterns" in pattern and "begin" not in pattern:
                yield from self._flat(pattern["patterns"])
            else:
                yield pattern

    def _pieces(self, match: re.Match[str], captures: Rule, name: str) -> Iterator[Coloured]:
        if name:
            yield match[0], name.removesuffix(self._suffix)
        for number, capture in captures.items():
            if match[int(number)] is not None:
                yield match[int(number)], capture["name"].removesuffix(self._suffix)

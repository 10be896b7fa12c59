"""From the text of a `.a2g` file to its tree.

The text is parsed as a whole. Where that fails it is cut at the lines that begin a rule or a `require` line
and parsed piece by piece, so that a mistake in one rule doesn't hide the next.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from typing import Any

from lark import Lark, Token, Transformer, v_args
from lark.exceptions import UnexpectedInput
from lark.tree import Meta

from a2ls_dsl.diagnostics import A2lError, Diagnostic, Source, Span
from a2ls_dsl.lang.files import folder
from a2ls_dsl.lang.grammar import tree
from a2ls_dsl.lang.grammar.codes import Rule, error
from a2ls_dsl.lang.grammar.errors import explain
from a2ls_dsl.lang.syntax.parser import MAX_BROKEN
from a2ls_dsl.words.numbers import number_of_text

WORDS = (
    "grammar",
    "for",
    "in",
    "require",
    "at",
    "most",
    "none",
    "against",
    "batch",
    "with",
    "some",
    "of",
    "and",
)
"""Words of the language; no rule can have such a name."""

_DIGITS = 6
"""Longer numbers are cut: they are beyond every limit anyway, and the checker says so."""

_COMMENT = re.compile(r"#[^\r\n]*")
_START = re.compile(r"^[^\S\n]*(?:require\b|([A-Za-z_]\w*)[^\S\n]*=)", re.MULTILINE)
_GOES_ON = re.compile(r"(?:,|\bwith)\s*\Z")
"""What an option stands behind: a line that begins with one begins no rule."""


def parse(source: Source) -> tuple[tree.GrammarFile | None, list[Diagnostic]]:
    """The tree of a grammar, and what can't be parsed in it; no tree where its first line can't.

    A rule that can't be parsed stays in the tree with nothing in it, so that others may refer to it.
    """
    builder = _Builder(source)
    text = _COMMENT.sub(lambda comment: " " * len(comment[0]), source.text)
    try:
        try:
            file = builder.build(text, "grammar")
        except UnexpectedInput:
            file = _pieces(builder, text)
    except RecursionError:
        depths = list(accumulate((sign in "[(") - (sign in "])") for sign in source.text))
        innermost = depths.index(max(depths))
        place = Span(source, innermost, innermost + 1)
        return None, [error(Rule.SYNTAX, "parts are nested too deeply", place, "name the inner parts")]
    return file, builder.mistakes


def _pieces(builder: _Builder, text: str) -> tree.GrammarFile | None:
    """The file of a text that can't be parsed as a whole."""
    starts = [match.start() for match in _START.finditer(text)]
    starts = [start for start in starts if not _GOES_ON.search(text, max(0, start - 200), start)]
    starts = starts[1:] if starts and not text[: starts[0]].strip() else starts
    ends = [*starts, len(text)]
    try:
        file: tree.GrammarFile = builder.build(text[: ends[0]], "grammar")
    except UnexpectedInput as unexpected:
        builder.mistakes.append(explain(builder.source, unexpected, text[: ends[0]], 0))
        return None
    lines: list[object] = [*file.rules, *file.requires, *file.bounds]
    broken = 0
    for start, end in zip(starts, ends[1:], strict=True):
        piece = text[start:end]
        try:
            lines += builder.build(piece, "lines", start)
        except UnexpectedInput as unexpected:
            broken += 1
            if broken <= MAX_BROKEN:
                builder.mistakes.append(explain(builder.source, unexpected, piece, start))
            lines += _placeholders(builder.source, piece, start)
    return tree.GrammarFile.of(file.name, file.horizons, lines, Span(builder.source, 0, len(text)))


def _placeholders(source: Source, piece: str, base: int) -> Iterator[tree.Rule]:
    for match in _START.finditer(piece):
        if match[1]:
            name = Span(source, base + match.start(1), base + match.end(1))
            whole = Span(source, base, base + len(piece))
            yield tree.Rule(tree.Name(match[1], name), tree.Broken(whole), whole)


@cache
def _parser() -> Lark:
    return Lark.open(
        str(folder("grammars") / "a2g.lark"),
        start=["grammar", "lines"],
        parser="lalr",
        propagate_positions=True,
        maybe_placeholders=False,
    )


@v_args(meta=True)
class _Builder(Transformer[Token, Any]):
    """One method per rule of `grammars/a2g.lark`; notes the mistakes that parse."""

    def __init__(self, source: Source) -> None:
        super().__init__()
        self.source = source
        self.mistakes: list[Diagnostic] = []
        self._base = 0

    def build(self, piece: str, start: str, base: int = 0) -> Any:
        """The tree of a piece of the source that begins at character `base`. Raises `UnexpectedInput`."""
        self._base = base
        return self.transform(_parser().parse(piece, start=start))

    def _span(self, meta: Meta) -> Span:
        return Span(self.source, self._base + meta.start_pos, self._base + meta.end_pos)

    def _word(self, token: Token) -> tree.Name:
        start = self._base + (token.start_pos or 0)
        return tree.Name(str(token), Span(self.source, start, start + len(token)))

    def lines(self, meta: Meta, children: list[Any]) -> list[Any]:
        return children

    def grammar(self, meta: Meta, children: list[Any]) -> tree.GrammarFile:
        (name, horizons), *lines = children
        return tree.GrammarFile.of(name, horizons, lines, self._span(meta))

    def header(self, meta: Meta, children: list[Any]) -> tuple[tree.Name, tuple[tree.Horizon, ...]]:
        return self._word(children[0]), tuple(children[1:])

    def horizon(self, meta: Meta, children: list[Token]) -> tree.Horizon:
        name, first, last = children
        return tree.Horizon(self._word(name), _number(first), _number(last), self._span(meta))

    def rule(self, meta: Meta, children: list[Any]) -> tree.Rule:
        return tree.Rule(self._word(children[0]), children[1], self._span(meta))

    def require(self, meta: Meta, children: list[Token]) -> tree.Require:
        what, side = children
        return tree.Require(self._word(what), self._word(side), self._span(meta))

    def bound(self, meta: Meta, children: list[Token]) -> tree.Bound:
        most, rule = children
        return tree.Bound(_number(most), self._word(rule), self._span(meta))

    def choice(self, meta: Meta, children: list[tree.Expression]) -> tree.Expression:
        return children[0] if len(children) == 1 else tree.Choice(tuple(children), self._span(meta))

    def sum(self, meta: Meta, children: list[tree.Expression]) -> tree.Expression:
        return children[0] if len(children) == 1 else tree.Sum(tuple(children), self._span(meta))

    def scaled(self, meta: Meta, children: list[tree.Expression]) -> tree.Expression:
        return children[0] if len(children) == 1 else tree.Scaled(children[0], children[1], self._span(meta))

    def call(self, meta: Meta, children: list[Any]) -> tree.Call:
        name, *inside = children
        parts = {type(each): each.value for each in inside if isinstance(each, _Part)}
        return tree.Call(
            name,
            tuple(each for each in inside if not isinstance(each, _Part)),
            parts.get(_Target),
            parts.get(_Negatives),
            parts.get(_Options, ()),
            self._span(meta),
        )

    def target(self, meta: Meta, children: list[Any]) -> _Part:
        return _Target(children[0])

    def negatives(self, meta: Meta, children: list[Any]) -> _Part:
        return _Negatives(children[0])

    def options(self, meta: Meta, children: list[Any]) -> _Part:
        return _Options(tuple(children))

    def option(self, meta: Meta, children: list[Any]) -> tree.Option:
        return tree.Option(self._word(children[0]), children[1], self._span(meta))

    def both(self, meta: Meta, children: list[tree.Expression]) -> tree.Both:
        return tree.Both(tuple(children), self._span(meta))

    def name(self, meta: Meta, children: list[Token]) -> tree.Name:
        return self._word(children[0])

    def number(self, meta: Meta, children: list[Token]) -> tree.Number:
        value = number_of_text("".join(children))
        if isinstance(value, A2lError):
            self.mistakes.append(error(Rule.NUMBER_RANGE, value.message, self._span(meta), value.fix))
            value = 1.0
        return tree.Number(value, self._span(meta))

    def none(self, meta: Meta, children: list[Any]) -> tree.Nothing:
        return tree.Nothing(self._span(meta))

    def against(self, meta: Meta, children: list[Any]) -> tree.Against:
        return tree.Against(self._span(meta))

    def exactly(self, meta: Meta, children: list[tree.Item]) -> tree.Elements:
        return tree.Elements(tuple(children), False, self._span(meta))

    def some(self, meta: Meta, children: list[tree.Item]) -> tree.Elements:
        return tree.Elements(tuple(children), True, self._span(meta))

    def optional(self, meta: Meta, children: list[tree.Expression]) -> tree.Optional:
        return tree.Optional(children[0], self._span(meta))

    def apply(self, meta: Meta, children: list[Any]) -> tree.Apply:
        return tree.Apply(self._word(children[0]), tuple(children[1:]), self._span(meta))

    def run(self, meta: Meta, children: list[Any]) -> tree.Run:
        stream, *moments = children
        return tree.Run(self._word(stream), moments[0], moments[-1], self._span(meta))

    def step(self, meta: Meta, children: list[Token]) -> tree.Step:
        constant, parameters = 0, []
        for sign, amount in zip(children[1::2], children[2::2], strict=True):
            direction = 1 if sign == "+" else -1
            if amount.type == "INT":
                constant += direction * _number(amount)
            else:
                parameters.append((direction, self._word(amount)))
        return tree.Step(self._word(children[0]), constant, tuple(parameters), self._span(meta))


@dataclass(frozen=True)
class _Part:
    """What stands in a call besides its arguments, until the call is put together."""

    value: Any


class _Target(_Part):
    pass


class _Negatives(_Part):
    pass


class _Options(_Part):
    pass


def _number(token: Token) -> int:
    return int(token) if len(token) <= _DIGITS else 10**_DIGITS

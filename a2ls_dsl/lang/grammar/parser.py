"""From the text of a `.a2g` file to its tree, and from the parser's complaints to a message."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from typing import Any, TypeVar

from lark import Lark, Token, Transformer, v_args
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken
from lark.tree import Meta

from a2ls_dsl.diagnostics import A2lError, Diagnostic, LanguageError, Source, Span
from a2ls_dsl.lang.files import folder
from a2ls_dsl.lang.grammar import tree
from a2ls_dsl.lang.grammar.codes import Rule, error
from a2ls_dsl.lang.syntax.errors import stranger
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

T = TypeVar("T")

_HEADER = "a loss grammar begins with a line such as `grammar mine for k in 1..10`"


def parse(source: Source) -> tree.GrammarFile:
    """The tree of a grammar. Raises LanguageError (A2L201) at the first place that cannot be read."""
    try:
        builder = _Builder(source)
        file: tree.GrammarFile = builder.transform(_parser().parse(source.text))
        if builder.mistakes:
            raise LanguageError(builder.mistakes)
        return file
    except UnexpectedInput as unexpected:
        raise LanguageError([_complaint(source, unexpected)]) from None
    except RecursionError:
        depths = list(accumulate((sign in "[(") - (sign in "])") for sign in source.text))
        innermost = depths.index(max(depths))
        place = Span(source, innermost, innermost + 1)
        deep = error(Rule.SYNTAX, "parts are nested too deeply", place, "name the inner parts")
        raise LanguageError([deep]) from None


@cache
def _parser() -> Lark:
    text = (folder("grammars") / "a2g.lark").read_text(encoding="utf-8")
    return Lark(text, parser="lalr", propagate_positions=True, maybe_placeholders=False)


def _complaint(source: Source, unexpected: UnexpectedInput) -> Diagnostic:
    """One readable finding out of the parser's exception."""
    start = unexpected.pos_in_stream if unexpected.pos_in_stream is not None else len(source.text)
    if isinstance(unexpected, UnexpectedToken):
        found, wanted = str(unexpected.token), set(unexpected.accepts or unexpected.expected)
    elif isinstance(unexpected, UnexpectedCharacters):
        found, wanted = source.text[start], set(unexpected.allowed or ())
    else:
        found, wanted = "", set()
    if (isinstance(unexpected, UnexpectedCharacters) and not found.isascii()) or found in ("%", ";", "/"):
        in_set = source.text.rfind("{", 0, start) > source.text.rfind("}", 0, start)
        message, fix = stranger(source.text, start, in_set)
        return error(Rule.SYNTAX, message, Span(source, start, start + 1), fix)
    if found:
        message = f"`{found}` does not belong here"
    else:
        start, message = len(source.text.rstrip()), "the grammar ends too early"
    fix = _HEADER if "GRAMMAR" in wanted else _expectation(wanted)
    return error(Rule.SYNTAX, message, Span(source, start, start + max(len(found), 1)), fix)


def _expectation(wanted: set[str]) -> str:
    """`expected `,` or `}``; nothing when so much may follow that a list helps nobody."""
    if "HEAD" in wanted and wanted <= {"HEAD", "REQUIRE", "$END"}:
        return "expected a rule `name = ...` or a `require` line"
    shown = [_shown(name) for name in sorted(wanted - {"HEAD", "REQUIRE", "$END"})]
    if not shown or len(shown) > 8:
        return ""
    return "expected " + " or ".join([", ".join(shown[:-1]), shown[-1]] if shown[1:] else shown)


def _shown(terminal: str) -> str:
    plain = {"NAME": "a name", "INT": "a number", "NUMBER": "a number", "SIGN": "`+`"}
    definition = next(each for each in _parser().terminals if each.name == terminal)
    return plain.get(terminal) or f"`{definition.pattern.value}`"


@v_args(meta=True)
class _Builder(Transformer[Token, Any]):
    """One method per rule of `grammars/a2g.lark`."""

    def __init__(self, source: Source) -> None:
        super().__init__()
        self.source = source
        self.mistakes: list[Diagnostic] = []

    def _span(self, meta: Meta) -> Span:
        return Span(self.source, meta.start_pos, meta.end_pos)

    def _word(self, token: Token) -> tree.Name:
        start = token.start_pos or 0
        return tree.Name(str(token), Span(self.source, start, start + len(token)))

    def start(self, meta: Meta, children: list[Any]) -> tree.GrammarFile:
        (name, horizons), *lines = children

        def of(kind: type[T]) -> tuple[T, ...]:
            return tuple(line for line in lines if isinstance(line, kind))

        return tree.GrammarFile(
            name, horizons, of(tree.Rule), of(tree.Require), of(tree.Bound), self._span(meta)
        )

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
        value = number_of_text(children[0])
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
        stream, *steps = children
        return tree.Run(self._word(stream), steps[0], steps[-1], self._span(meta))

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

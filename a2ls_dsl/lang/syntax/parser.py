"""From text to the tree of a file. What can't be parsed is skipped and reported, the rest is read on.

lark's tree is built into ours: definitions, weights and options here, what stands inside sets in `items.py`.
Whatever can't be written as a tree is noted and left out, so that one run over a file finds all of it.
"""

from __future__ import annotations

import re
from functools import lru_cache

from lark import Lark, Token, Tree, UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from a2ls_dsl.diagnostics import Diagnostic, LanguageError, Source, Span
from a2ls_dsl.lang.files import MAX_SIZE, folder, too_large
from a2ls_dsl.lang.messages.codes import Rule, report
from a2ls_dsl.lang.rules.weights import SCHEDULE_FIX
from a2ls_dsl.lang.syntax.error_context import ParseFailure
from a2ls_dsl.lang.syntax.errors import explain
from a2ls_dsl.lang.syntax.items import ItemBuilder, Node, Piece, nodes, tokens
from a2ls_dsl.lang.syntax.tree import (
    Call,
    Comparison,
    Definition,
    Import,
    Item,
    Loss,
    LossFile,
    Option,
    Ref,
    Schedule,
    Weight,
    Weighted,
)
from a2ls_dsl.words.language import SCHEDULE


class Builder:
    """Builds the definitions of one file, piece by piece, and collects `mistakes` on the way."""

    def __init__(self, source: Source) -> None:
        self._piece = Piece(source)
        self._items = ItemBuilder(self._piece)

    @property
    def mistakes(self) -> list[Diagnostic]:
        """What was found so far."""
        return self._piece.mistakes

    def build(self, start: Node, base: int) -> tuple[list[Definition], list[Import]]:
        """What stands in the tree of a piece of the source that begins at character `base`."""
        self._piece.base = base
        definitions = [self._definition(node) for node in nodes(start) if node.data == "definition"]
        return definitions, [self._import(node) for node in nodes(start) if node.data == "import"]

    def _import(self, node: Node) -> Import:
        (path,) = tokens(node)
        return Import(path[1:-1], self._piece.span(node), self._piece.span(path))

    def _definition(self, node: Node) -> Definition:
        (name,), (total,) = tokens(node), nodes(node)
        terms = tuple(self._weighted(node) for node in total.children if node != "+")
        span = self._piece.span
        return Definition(str(name), Loss(terms, span(total)), span(node), name_span=span(name))

    def _weighted(self, node: Node | Token) -> Weighted:
        span = self._piece.span
        if isinstance(node, Token) or node.data == "comparison":
            return Weighted(1.0, self._term(node), span(node))
        weight, term = node.children
        if not isinstance(weight, Tree):
            raise TypeError("a weight is a rule of the grammar, never a word")
        return Weighted(self._weight(weight), self._term(term), span(node), weight_span=span(weight))

    def _weight(self, node: Node) -> Weight:
        if node.data == "weight":
            value = self._piece.number(node, Rule.WEIGHT)
            return 1.0 if value is None else value
        (name,) = tokens(node)
        if name != SCHEDULE:
            self._piece.note(Rule.SCHEDULE, f"there is no schedule `{name}`", name, SCHEDULE_FIX)
            return 1.0
        values = self._piece.numbers(nodes(node), Rule.SCHEDULE)
        if values is None:
            return 1.0
        if len(values) != 3 or values[2] != int(values[2]):
            message = "a schedule takes three numbers, the last one whole"
            self._piece.note(Rule.SCHEDULE, message, node, SCHEDULE_FIX)
            return 1.0
        return Schedule(values[0], values[1], int(values[2]))

    def _term(self, node: Node | Token) -> Comparison | Ref:
        if isinstance(node, Token):
            return Ref(str(node), self._piece.span(node))
        (name,) = tokens(node)
        parts = nodes(node)
        sets = [part for part in parts if part.data == "set"]
        options = [node for part in parts if part.data == "options" for node in nodes(part)]
        sides = [self._set(node) for node in sets]
        against = [self._piece.span(part) for part in parts if part.data == "negatives"]
        return Comparison(
            str(name),
            sides[0],
            sides[1] if len(sides) > 1 else (),
            bool(against),
            tuple(option for option in map(self._option, options) if option),
            self._piece.span(node),
            sides=tuple(map(self._piece.span, sets)),
            against_span=next(iter(against), None),
        )

    def _set(self, node: Node) -> tuple[Item, ...]:
        return tuple(item for each in nodes(node) for item in self._items.build(each))

    def _option(self, node: Node) -> Option | None:
        name, *shared = tokens(node)
        (given,) = nodes(node)
        value: float | Call | None
        if given.data == "number":
            value = self._piece.number(given, Rule.OPTION_VALUE)
        else:
            (head,) = tokens(given)
            numbers = self._piece.numbers(nodes(given), Rule.OPTION_VALUE)
            value = None if numbers is None else Call(str(head), numbers)
        if value is None:
            return None
        return Option(str(name), value, next(map(str, shared), None), self._piece.span(node))


EXAMPLE = "loss forward = mse({ s[t], a[t] } -> { s[t+1] })"

MAX_BROKEN = 100
"""So many pieces of a file are explained that don't parse; what comes behind is left alone."""

_COMMENT = re.compile(r"(\"[^\"\r\n]*\")|#[^\r\n]*")
_START = re.compile(r"^[^\S\n]*(?:loss|import)\b", re.MULTILINE)
_NAMES = re.compile(r"\bloss\s+([A-Za-z_]\w*)|\b([A-Za-z_]\w*)\s*=(?!>)")


def parse(text: str, name: str = "<string>") -> LossFile:
    """The syntax tree of a loss file, with places. Raises `LanguageError` with every mistake found."""
    file, mistakes = recover(Source(name, text))
    if mistakes:
        raise LanguageError(mistakes)
    return file


def recover(source: Source) -> tuple[LossFile, list[Diagnostic]]:
    """The part of a file that can be understood, and what is wrong with the rest.

    A definition that doesn't parse stays in the tree with no terms, so that others may refer to it.
    """
    if len(source.text) > MAX_SIZE:
        raise too_large(source.name)
    builder = Builder(source)
    clean = _COMMENT.sub(lambda found: found[1] or " " * len(found[0]), source.text)
    starts = [0, *(match.start() for match in _START.finditer(clean) if match.start())]
    definitions, imports, broken = list[Definition](), list[Import](), 0
    for start, end in zip(starts, [*starts[1:], len(clean)], strict=True):
        piece = clean[start:end]
        if broken >= MAX_BROKEN:
            definitions += _placeholders(source, piece, start)
            continue
        try:
            found, brought = builder.build(_parser().parse(piece), start)
            definitions += found
            imports += brought
        except UnexpectedInput as error:
            broken += 1
            builder.mistakes.append(explain(source, failure_of(error, piece), start))
            definitions += _placeholders(source, piece, start)
    if not definitions and not builder.mistakes:
        nothing = Span(source, len(source.text), len(source.text))
        builder.mistakes.append(
            report(Rule.NO_LOSS, "there is no loss in this file", nothing, f"e.g. {EXAMPLE}")
        )
    whole = Span(source, 0, len(source.text))
    return LossFile(tuple(definitions), tuple(imports), whole), builder.mistakes


@lru_cache(maxsize=1)
def _parser() -> Lark:
    grammar = (folder("grammars") / "a2l.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser="lalr", lexer="basic", propagate_positions=True)


def failure_of(error: UnexpectedInput, piece: str) -> ParseFailure:
    """What the parser knows about a syntax error, without its words."""
    if isinstance(error, UnexpectedToken) and error.token.type != "$END":
        start = error.token.start_pos or 0
        return ParseFailure(
            piece, start, start + len(error.token), error.token.type, frozenset(error.accepts or ())
        )
    if isinstance(error, UnexpectedCharacters):
        start = error.pos_in_stream or 0
        return ParseFailure(piece, start, start + 1, "", frozenset())
    expected = (error.accepts or ()) if isinstance(error, UnexpectedToken) else ()
    end = len(piece.rstrip())
    return ParseFailure(piece, end, end, "$END", frozenset(expected))


def _placeholders(source: Source, piece: str, start: int) -> list[Definition]:
    """Definitions without terms for the names that a broken piece meant to define."""
    span = Span(source, start, start + len(piece))
    names = dict.fromkeys(match[1] or match[2] for match in _NAMES.finditer(piece))
    return [Definition(name, Loss(()), span) for name in names]

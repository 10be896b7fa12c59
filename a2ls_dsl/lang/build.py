"""From lark's tree to ours: definitions, weights, options; `build_items.py` does what stands inside sets.

Whatever can't be written as a tree is noted and left out, so that one run over a file finds all of it.
"""

from __future__ import annotations

from lark import Token, Tree

from a2ls_dsl.diagnostics import Diagnostic, Source
from a2ls_dsl.lang.ast import (
    Call,
    Comparison,
    Definition,
    Import,
    Item,
    Loss,
    Option,
    Ref,
    Schedule,
    Weight,
    Weighted,
)
from a2ls_dsl.lang.build_items import ItemBuilder
from a2ls_dsl.lang.build_piece import Node, Piece, nodes, tokens
from a2ls_dsl.lang.codes import Rule
from a2ls_dsl.lang.weights import SCHEDULE_FIX
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
        terms = tuple(self._weighted(each) for each in total.children if each != "+")
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
        options = [each for part in parts if part.data == "options" for each in nodes(part)]
        sides = [self._set(each) for each in sets]
        against = [self._piece.span(part) for part in parts if part.data == "negatives"]
        return Comparison(
            str(name),
            sides[0],
            sides[1] if len(sides) > 1 else (),
            bool(against),
            tuple(each for each in map(self._option, options) if each),
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

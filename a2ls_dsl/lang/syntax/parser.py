"""From the text of a loss file or a loss grammar to its surface tree.

A text is cut where a statement begins, and each piece is parsed by itself: what can't be parsed is reported
and left out, the rest is read on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache, lru_cache, partial
from itertools import accumulate
from typing import Any, Literal, TypeAlias

from lark import Lark, Token, Tree, UnexpectedCharacters, UnexpectedInput, UnexpectedToken
from lark.lexer import PatternStr

from a2ls_dsl.diagnostics import A2lError, Fix, Source, Span
from a2ls_dsl.lang.files import folder
from a2ls_dsl.lang.messages.codes import Findings, Rule
from a2ls_dsl.lang.syntax import surface
from a2ls_dsl.lang.syntax.error_context import Explainer, ParseFailure
from a2ls_dsl.lang.syntax.errors import IN_GRAMMARS, IN_LOSSES, explain
from a2ls_dsl.lang.syntax.tree import Import
from a2ls_dsl.words.numbers import number_of_text

MAX_BROKEN = 100
"""So many pieces of a file are explained that don't parse; what comes behind is left alone."""

MAX_NESTING = 16
"""How many calls may stand inside each other; five do something."""

Node = Tree[Token]


@dataclass(frozen=True)
class Dialect:
    """What differs between loss files and loss grammars.

    syntax: the file of the concrete syntax. start: its rule for the first piece of a text, and that for the
    others. lexer: lark's; in a grammar the words of the language may be names, too. begins: where a statement
    begins, unless `goes_on` stands before it. names: what a statement that can't be parsed meant to define.
    explainers: who says what is wrong with it.
    """

    syntax: str
    start: tuple[str, str]
    lexer: Literal["basic", "contextual"]
    begins: re.Pattern[str]
    goes_on: re.Pattern[str]
    names: re.Pattern[str]
    explainers: tuple[Explainer, ...]


LOSSES = Dialect(
    "a2l.lark",
    ("losses", "losses"),
    "basic",
    re.compile(r"^[^\S\n]*(?:loss|import)\b", re.MULTILINE),
    re.compile(r"(?!)"),
    re.compile(r"\bloss\s+([A-Za-z_]\w*)|\b([A-Za-z_]\w*)\s*=(?!>)"),
    IN_LOSSES,
)

_RULE = r"^[^\S\n]*(?:require\b|([A-Za-z_]\w*)[^\S\n]*=)"

GRAMMARS = Dialect(
    "a2g.lark",
    ("grammar", "lines"),
    "contextual",
    re.compile(_RULE, re.MULTILINE),
    re.compile(r"(?:,|\bwith)\s*\Z"),
    re.compile(_RULE, re.MULTILINE),
    IN_GRAMMARS,
)

_COMMENT = re.compile(r"(\"[^\"\r\n]*\")|#[^\r\n]*")


def read(source: Source, dialect: Dialect, findings: Findings) -> list[surface.Statement]:
    """The statements of a text; of those that can't be parsed, what they meant to define, with nothing in it.

    What is wrong is noted in `findings`.
    """
    builder = Builder(source, findings)
    text = _COMMENT.sub(lambda comment: comment[1] or " " * len(comment[0]), source.text)
    statements, broken = list[surface.Statement](), 0
    for number, (start, end) in enumerate(_pieces(text, dialect)):
        piece = text[start:end]
        if broken < MAX_BROKEN:
            try:
                rule = dialect.start[min(number, 1)]
                statements += builder.build(_tree(dialect, rule, piece), start)
                continue
            except UnexpectedInput as unexpected:
                broken += 1
                failure = failure_of(unexpected, piece, dialect)
                code, message, fix, first, last = explain(failure, dialect.explainers)
                if isinstance(fix, Fix) and fix.at:
                    fix = replace(fix, at=(start + fix.at[0], start + fix.at[1]))
                place = Span(source, start + first, start + last)
                findings.note(code, message, place, fix)
            except RecursionError:
                depths = list(accumulate((sign in "[(") - (sign in "])") for sign in source.text))
                innermost = depths.index(max(depths))
                place = Span(source, innermost, innermost + 1)
                findings.note(Rule.SYNTAX, "parts are nested too deeply", place, "name the inner parts")
        statements += _placeholders(source, piece, start, dialect)
    return statements


def _pieces(text: str, dialect: Dialect) -> Iterator[tuple[int, int]]:
    """From where to where each piece goes; the first holds what stands before the first statement, too."""
    starts = [match.start() for match in dialect.begins.finditer(text)]
    starts = [start for start in starts if not dialect.goes_on.search(text, max(0, start - 200), start)]
    if starts and not text[: starts[0]].strip():
        del starts[0]
    return zip([0, *starts], [*starts, len(text)], strict=True)


def _placeholders(source: Source, piece: str, start: int, dialect: Dialect) -> Iterator[surface.Equation]:
    whole = Span(source, start, start + len(piece))
    names = {match[match.lastindex]: match for match in dialect.names.finditer(piece) if match.lastindex}
    for text, match in names.items():
        place = Span(source, *(start + end for end in match.span(match.lastindex or 0)))
        yield surface.Equation(surface.Name(text, span=place), surface.Broken(span=whole), span=whole)


@lru_cache(maxsize=256)
def _tree(dialect: Dialect, rule: str, piece: str) -> Node:
    """What lark makes of a piece. An editor reads a text again and again, of which a piece has changed."""
    return _parser(dialect).parse(piece, start=rule)


@cache
def _parser(dialect: Dialect) -> Lark:
    return Lark.open(
        str(folder("grammars") / dialect.syntax),
        start=list(dict.fromkeys(dialect.start)),
        parser="lalr",
        lexer=dialect.lexer,
        propagate_positions=True,
        maybe_placeholders=True,
    )


_WORDS = ("_ARTICLE", "_AT", "_FOR", "_IN", "_MOST", "_OF")
"""Words of grammars that are names where they aren't expected: `a` is a stream, too."""


def failure_of(error: UnexpectedInput, piece: str, dialect: Dialect) -> ParseFailure:
    """What the parser knows about a syntax error, without its words."""
    patterns = [(terminal.name, terminal.pattern) for terminal in _parser(dialect).terminals]
    signs = {name: pattern.value for name, pattern in patterns if isinstance(pattern, PatternStr)}
    start = end = len(piece.rstrip())
    terminal, expected = "$END", frozenset[str]()
    if isinstance(error, UnexpectedToken):
        expected = frozenset(error.accepts or ())
        if error.token.type != "$END":
            start = error.token.start_pos or 0
            end = start + len(error.token)
            terminal = "NAME" if error.token.type in _WORDS else error.token.type
    elif isinstance(error, UnexpectedCharacters):
        start = error.pos_in_stream or 0
        end, terminal = start + 1, ""
    return ParseFailure(piece, start, end, terminal, expected, signs)


Child: TypeAlias = Node | Token


_PARTS: dict[str, Callable[..., Any]] = {
    "equation": surface.Equation,
    "require": surface.Require,
    "bound": surface.Bound,
    "header": surface.Header,
    "horizon": surface.Horizon,
    "operation": surface.Operation,
    "option": surface.Setting,
    "scaled": surface.Scaled,
    "optional": surface.Optional,
    "none": surface.Nothing,
    "against": surface.Against,
}
"""The nodes that hold what is inside them, part by part."""

_LISTS: dict[str, Callable[..., Any]] = {
    "choice": surface.Choice,
    "sum": surface.Sum,
    "both": surface.Both,
    "exactly": surface.Elements,
    "some": partial(surface.Elements, some=True),
}
"""The nodes that hold what is inside them as a list."""

_TUPLES = ("arguments", "options", "horizons")
"""What isn't a node itself, but a list of some in one."""


class Builder:
    """Builds surface trees from lark's: a method for each other rule of the syntax that leaves a node."""

    def __init__(self, source: Source, findings: Findings) -> None:
        self._source = source
        self._findings = findings
        self._base = 0

    def build(self, start: Node, base: int) -> list[surface.Statement]:
        """What stands in the tree of a piece of the source that begins at character `base`."""
        self._base = base
        return [self._built(child) for child in start.children]

    def _built(self, node: Child | None) -> Any:
        if node is None:
            return None
        if isinstance(node, Token):
            is_number = node.type == "INT"
            return surface.whole(node) if is_number else surface.Name(str(node), span=self._span(node))
        if node.data in _PARTS:
            return _PARTS[node.data](*self._all(node.children), span=self._span(node))
        if node.data in _TUPLES:
            return self._all(node.children)
        if node.data in _LISTS:
            return _LISTS[node.data](self._all(node.children), span=self._span(node))
        return getattr(self, f"_{node.data}")(node)

    def _all(self, nodes: Iterable[Child]) -> tuple[Any, ...]:
        return tuple(map(self._built, nodes))

    def _span(self, node: Child) -> Span:
        place = node if isinstance(node, Token) else node.meta
        return Span(self._source, self._base + (place.start_pos or 0), self._base + (place.end_pos or 0))

    def _import(self, node: Node) -> Import:
        (path,) = node.children
        return Import(str(path)[1:-1], self._span(node), self._span(path))

    def _number(self, node: Node) -> surface.Number:
        value = number_of_text("".join(map(str, node.children)))
        if isinstance(value, A2lError):
            return surface.Number(1.0, value, span=self._span(node))
        return surface.Number(value, span=self._span(node))

    def _apply(self, node: Node, depth: int = 1) -> surface.Apply | surface.Broken:
        name, *given = node.children
        if depth > MAX_NESTING:
            message = f"at most {MAX_NESTING} calls stand inside each other"
            self._findings.note(Rule.NESTING, message, self._span(name), "name fewer functions")
            return surface.Broken(span=self._span(node))
        arguments = tuple(
            getattr(self, f"_{child.data}")(child, depth + 1)
            if isinstance(child, Tree) and child.data in ("apply", "named")
            else self._built(child)
            for child in given
        )
        return surface.Apply(self._built(name), arguments, span=self._span(node))

    def _named(self, node: Node, depth: int = 1) -> surface.Item | surface.Broken:
        inner, name = node.children
        if isinstance(inner, Tree) and inner.data == "apply":
            call = self._apply(inner, depth)
            if isinstance(call, surface.Apply):
                return replace(call, shared=self._built(name), span=self._span(node))
            return call
        message = "`as` names a view or a learned map; an element without is one tensor anyway"
        behind = Fix("leave out `as` and the name", "", (self._span(inner).end, self._span(name).end))
        self._findings.note(Rule.VIEW_NAME, message, self._span(name), behind)
        run: surface.Run = self._built(inner)
        return run

    def _run(self, node: Node) -> surface.Run:
        stream, *steps = self._all(node.children)
        return surface.Run(stream, steps[0], steps[-1], span=self._span(node))

    def _step(self, node: Node) -> surface.Step:
        base, *moves = node.children
        signs = (1 if sign == "+" else -1 for sign in moves[::2])
        named = tuple(zip(signs, self._all(moves[1::2]), strict=True))
        return surface.Step(self._built(base), named, span=self._span(node))

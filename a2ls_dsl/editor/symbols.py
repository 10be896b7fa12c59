"""The names of a file, each with every place where it stands; in loss files and in grammars.

Outline, definitions, references, highlights and renames all come from `symbols`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import TypeAlias

from a2ls_dsl.diagnostics import Diagnostic, Source
from a2ls_dsl.lang.files import MAX_SIZE
from a2ls_dsl.lang.messages.codes import Findings
from a2ls_dsl.lang.syntax import surface
from a2ls_dsl.lang.syntax.parser import GRAMMARS, LOSSES, read

Chars: TypeAlias = tuple[int, int]
"""The characters from the first number up to the second."""


class Kind(StrEnum):
    """What a name stands for."""

    LOSS = "loss"
    MAP = "learned map"
    VIEW = "view"
    RULE = "rule"
    PARAMETER = "parameter"


@dataclass(frozen=True)
class Symbol:
    """A name and its places in the order of the text.

    named: where it is defined, and `whole`: its definition; None where another file defines it.
    """

    name: str
    kind: Kind
    places: tuple[Chars, ...]
    named: Chars | None
    whole: Chars | None


_Key: TypeAlias = tuple[Kind, str, int]
"""Kind, name, and where the definition begins that a learned map or a view belongs to."""

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_COMMENT = re.compile(r"#[^\r\n]*")


@lru_cache(maxsize=4)
def statements(text: str, grammar: bool) -> tuple[tuple[surface.Statement, ...], tuple[Diagnostic, ...]]:
    """What a text consists of, and what is wrong with the rest; nothing of a text that no file may have."""
    if len(text) > MAX_SIZE or "\0" in text:
        return (), ()
    findings = Findings(of_grammar=grammar)
    source = Source("", text.replace("\ufeff", " ", 1))
    return tuple(read(source, GRAMMARS if grammar else LOSSES, findings)), tuple(findings.diagnostics)


@lru_cache(maxsize=64)
def symbols(text: str, grammar: bool) -> tuple[Symbol, ...]:
    """Every symbol of a text, in the order of their first places."""
    index = _Index(text)
    for statement in statements(text, grammar)[0]:
        index.add(statement, grammar)
    for piece in index.broken:
        index.search(piece)
    return tuple(sorted(index.symbols(), key=lambda symbol: symbol.places))


def symbol_at(text: str, offset: int, grammar: bool) -> Symbol | None:
    """The symbol at a character, or the one that ends there."""
    touching = [
        (end == offset, symbol)
        for symbol in symbols(text, grammar)
        for start, end in symbol.places
        if start <= offset <= end
    ]
    return min(touching, key=lambda candidate: candidate[0])[1] if touching else None


class _Index:
    """Collects the places of names."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._places = defaultdict[_Key, set[Chars]](set)
        self._defined = dict[_Key, tuple[Chars, Chars]]()
        self.broken = list[Chars]()

    def add(self, statement: surface.Statement, grammar: bool) -> None:
        """All names of a statement."""
        match statement:
            case surface.Header(_, horizons):
                for horizon in horizons:
                    self._define(Kind.PARAMETER, horizon.parameter, horizon)
            case surface.Bound(_, rule):
                self._use(Kind.RULE, rule)
            case surface.Equation(name, body):
                self._define(Kind.RULE if grammar else Kind.LOSS, name, statement)
                if isinstance(body, surface.Broken):
                    self.broken.append((body.span.start, body.span.end))
                elif grammar:
                    self._rule(body)
                else:
                    self._loss(body, statement.span.start)

    def search(self, piece: Chars) -> None:
        """Names that are known, in a piece that can't be parsed."""
        start, end = piece
        clean = _COMMENT.sub(lambda comment: " " * len(comment[0]), self._text[:end])
        defined = {name: kind for kind, name, _ in self._defined if kind not in (Kind.MAP, Kind.VIEW)}
        for word in _WORD.finditer(clean, start):
            if word[0] in defined and not clean.startswith("[", word.end()):
                self._places[defined[word[0]], word[0], 0].add(word.span())

    def symbols(self) -> Iterator[Symbol]:
        rules = {name for kind, name, _ in self._defined if kind is Kind.RULE}
        for key, places in self._places.items():
            kind, name, _ = key
            if kind is not Kind.RULE or name in rules:  # others are operators, functions, ...
                named, whole = self._defined.get(key, (None, None))
                yield Symbol(name, kind, tuple(sorted(places)), named, whole)

    def _rule(self, body: surface.Expression) -> None:
        for part in surface.walk(body):
            if isinstance(part, surface.Name):
                self._use(Kind.RULE, part)
            elif isinstance(part, surface.Elements):
                for run in surface.every(surface.Run, part):
                    for _, name in (*run.first.parameters, *run.last.parameters):
                        self._use(Kind.PARAMETER, name)

    def _loss(self, body: surface.Expression, scope: int) -> None:
        for term in body.parts if isinstance(body, surface.Sum) else (body,):
            inner = term.body if isinstance(term, surface.Scaled) else term
            if isinstance(inner, surface.Name):
                self._use(Kind.LOSS, inner)
            if not isinstance(inner, surface.Operation):
                continue
            for option in inner.options:
                if option.shared:
                    self._define(Kind.MAP, option.shared, option.shared, scope)
            for items in (*inner.arguments, inner.target):
                for item in items.items if isinstance(items, surface.Elements) else ():
                    for call in surface.every(surface.Apply, item):
                        if call.shared:
                            self._define(Kind.VIEW, call.shared, call.shared, scope)

    def _define(
        self,
        kind: Kind,
        name: surface.Name,
        whole: surface.Equation | surface.Horizon | surface.Name,
        scope: int = 0,
    ) -> None:
        """A place that defines a name, unless one above has."""
        where = _stripped(self._text, (whole.span.start, whole.span.end))
        self._defined.setdefault((kind, name.text, scope), ((name.span.start, name.span.end), where))
        self._use(kind, name, scope)

    def _use(self, kind: Kind, name: surface.Name, scope: int = 0) -> None:
        self._places[kind, name.text, scope].add((name.span.start, name.span.end))


def outline(text: str, grammar: bool) -> list[tuple[Symbol, Chars, Chars]]:
    """The losses or rules of a file, each with the characters of its name and those of its definition."""
    defined = (
        (symbol, symbol.named, symbol.whole)
        for symbol in symbols(text, grammar)
        if symbol.kind in (Kind.LOSS, Kind.RULE)
    )
    entries = [(symbol, named, whole) for symbol, named, whole in defined if named and whole]
    return sorted(entries, key=lambda entry: entry[1])


_COMMENTS = re.compile(r"(?:^[ \t]*#[^\r\n]*(?:\r\n|\n|\r|\Z))+", re.MULTILINE)


def folds(text: str, grammar: bool) -> list[tuple[Chars, bool]]:
    """What an editor may fold: definitions and comments of several lines; True where it is a comment."""
    comments = [(_stripped(text, comment.span()), True) for comment in _COMMENTS.finditer(text)]
    definitions = [(whole, False) for _, _, whole in outline(text, grammar)]
    return sorted(
        (piece, is_comment) for piece, is_comment in [*comments, *definitions] if _long(text, piece)
    )


def comment_above(text: str, start: int) -> str:
    """The comment that stands right above a definition, without its signs."""
    above = text[: text.rfind("\n", 0, start) + 1]
    comments = list(_COMMENTS.finditer(above))
    if not comments or comments[-1].end() != len(above):
        return ""
    return "\n".join(re.sub(r"^\s*#+ ?", "", line) for line in comments[-1][0].splitlines()).strip()


def replaced(text: str, places: Iterable[Chars], new: str) -> str:
    """The text with `new` at these places."""
    for start, end in sorted(places, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def _stripped(text: str, piece: Chars) -> Chars:
    start, end = piece
    return start, start + len(text[start:end].rstrip())


def _long(text: str, piece: Chars) -> bool:
    return bool(re.search(r"[\r\n]", text[slice(*piece)]))

"""What the name under the cursor is, in all files that share it: definition, references, rename."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

from a2ls_dsl.diagnostics import A2lError, Severity, Source, Span
from a2ls_dsl.editor.project import Analysis, Buffers, analyse
from a2ls_dsl.editor.scan import token_at
from a2ls_dsl.editor.symbols import Chars, Kind, Symbol, replaced, statements, symbol_at, symbols
from a2ls_dsl.lang.files import SUFFIX, read, shipped
from a2ls_dsl.lang.grammar.grammar import name_errors
from a2ls_dsl.lang.messages.codes import place

_MANY = 200
"""So many files of a folder are looked through at most."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


@dataclass(frozen=True)
class File:
    """A loss file or a grammar as it is in the editor, among the `buffers` of all open files.

    path: where it lies, None if it was never saved.
    """

    text: str
    path: Path | None = None
    grammar: bool = False
    buffers: Buffers | None = None

    @cached_property
    def analysis(self) -> Analysis:
        """What is known about a loss file."""
        return analyse(self.text, self.path, self.buffers)

    @property
    def real(self) -> str:
        """What tells files apart."""
        return os.path.realpath(self.path) if self.path else ""

    def symbol(self, offset: int) -> Symbol | None:
        """The symbol at a character."""
        return symbol_at(self.text, offset, self.grammar)


@dataclass(frozen=True)
class Target:
    """Where a name leads: a place, and the file that it lies in, None for the file itself."""

    path: Path | None
    span: Span


Places: TypeAlias = dict[str, tuple[Chars, ...]]
"""Where a symbol stands, by real path; that of a file that was never saved is empty."""


def definition(file: File, offset: int) -> Target | None:
    """Where the symbol or the import at a character leads."""
    symbol = file.symbol(offset)
    if symbol is None:
        return None if file.grammar else _imported(file, offset)
    if symbol.named:
        return Target(None, Span(Source("", file.text), *symbol.named))
    target = file.analysis.definition(symbol.name) if symbol.kind is Kind.LOSS else None
    if target is None:
        return None
    unit, defined = target
    return Target(unit.path, place(defined.name_span or defined.span))


def places(file: File, offset: int) -> Places:
    """Every place of the symbol at a character: of a loss also in files of its folder, and in open ones."""
    symbol = file.symbol(offset)
    if symbol is None:
        return {}
    spots = {file.real: symbol.places}
    home = _home(file, symbol)
    for other in _neighbours(file, home) if home else ():
        if symbol.name not in other.text:
            continue
        shared = next((loss for loss in _losses(other) if loss.name == symbol.name), None)
        if shared and _home(other, shared) == home:
            spots[other.real] = shared.places
    return spots


def rename(file: File, offset: int, new: str) -> Places:
    """The places where the new name goes. Raises `A2lError` if it would mean something else there."""
    symbol = renamed(file, offset)
    if symbol is None:
        raise A2lError("there is no name of a loss, a rule, a parameter, a map or a view", "choose one")
    if not _NAME.match(new):
        raise A2lError(f"`{new}` is no name", "use letters, digits and underscores")
    spots = places(file, offset)
    old = {opened.real: opened for opened in (file, *_open(file, spots))}
    texts = {path: replaced(old[path].text, where, new) for path, where in spots.items()}
    buffers = {**(file.buffers or {}), **texts}
    for path, text in texts.items():
        before, after = old[path], File(text, old[path].path, file.grammar, buffers)
        errors = _errors(after)
        if errors and (error := _added(_errors(before), errors)):
            raise A2lError(f"`{new}` can't be the name: {error}", "choose another")
        if _pattern(before) != _pattern(after):
            raise A2lError(f"`{new}` has a meaning already in {path or 'this file'}", "choose another")
    return spots


def renamed(file: File, offset: int) -> Symbol | None:
    """The symbol at a character if it can have another name: shipped losses and `loss` keep theirs."""
    symbol = file.symbol(offset)
    if symbol is None or (symbol.kind is Kind.RULE and symbol.name == "loss"):
        return None
    home = _home(file, symbol)
    ours = {os.path.realpath(path) for path in shipped("losses", SUFFIX).values()}
    return None if home in ours or (not symbol.named and not home) else symbol


def _imported(file: File, offset: int) -> Target | None:
    """The file of the import at a character."""
    token = token_at(file.text, offset)
    if token is None or token.kind != "string" or file.analysis.unit is None:
        return None
    for statement, unit in file.analysis.unit.brought.items():
        if statement.path == token.text.strip('"'):
            return Target(unit.path, Span(unit.source, 0, 0))
    return None


def _losses(file: File) -> Iterator[Symbol]:
    return (symbol for symbol in symbols(file.text, file.grammar) if symbol.kind is Kind.LOSS)


def _home(file: File, symbol: Symbol) -> str:
    """The real path of the file that defines a loss; empty for what counts in its own file only."""
    if symbol.kind is not Kind.LOSS or file.path is None:
        return ""
    if symbol.named:
        return file.real
    definition = file.analysis.definition(symbol.name)
    return os.path.realpath(definition[0].path) if definition and definition[0].path else ""


def _neighbours(file: File, home: str) -> Iterator[File]:
    """The other loss files that may name a loss of `home`."""
    folder = [str(path) for path in sorted(Path(home).parent.glob(f"*{SUFFIX}"))[:_MANY]]
    opened = [path for path in file.buffers or {} if path.endswith(SUFFIX)]
    return _open(file, {os.path.realpath(path) for path in (home, *folder, *opened)})


def _open(file: File, paths: Iterable[str]) -> Iterator[File]:
    """The files of these real paths but `file` itself, as far as they can be read."""
    for path in paths:
        if path and path != file.real:
            text = (file.buffers or {}).get(path)
            try:
                yield File(read(path).text if text is None else text, Path(path), False, file.buffers)
            except A2lError:
                continue


def _errors(file: File) -> list[str]:
    if file.grammar:
        return name_errors(*statements(file.text, True))
    diagnostics = (finding.diagnostic for finding in file.analysis.findings)
    return [
        f"{diagnostic.message}; {diagnostic.fix}"
        for diagnostic in diagnostics
        if diagnostic.severity is Severity.ERROR
    ]


def _added(before: list[str], after: list[str]) -> str:
    """An error that wasn't there before, if there are more."""
    return next((error for error in after if error not in before), "") if len(after) > len(before) else ""


def _pattern(file: File) -> list[tuple[Kind, int]]:
    """What a rename must leave as it is: which places belong together."""
    return [(symbol.kind, len(symbol.places)) for symbol in symbols(file.text, file.grammar)]

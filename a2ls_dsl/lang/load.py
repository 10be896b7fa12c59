"""From a file, a text or the name of a shipped loss to canonical losses.

A file that is imported is read once, checked by itself, and its losses are known to the files above it. An
import names a `.a2l` file relative to the file it stands in, else a shipped loss. A text that is no file
imports shipped losses only.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from a2ls_dsl.diagnostics import A2lError, Diagnostic, Fix, LanguageError, Severity, Source, near, unknown
from a2ls_dsl.lang.files import GRAMMAR_SUFFIX, MAX_SIZE, SUFFIX, read, shipped
from a2ls_dsl.lang.messages.codes import FEW, Rule, place, report
from a2ls_dsl.lang.rules.canonical import canonical
from a2ls_dsl.lang.rules.check import FileChecker, Imported, Summary
from a2ls_dsl.lang.syntax.elaborate import recover
from a2ls_dsl.lang.syntax.items import MAX_ELEMENTS
from a2ls_dsl.lang.syntax.tree import Comparison, Import, Loss, LossFile

MAX_FILES = 50
"""How many files one file may import, directly and through others."""

Read: TypeAlias = Callable[[Path, str], Source]
"""Gives the text of a file, which in messages is called as the second argument says; raises `A2lError`."""


def load(path: str | os.PathLike[str]) -> dict[str, Loss]:
    """The canonical losses of a file, or of a shipped loss' file by plain name, in the order of the file.

    Raises `LanguageError` with every error in the file and in those that it imports, `A2lError` if it can't
    be read.
    """
    place = locate(path)
    if place.suffix == GRAMMAR_SUFFIX:
        raise A2lError(
            f"{place} is a loss grammar, not a loss", f"draw losses of it: a2l grammar sample {place}"
        )
    losses, _ = analyse(read(place), place)
    return losses


def loads(text: str, name: str = "<string>") -> dict[str, Loss]:
    """The canonical losses of a text, in its order; it can import shipped ones. Raises `LanguageError`."""
    losses, _ = analyse(Source(name, text))
    return losses


def load_one(path: str | os.PathLike[str], name: str | None = None) -> tuple[str, Loss]:
    """The loss called `name` of a file or of a shipped loss, by default its last one; with its name."""
    losses = load(path)
    if name is None:
        return list(losses.items())[-1]
    if name not in losses:
        raise unknown(f"loss in {os.fspath(path)} called", name, losses)
    return name, losses[name]


def analyse(source: Source, path: Path | None = None) -> tuple[dict[str, Loss], list[Diagnostic]]:
    """The canonical losses of a text and its warnings. Raises `LanguageError` if there is any error.

    path: the file that the text stands in, whose imports are relative to it. Warnings about imported files
    are not among those of the file itself.
    """
    importer = Importer()
    unit = importer.unit(source, path)
    diagnostics = list(unit.diagnostics)
    for other in importer.units.values():
        diagnostics += other.errors if other is not unit else []
    if any(diagnostic.severity is Severity.ERROR for diagnostic in diagnostics):
        raise LanguageError(diagnostics)
    return unit.losses, diagnostics


def locate(path: str | os.PathLike[str]) -> Path:
    """The file that a path or the plain name of a shipped loss stands for, whether it exists or not."""
    text = os.fspath(path)
    library = shipped("losses", SUFFIX)
    if text in library:
        return library[text]
    # lexists and not exists: a broken link or a forbidden folder is `read`'s to explain.
    if os.path.lexists(text) or os.path.dirname(text):
        return Path(text)
    stem = text.removesuffix(SUFFIX)
    shown = text.encode(errors="backslashreplace").decode()
    if close := near(stem, library):
        fix = f"did you mean the shipped loss `{close}`?"
    elif text.endswith(SUFFIX):
        fix = "check the path; the shipped losses go by name"
    else:
        fix = f"shipped are {', '.join(library)}"
    raise A2lError(f"there is no file or shipped loss {shown}", fix)


@dataclass
class Unit:
    """A file that was read and checked; `losses` is empty while there are errors.

    path: where it lies, None for a text that is no file. brought: what its imports stand for, as far as that
    could be read.
    """

    source: Source
    path: Path | None = None
    file: LossFile = field(default_factory=lambda: LossFile(()))
    brought: dict[Import, Unit] = field(default_factory=dict)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    summaries: dict[str, Summary] = field(default_factory=dict)
    losses: dict[str, Loss] = field(default_factory=dict)

    def note(self, code: str, message: str, statement: Import, fix: str | Fix) -> None:
        """Add a diagnostic about an import."""
        self.diagnostics.append(report(code, message, place(statement.path_span), fix))

    @property
    def errors(self) -> list[Diagnostic]:
        """What makes the file unusable."""
        return [diagnostic for diagnostic in self.diagnostics if diagnostic.severity is Severity.ERROR]


class Importer:
    """Reads and checks a file and whatever it imports; an editor has a `read` that knows its open files."""

    def __init__(self, read: Read = read) -> None:
        self._read = read
        self.units: dict[str, Unit] = {}
        self._library = shipped("losses", SUFFIX)
        self._open: list[str] = []
        self._size = 0
        self._elements = 0

    def unit(self, source: Source, path: Path | None) -> Unit:
        """The unit of a file, after those that it imports; `path` is None for a text that is no file."""
        key = os.path.realpath(path) if path else source.name
        self.units[key] = unit = Unit(source, path)
        self._open.append(key)
        self._size += len(source.text)
        unit.file, mistakes = recover(source)
        file = unit.file
        self._elements += _elements(file)
        unit.diagnostics += mistakes
        imported, losses = dict[str, Imported](), dict[str, Loss]()
        complete = not any(diagnostic.code == Rule.IMPORT for diagnostic in mistakes)
        for statement in dict.fromkeys(file.imports):  # imports are equal if their paths are
            inner = self._imported(statement, path, unit)
            complete = complete and inner is not None
            if inner is not None:
                unit.brought[statement] = inner
                self._bring(statement, inner, imported, unit)
                losses |= inner.losses
        checker = FileChecker(unit.diagnostics)
        checker.check(file, imported, complete)
        unit.diagnostics = sorted(
            [*unit.diagnostics, *checker.diagnostics], key=lambda diagnostic: diagnostic.span.start
        )
        unit.summaries = checker.summaries
        if not any(unit.errors for unit in self.units.values()):
            unit.losses = _canonical(file, losses)
        self._open.pop()
        return unit

    def _imported(self, statement: Import, path: Path | None, unit: Unit) -> Unit | None:
        """The unit that an import names, or None after noting why there is none."""
        try:
            target = find(statement.path, path, self._library, guess=len(unit.diagnostics) < FEW)
            key = os.path.realpath(target)
            if key in self._open:
                names = [self.units[name].source.name for name in [*self._open[self._open.index(key) :], key]]
                message = f"this import closes a circle: {' -> '.join(map(os.path.basename, names))}"
                fix = "put what both files need into a third one"
                unit.note(Rule.IMPORT_CIRCLE, message, statement, fix)
                return None
            if key in self.units:
                return self.units[key]
            source = self._read(target, self._called(statement.path, target, unit.source))
        except A2lError as error:
            unit.note(Rule.IMPORT_UNREADABLE, error.message, statement, _edit(error.fix))
            return None
        fits = len(self.units) <= MAX_FILES and self._size + len(source.text) <= MAX_SIZE
        inner = self.unit(source, target) if fits else None
        if not fits or self._elements > MAX_ELEMENTS:
            message = f"a file imports at most {MAX_FILES} files, {MAX_SIZE // 1000} kB"
            message += f" and {MAX_ELEMENTS:,} elements, directly and through others"
            unit.note(Rule.IMPORT_LIMITS, message, statement, "import less")
            return None
        return inner

    def _called(self, text: str, target: Path, importer: Source) -> str:
        """What an imported file is called in messages: where it lies as seen from where the importer does."""
        beside = os.path.join(os.path.dirname(importer.name), text.removesuffix(SUFFIX) + SUFFIX)
        return target.name if target in self._library.values() else os.path.normpath(beside)

    def _bring(self, statement: Import, inner: Unit, imported: dict[str, Imported], unit: Unit) -> None:
        """Make the losses of `inner` known."""
        for name, summary in inner.summaries.items():
            before = imported.setdefault(name, Imported(statement, inner.source, summary))
            if before.source is not inner.source:
                message = f'`{name}` is a loss of "{before.by.path}" and of "{statement.path}"'
                fix = "rename one of the two, or import one of the files only"
                unit.note(Rule.NAME_TAKEN, message, statement, fix)
                return


def find(text: str, path: Path | None, library: Mapping[str, Path], guess: bool = True) -> Path:
    """The file that an import in the file `path` names, or a shipped one of `library`.

    Raises `A2lError`; with `guess` with a near name.
    """
    stem = text.removesuffix(SUFFIX)
    if os.path.isabs(text) or "\\" in text or not stem or not stem.isprintable():
        raise A2lError(
            f'an import is a relative path to a file, not "{text[:80]}"', f'e.g. import "curl{SUFFIX}"'
        )
    beside = path.parent / (stem + SUFFIX) if path else None
    if beside and os.path.lexists(beside):
        return beside
    if stem in library:
        return library[stem]
    if close := near(stem, library) if guess else None:
        fix = f"did you mean the shipped loss `{close}`?"
    elif path is None:
        fix = "a text imports shipped losses only; save it in a file beside the other"
    else:
        fix = "a path is relative to this file"
    raise A2lError(f'there is no file or shipped loss "{text[:80]}"', fix)


def _edit(words: str) -> str | Fix:
    """A fix that names a shipped loss, as an edit of the import."""
    meant = re.search(r"did you mean the shipped loss `(\w+)`", words)
    return Fix(words, f'"{meant[1]}{SUFFIX}"') if meant else words


def _elements(file: LossFile) -> int:
    terms = (weighted.term for definition in file.definitions for weighted in definition.loss.terms)
    return sum(len(term.items) for term in terms if isinstance(term, Comparison))


def _canonical(file: LossFile, scope: dict[str, Loss]) -> dict[str, Loss]:
    """The canonical losses of a file that is free of errors; `scope` holds the imported ones."""
    scope = dict(scope)
    for definition in file.definitions:
        scope[definition.name] = canonical(definition.loss, scope)
    return {definition.name: scope[definition.name] for definition in file.definitions}

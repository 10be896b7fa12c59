"""A loss file as an editor holds it: its text, what it imports, and what is wrong with both."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from a2ls_dsl.diagnostics import A2lError, Diagnostic, LanguageError, Source, Span
from a2ls_dsl.lang.files import MAX_SIZE, read, too_large
from a2ls_dsl.lang.load import Importer, Unit
from a2ls_dsl.lang.messages.codes import Rule, place, report
from a2ls_dsl.lang.syntax.tree import Definition, Import

Buffers = Mapping[str, str]
"""The texts of the files that are open in the editor, by real path; they count more than what is on disk."""


@dataclass(frozen=True)
class Related:
    """A place in another file that a finding has to do with."""

    path: Path
    span: Span
    message: str


@dataclass(frozen=True)
class Finding:
    """A diagnostic whose place lies in the file itself."""

    diagnostic: Diagnostic
    related: tuple[Related, ...] = ()


@dataclass(frozen=True)
class Analysis:
    """What is known about a loss file; `unit` is None where the text was refused unread."""

    findings: tuple[Finding, ...]
    unit: Unit | None = None

    def definition(self, name: str) -> tuple[Unit, Definition] | None:
        """The definition that a name stands for, in the file itself or in an imported one, and that file."""
        if self.unit is None:
            return None
        for unit in (self.unit, *self.unit.brought.values()):
            for definition in unit.file.definitions:
                if definition.name == name:
                    return unit, definition
        return None


def analyse(text: str, path: Path | None, buffers: Buffers | None = None) -> Analysis:
    """Check the text of a loss file; `path` is where it is or will be saved, None if it has no place yet.

    Imports are relative to the path. Nothing in the files is ever run.
    """
    opened = buffers or {}

    def from_editor(target: Path, called: str) -> Source:
        text = opened.get(os.path.realpath(target))
        return read(target, called) if text is None else Source(called, plain(text, called))

    text = " " + text[1:] if text.startswith("\ufeff") else text  # a byte order mark; places stay the same
    source = Source(str(path) if path else "<buffer>", text)
    try:
        plain(text, source.name)
        importer = Importer(from_editor)
        unit = importer.unit(source, path)
    except LanguageError as error:
        return Analysis(tuple(map(Finding, error.diagnostics)))
    except A2lError as error:
        at = max(text.find("\0"), 0)
        return Analysis(
            (Finding(report(Rule.CHARACTER, error.message, Span(source, at, at + 1), error.fix)),)
        )
    own = [diagnostic for diagnostic in unit.diagnostics if diagnostic.span.source is source]
    findings = [Finding(diagnostic) for diagnostic in own]
    findings += _inside(
        unit, {place(statement.path_span).start for statement in unit.file.imports} & _starts(own)
    )
    return Analysis(tuple(sorted(findings, key=lambda finding: finding.diagnostic.span.start)), unit)


def plain(text: str, name: str) -> str:
    """A text that may be that of a file on disk. Raises `A2lError` for one that `files.read` would refuse."""
    if len(text.encode("utf-8", "replace")) > MAX_SIZE:
        raise too_large(name)
    if "\0" in text:
        raise A2lError("a text file holds no NUL characters", "remove it")
    return text


def _starts(diagnostics: Iterable[Diagnostic]) -> set[int]:
    return {diagnostic.span.start for diagnostic in diagnostics}


def _inside(unit: Unit, reported: set[int]) -> Iterator[Finding]:
    """One finding for every import whose file, or what that imports, has errors, but those `reported`."""
    for statement in unit.file.imports:
        broken = _broken(unit, statement)
        where = place(statement.path_span)
        if broken and where.start not in reported:
            first = broken[0]
            more = f" and {len(broken) - 1} more" if len(broken) > 1 else ""
            message = f'"{statement.path}" has errors: {first.message}{more}'
            fix = f"see {first.span.source.name}:{first.span.line}"
            yield Finding(report(Rule.IMPORT_UNREADABLE, message, where, fix), tuple(broken))


def _broken(unit: Unit, statement: Import) -> list[Related]:
    """The errors of what an import names and of what that imports, each file once."""
    waiting, seen, errors = [unit.brought.get(statement)], {id(unit)}, list[Related]()
    while waiting:
        inner = waiting.pop()
        if inner is None or id(inner) in seen or inner.path is None:
            continue
        seen.add(id(inner))
        errors += [Related(inner.path, error.span, error.message) for error in inner.errors]
        waiting += inner.brought.values()
    return errors

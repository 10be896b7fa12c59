"""A file in the words of the protocol: URIs, lines and columns in place of paths and characters."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from lsprotocol import types as lsp
from pygls.uris import from_fs_path, to_fs_path
from pygls.workspace import Workspace

from a2ls_dsl.diagnostics import Severity, Span
from a2ls_dsl.editor import grammars
from a2ls_dsl.editor.project import Analysis, Finding
from a2ls_dsl.editor.references import File, Places, Target
from a2ls_dsl.editor.symbols import Chars
from a2ls_dsl.editor.text import Text
from a2ls_dsl.lang.files import GRAMMAR_SUFFIX, read


class Document:
    """One file of a workspace; `shown` are the findings that the editor was told last."""

    def __init__(self, workspace: Workspace, uri: str, shown: Sequence[Finding] = ()) -> None:
        document = workspace.get_text_document(uri)
        self.uri, self.version, self.shown = uri, document.version, shown
        encoding = workspace.position_encoding
        self._encoding = str(getattr(encoding, "value", encoding))
        self._uris = {_real(other): other for other in workspace.text_documents}
        self.text = Text(document.source, self._encoding)
        opened = ((_real(other.uri), other.source) for other in workspace.text_documents.values())
        buffers = {real: text for real, text in opened if real}
        grammar = uri.endswith(GRAMMAR_SUFFIX) or document.language_id == "a2g"
        self.file = File(self.text.text, path(uri), grammar, buffers)

    def check(self) -> Analysis:
        """Everything that is wrong with the file; that takes its time for a grammar."""
        file = self.file
        return grammars.check(file.text, str(file.path or self.uri)) if file.grammar else file.analysis

    def offset(self, position: lsp.Position) -> int:
        """The character at a place."""
        return self.text.offset(position.line, position.character)

    def range(self, start: int, end: int) -> lsp.Range:
        """The places of some characters."""
        return _range(self.text, start, end)

    def diagnostic(self, finding: Finding) -> lsp.Diagnostic:
        """A finding with its code, place and fix."""
        diagnostic = finding.diagnostic
        warning = diagnostic.severity is Severity.WARNING
        end = max(diagnostic.span.end, diagnostic.span.start + 1)
        return lsp.Diagnostic(
            self.range(diagnostic.span.start, end),
            f"{diagnostic.message}\nfix: {diagnostic.fix}" if diagnostic.fix else diagnostic.message,
            severity=lsp.DiagnosticSeverity.Warning if warning else lsp.DiagnosticSeverity.Error,
            code=diagnostic.code,
            source="a2l",
            related_information=[
                lsp.DiagnosticRelatedInformation(self._elsewhere(note.path, note.span), note.message)
                for note in finding.related
            ],
        )

    def location(self, target: Target) -> lsp.Location:
        """Where a name leads."""
        if target.path is None:
            return lsp.Location(self.uri, self.range(target.span.start, target.span.end))
        return self._elsewhere(target.path, target.span)

    def locations(self, places: Places) -> dict[str, list[lsp.Range]]:
        """The places of a symbol by URI."""
        return {self._uri(real): list(self._ranges(real, chars)) for real, chars in places.items()}

    def _ranges(self, real: str, places: Sequence[Chars]) -> list[lsp.Range]:
        if real == self.file.real:
            return [self.range(*place) for place in places]
        text = (self.file.buffers or {}).get(real)
        there = Text(read(real).text if text is None else text, self._encoding)
        return [_range(there, *place) for place in places]

    def _uri(self, real: str) -> str:
        return self.uri if real == self.file.real else self._uris.get(real) or from_fs_path(real) or ""

    def _elsewhere(self, path: Path, span: Span) -> lsp.Location:
        uri = from_fs_path(os.path.abspath(path)) or ""
        return lsp.Location(uri, _range(Text(span.source.text, self._encoding), span.start, span.end))


def path(uri: str) -> Path | None:
    """Where a file lies; None for a text that was never saved."""
    name = to_fs_path(uri) if uri.startswith("file:") else None
    return Path(name) if name else None


def _real(uri: str) -> str:
    where = path(uri)
    return os.path.realpath(where) if where else ""


def _range(text: Text, start: int, end: int) -> lsp.Range:
    return lsp.Range(lsp.Position(*text.position(start)), lsp.Position(*text.position(end)))

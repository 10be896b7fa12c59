"""The language server: it keeps the open files and passes on what the functions over their texts find.

It speaks the language server protocol on stdin and stdout. Texts are sent whole, so that lines are counted
in one place only (`text.py`).
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from lsprotocol import types as lsp
from pygls.lsp.server import LanguageServer
from pygls.uris import from_fs_path, to_fs_path
from pygls.workspace import TextDocument

from a2ls_dsl.diagnostics import LanguageError, Severity, Source, Span
from a2ls_dsl.editor import complete, grammars, hover, places
from a2ls_dsl.editor.project import Analysis, Finding, analyse
from a2ls_dsl.editor.protocol import Protocol
from a2ls_dsl.editor.text import Text
from a2ls_dsl.lang.grammar.load import SUFFIX as GRAMMAR_SUFFIX
from a2ls_dsl.lang.syntax.layout import format_file

PAUSE = 0.15
"""Seconds without a change after which a text is checked."""

_KINDS = {
    complete.Sort.OPERATOR: lsp.CompletionItemKind.Operator,
    complete.Sort.FUNCTION: lsp.CompletionItemKind.Function,
    complete.Sort.STREAM: lsp.CompletionItemKind.Variable,
    complete.Sort.LOSS: lsp.CompletionItemKind.Class,
    complete.Sort.WORD: lsp.CompletionItemKind.Keyword,
    complete.Sort.OPTION: lsp.CompletionItemKind.Property,
    complete.Sort.VALUE: lsp.CompletionItemKind.Value,
    complete.Sort.FILE: lsp.CompletionItemKind.File,
}


class Server(LanguageServer):
    """A server for `.a2l` and `.a2g` files."""

    def __init__(self, version: str) -> None:
        super().__init__("a2l", version, lsp.TextDocumentSyncKind.Full, protocol_cls=Protocol)

    def document(self, uri: str) -> Document:
        """An open file, else the one on disk."""
        return Document(self.workspace.get_text_document(uri), self)

    @property
    def encoding(self) -> str:
        """What columns count in: UTF-16, unless the editor prefers another."""
        return str(getattr(self.workspace.position_encoding, "value", self.workspace.position_encoding))

    @property
    def buffers(self) -> dict[str, str]:
        """The texts of the open files by real path."""
        opened = self.workspace.text_documents.values()
        found = ((_path(each.uri), each.source) for each in opened)
        return {os.path.realpath(path): text for path, text in found if path}

    def publish(self, uri: str) -> None:
        """Send what is wrong with a file."""
        document = self.document(uri)
        findings = [document.diagnostic(finding) for finding in document.analysis.findings]
        self.text_document_publish_diagnostics(
            lsp.PublishDiagnosticsParams(uri, findings, version=document.version)
        )

    def publish_all(self, first: str) -> None:
        """Send what is wrong with a file that changed, then with the others: they may import it."""
        self.publish(first)
        for document in list(self.workspace.text_documents.values()):
            if document.uri != first:
                self.publish(document.uri)


class Document:
    """One file, in the words of the protocol."""

    def __init__(self, document: TextDocument, server: Server) -> None:
        self.uri, self.version = document.uri, document.version
        self._server = server
        self.text = Text(document.source, server.encoding)
        self.path = _path(document.uri)
        self.is_grammar = document.uri.endswith(GRAMMAR_SUFFIX) or document.language_id == "a2g"
        self._analysis: Analysis | None = None

    @property
    def analysis(self) -> Analysis:
        """What is known about the text."""
        if self._analysis is None:
            name = str(self.path or self.uri)
            text, buffers = self.text.text, self._server.buffers
            self._analysis = (
                grammars.check(text, name) if self.is_grammar else analyse(text, self.path, buffers)
            )
        return self._analysis

    def offset(self, position: lsp.Position) -> int:
        return self.text.offset(position.line, position.character)

    def range(self, start: int, end: int) -> lsp.Range:
        return _range(self.text, start, end)

    def diagnostic(self, finding: Finding) -> lsp.Diagnostic:
        """A finding with its code, place and fix."""
        found = finding.diagnostic
        warning = found.severity is Severity.WARNING
        end = max(found.span.end, found.span.start + 1)
        return lsp.Diagnostic(
            self.range(found.span.start, end),
            f"{found.message}\nfix: {found.fix}" if found.fix else found.message,
            severity=lsp.DiagnosticSeverity.Warning if warning else lsp.DiagnosticSeverity.Error,
            code=found.code,
            source="a2l",
            related_information=[
                lsp.DiagnosticRelatedInformation(self._elsewhere(each.path, each.span), each.message)
                for each in finding.related
            ],
        )

    def quick_fix(self, finding: Finding) -> lsp.CodeAction:
        """The edit of a finding that has one."""
        found = finding.diagnostic
        edits = []
        if found.edit:
            place = self.range(found.edit.span.start, found.edit.span.end)
            edits = [lsp.TextEdit(place, found.edit.text)]
        return lsp.CodeAction(
            found.fix,
            kind=lsp.CodeActionKind.QuickFix,
            diagnostics=[self.diagnostic(finding)],
            is_preferred=True,
            edit=lsp.WorkspaceEdit(changes={self.uri: edits}),
        )

    def location(self, target: places.Target) -> lsp.Location:
        """Where a name leads."""
        if target.path is None:
            return lsp.Location(self.uri, self.range(target.span.start, target.span.end))
        return self._elsewhere(target.path, target.span)

    def _elsewhere(self, path: Path, span: Span) -> lsp.Location:
        uri = from_fs_path(os.path.abspath(path)) or ""
        return lsp.Location(uri, _range(Text(span.source.text, self._server.encoding), span.start, span.end))


def _path(uri: str) -> Path | None:
    """Where a file lies; None for a text that was never saved."""
    name = to_fs_path(uri) if uri.startswith("file:") else None
    return Path(name) if name else None


def _range(text: Text, start: int, end: int) -> lsp.Range:
    return lsp.Range(lsp.Position(*text.position(start)), lsp.Position(*text.position(end)))


def create(version: str) -> Server:
    """A server with all its features."""
    server = Server(version)
    _register_checks(server)
    _register_answers(server)
    return server


def _register_checks(server: Server) -> None:
    @server.feature(lsp.TEXT_DOCUMENT_DID_OPEN)
    def opened(params: lsp.DidOpenTextDocumentParams) -> None:
        server.publish_all(params.text_document.uri)

    @server.feature(lsp.TEXT_DOCUMENT_DID_SAVE)
    def saved(params: lsp.DidSaveTextDocumentParams) -> None:
        server.publish_all(params.text_document.uri)

    @server.feature(lsp.TEXT_DOCUMENT_DID_CHANGE)
    async def changed(params: lsp.DidChangeTextDocumentParams) -> None:
        uri, version = params.text_document.uri, params.text_document.version
        await asyncio.sleep(PAUSE)
        current = server.workspace.text_documents.get(uri)
        if current is not None and current.version == version:
            server.publish_all(uri)

    @server.feature(lsp.TEXT_DOCUMENT_DID_CLOSE)
    def closed(params: lsp.DidCloseTextDocumentParams) -> None:
        uri = params.text_document.uri
        server.text_document_publish_diagnostics(lsp.PublishDiagnosticsParams(uri, []))
        for document in list(server.workspace.text_documents.values()):
            server.publish(document.uri)


def _register_answers(server: Server) -> None:
    @server.feature(lsp.TEXT_DOCUMENT_HOVER)
    def on_hover(params: lsp.HoverParams) -> lsp.Hover | None:
        document = server.document(params.text_document.uri)
        text, offset = document.text.text, document.offset(params.position)
        found = (
            grammars.hover(text, offset)
            if document.is_grammar
            else hover.hover(text, offset, document.analysis)
        )
        if found is None:
            return None
        said, start, end = found
        return lsp.Hover(lsp.MarkupContent(lsp.MarkupKind.Markdown, said), document.range(start, end))

    @server.feature(
        lsp.TEXT_DOCUMENT_COMPLETION, lsp.CompletionOptions(trigger_characters=["{", "(", "[", ",", '"', "="])
    )
    def on_completion(params: lsp.CompletionParams) -> list[lsp.CompletionItem]:
        document = server.document(params.text_document.uri)
        text, offset = document.text.text, document.offset(params.position)
        if document.is_grammar:
            found = grammars.complete(text, offset)
        else:
            found = complete.complete(text, offset, document.path, document.analysis)
        snippets = _takes_snippets(server)
        return [_item(document, each, number, offset, snippets) for number, each in enumerate(found)]

    @server.feature(
        lsp.TEXT_DOCUMENT_CODE_ACTION, lsp.CodeActionOptions(code_action_kinds=[lsp.CodeActionKind.QuickFix])
    )
    def on_code_action(params: lsp.CodeActionParams) -> list[lsp.CodeAction]:
        document = server.document(params.text_document.uri)
        first, last = document.offset(params.range.start), document.offset(params.range.end)
        return [
            document.quick_fix(finding)
            for finding in document.analysis.findings
            if finding.diagnostic.span.start <= last and first <= finding.diagnostic.span.end
            if finding.diagnostic.edit and finding.diagnostic.edit.span.source.text == document.text.text
        ]

    @server.feature(lsp.TEXT_DOCUMENT_FORMATTING)
    def on_formatting(params: lsp.DocumentFormattingParams) -> list[lsp.TextEdit] | None:
        document = server.document(params.text_document.uri)
        if document.is_grammar:
            return None
        text = document.text
        try:
            formatted = format_file(Source(document.uri, text.text))
        except LanguageError:
            return None  # its diagnostics say why
        if formatted == text.text:
            return []
        return [lsp.TextEdit(document.range(0, len(text.text)), formatted)]

    @server.feature(lsp.TEXT_DOCUMENT_DOCUMENT_SYMBOL)
    def on_symbols(params: lsp.DocumentSymbolParams) -> list[lsp.DocumentSymbol]:
        document = server.document(params.text_document.uri)
        text = document.text.text
        found = grammars.symbols(text) if document.is_grammar else places.symbols(document.analysis)
        return [
            lsp.DocumentSymbol(
                each.name,
                lsp.SymbolKind.Function,
                document.range(*each.whole),
                document.range(*each.named),
                detail=each.detail,
            )
            for each in found
        ]

    @server.feature(lsp.TEXT_DOCUMENT_DEFINITION)
    def on_definition(params: lsp.DefinitionParams) -> lsp.Location | None:
        document = server.document(params.text_document.uri)
        text, offset = document.text.text, document.offset(params.position)
        if document.is_grammar:
            target = grammars.definition(text, offset)
        else:
            target = places.definition(text, offset, document.analysis)
        return document.location(target) if target else None


def _takes_snippets(server: Server) -> bool:
    """Whether the editor fills in snippets."""
    texts = server.client_capabilities.text_document
    item = texts and texts.completion and texts.completion.completion_item
    return bool(item and item.snippet_support)


def _item(
    document: Document, proposal: complete.Proposal, number: int, offset: int, snippets: bool
) -> lsp.CompletionItem:
    snippet = proposal.snippet if snippets else ""
    text = snippet or proposal.text or proposal.label
    docs = proposal.documentation
    return lsp.CompletionItem(
        proposal.label,
        kind=_KINDS[proposal.sort],
        detail=proposal.detail or None,
        documentation=lsp.MarkupContent(lsp.MarkupKind.Markdown, docs) if docs else None,
        sort_text=f"{number:04}",
        insert_text_format=lsp.InsertTextFormat.Snippet if snippet else lsp.InsertTextFormat.PlainText,
        text_edit=lsp.TextEdit(document.range(proposal.start, offset), text),
    )

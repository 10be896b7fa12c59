"""The language server: it keeps the open files, tells what is wrong with them, and answers requests.

It speaks the language server protocol on stdin and stdout. Texts are sent whole, so that lines are counted
in one place only (`text.py`). Files are checked in a thread, so that a large grammar delays no answer.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Sequence
from typing import Any

from lsprotocol import types as lsp
from pygls.lsp.server import LanguageServer

from a2ls_dsl.editor.project import Finding
from a2ls_dsl.editor.protocol.document import Document
from a2ls_dsl.editor.protocol.features import Answer, features
from a2ls_dsl.editor.protocol.messages import Protocol

PAUSE = 0.15
"""Seconds without a change after which a text is checked."""


class Server(LanguageServer):
    """A server for `.a2l` and `.a2g` files."""

    def __init__(self, version: str) -> None:
        super().__init__("a2l", version, lsp.TextDocumentSyncKind.Full, protocol_cls=Protocol)
        self._shown = dict[str, Sequence[Finding]]()
        self._checking = asyncio.Lock()

    def document(self, uri: str) -> Document:
        """An open file, else the one on disk."""
        return Document(self.workspace, uri, self._shown.get(uri, ()))

    async def publish(self, uri: str) -> None:
        """Send what is wrong with an open file, unless it is changed or closed meanwhile."""
        async with self._checking:
            if uri not in self.workspace.text_documents:
                return
            document = self.document(uri)
            analysis = await asyncio.to_thread(document.check)
        current = self.workspace.text_documents.get(uri)
        if current is not None and current.version == document.version:
            self._show(document, analysis.findings)

    async def publish_all(self, first: str = "") -> None:
        """Send what is wrong with a file that changed, then with the others: they may import it."""
        others = (uri for uri in list(self.workspace.text_documents) if uri != first)
        for uri in ([first] if first else []) + list(others):
            await self.publish(uri)

    def forget(self, uri: str) -> None:
        """A closed file has nothing wrong with it."""
        self._shown.pop(uri, None)
        self.text_document_publish_diagnostics(lsp.PublishDiagnosticsParams(uri, []))

    def takes_snippets(self) -> bool:
        """Whether the editor fills in snippets."""
        texts = self.client_capabilities.text_document
        item = texts and texts.completion and texts.completion.completion_item
        return bool(item and item.snippet_support)

    def _show(self, document: Document, findings: Sequence[Finding]) -> None:
        self._shown[document.uri] = findings
        diagnostics = [document.diagnostic(finding) for finding in findings]
        self.text_document_publish_diagnostics(
            lsp.PublishDiagnosticsParams(document.uri, diagnostics, version=document.version)
        )


def create(version: str) -> Server:
    """A server with all its features."""
    server = Server(version)
    _register_checks(server)
    for method, (answer, options) in features(server.takes_snippets).items():
        _register(server, method, answer, options)
    gc.freeze()  # what is loaded stays; looking through it again and again took most of some answers
    return server


def _register(server: Server, method: str, answer: Answer, options: Any) -> None:
    def answered(params: Any) -> Any:
        return answer(server.document(params.text_document.uri), params)

    server.feature(method, options)(answered)


def _register_checks(server: Server) -> None:
    @server.feature(lsp.TEXT_DOCUMENT_DID_OPEN)
    async def opened(params: lsp.DidOpenTextDocumentParams) -> None:
        await server.publish_all(params.text_document.uri)

    @server.feature(lsp.TEXT_DOCUMENT_DID_SAVE)
    async def saved(params: lsp.DidSaveTextDocumentParams) -> None:
        await server.publish_all(params.text_document.uri)

    @server.feature(lsp.TEXT_DOCUMENT_DID_CHANGE)
    async def changed(params: lsp.DidChangeTextDocumentParams) -> None:
        uri, version = params.text_document.uri, params.text_document.version
        await asyncio.sleep(PAUSE)
        current = server.workspace.text_documents.get(uri)
        if current is not None and current.version == version:
            await server.publish_all(uri)

    @server.feature(lsp.TEXT_DOCUMENT_DID_CLOSE)
    async def closed(params: lsp.DidCloseTextDocumentParams) -> None:
        server.forget(params.text_document.uri)
        await server.publish_all()

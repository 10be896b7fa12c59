"""The client's half of the language server's protocol."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

A2L = "from a2ls_dsl.cli import main; main()"


class Editor:
    """The client's half of the protocol, as little as is needed."""

    def __init__(self, folder: Path, encodings: list[str] | None = None) -> None:
        call = [sys.executable, "-c", A2L, "lsp"]
        self.process = subprocess.Popen(call, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=folder)
        self.folder, self.published, self._number = folder, dict[str, Any](), 0
        general = {"positionEncodings": encodings} if encodings else {}
        snippets = {"completion": {"completionItem": {"snippetSupport": True}}}
        capabilities = {"general": general, "textDocument": snippets}
        self.server = self.ask(
            "initialize", processId=None, rootUri=folder.as_uri(), capabilities=capabilities
        )
        self.tell("initialized")

    def uri(self, name: str) -> str:
        return (self.folder / name).as_uri()

    def tell(self, method: str, **params: Any) -> None:
        self._send({"jsonrpc": "2.0", "method": method, "params": params})

    def ask(self, method: str, **params: Any) -> Any:
        """Send a request and wait for its answer; what is published before is kept."""
        self._number += 1
        self._send({"jsonrpc": "2.0", "id": self._number, "method": method, "params": params})
        while (message := self._receive()).get("id") != self._number:
            self._keep(message)
        assert "error" not in message, message
        return message["result"]

    def refused(self, method: str, **params: Any) -> Any:
        """The error that a request is answered with."""
        self._number += 1
        self._send({"jsonrpc": "2.0", "id": self._number, "method": method, "params": params})
        while (message := self._receive()).get("id") != self._number:
            self._keep(message)
        return message["error"]

    def at(self, method: str, name: str, line: int, column: int) -> Any:
        position = {"line": line, "character": column}
        return self.ask(f"textDocument/{method}", textDocument={"uri": self.uri(name)}, position=position)

    def open(self, name: str, text: str) -> list[Any]:
        """Open a file and wait for what is wrong with it."""
        self.published.pop(self.uri(name), None)
        language = name.rpartition(".")[2]
        document = {"uri": self.uri(name), "languageId": language, "version": 1, "text": text}
        self.tell("textDocument/didOpen", textDocument=document)
        return self.wait(name)

    def change(self, name: str, version: int, text: str) -> None:
        document = {"uri": self.uri(name), "version": version}
        self.tell("textDocument/didChange", textDocument=document, contentChanges=[{"text": text}])

    def wait(self, name: str) -> list[Any]:
        """The next diagnostics of a file, unless some are there already."""
        while self.uri(name) not in self.published:
            self._keep(self._receive())
        diagnostics: list[Any] = self.published.pop(self.uri(name))
        return diagnostics

    def leave(self) -> int:
        self.ask("shutdown")
        self.tell("exit")
        return self.process.wait(timeout=30)

    def _send(self, message: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        body = json.dumps(message).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self.process.stdin.flush()

    def _receive(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        length = 0
        while line := self.process.stdout.readline().strip():
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        assert length, "the server has gone"
        message: dict[str, Any] = json.loads(self.process.stdout.read(length))
        return message

    def _keep(self, message: dict[str, Any]) -> None:
        if message.get("method") == "textDocument/publishDiagnostics":
            self.published[message["params"]["uri"]] = message["params"]["diagnostics"]

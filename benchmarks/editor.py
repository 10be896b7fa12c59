"""How long the language server takes for each request, right after a change, on the largest shipped files.

    python benchmarks/editor.py

Milliseconds of the processor; the slowest of the places that are asked about.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcException
from pygls.workspace import Workspace

from a2ls_dsl.editor.protocol.document import Document
from a2ls_dsl.editor.protocol.features import Answer, features
from a2ls_dsl.editor.protocol.server import create
from a2ls_dsl.editor.symbols import symbols
from a2ls_dsl.lang.files import shipped
from a2ls_dsl.lang.messages.codes import explanations

PLACES = 12
"""So many places of a file are asked about."""


def largest() -> list[Path]:
    """The largest shipped loss and the largest shipped grammar."""
    every = (shipped("losses", ".a2l"), shipped("grammars", ".a2g"))
    return [max(files.values(), key=lambda path: path.stat().st_size) for files in every]


def requests(path: Path) -> Iterator[tuple[str, Answer, Document, Any]]:
    """Every request of the table, at several places of a file; for each, its last statement is another."""
    uri, text = path.as_uri(), path.read_text(encoding="utf-8")
    lines = text.splitlines()
    whole = lsp.Range(lsp.Position(0, 0), lsp.Position(len(lines), 0))
    for method, (answer, _) in features(lambda: True).items():
        for line in range(0, len(lines), max(1, len(lines) // PLACES)):
            place = lsp.Position(line, len(lines[line]) // 2)
            asked = SimpleNamespace(
                position=place, range=whole, context=lsp.ReferenceContext(True), new_name="another"
            )
            workspace = Workspace(None)
            changed = f"{text}# for {method} in line {line}\n"
            workspace.put_text_document(lsp.TextDocumentItem(uri, path.suffix[1:], 1, changed))
            yield method, answer, Document(workspace, uri), asked


def ask(answer: Answer, document: Document, asked: Any) -> None:
    """Answer; a refusal to rename is an answer, too."""
    with suppress(JsonRpcException):
        answer(document, asked)


def main() -> None:
    create("0")  # which also says what the garbage collector looks at
    for path in largest():
        explanations()
        symbols(path.read_text(encoding="utf-8"), path.suffix == ".a2g")  # as when it is opened
        slowest = dict[str, float]()
        for method, answer, document, asked in requests(path):
            start = time.process_time()
            ask(answer, document, asked)
            slowest[method] = max(slowest.get(method, 0.0), time.process_time() - start)
        for method, seconds in sorted(slowest.items(), key=lambda pair: -pair[1]):
            print(f"{path.name:16} {method.partition('/')[2]:20} {seconds * 1e3:6.1f} ms")


if __name__ == "__main__":
    main()

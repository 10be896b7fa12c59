"""`a2l lsp`: the language server, for editors."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from a2ls_dsl.cli.application import app
from a2ls_dsl.diagnostics import A2lError


@app.command()
def lsp(
    stdio: Annotated[bool, typer.Option("--stdio", help="The default; some editors pass it.")] = False,
) -> None:
    """Serve editors over the language server protocol: errors, hover, completion, layout."""
    try:
        from a2ls_dsl.editor.protocol.server import create
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("pygls", "lsprotocol"):
            raise
        fix = "pip install 'a2ls-dsl[lsp]'"
        raise A2lError("the language server needs pygls, which is not installed", fix) from None
    from a2ls_dsl import __version__

    if sys.stdin.isatty():
        print("the language server waits for an editor; Ctrl-C ends it", file=sys.stderr)
    create(__version__).start_io()

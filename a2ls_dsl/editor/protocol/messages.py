"""The protocol where it is about messages themselves: what can't be served is answered with an error."""

from __future__ import annotations

import os
from typing import Any

from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcException
from pygls.protocol import LanguageServerProtocol


class Protocol(LanguageServerProtocol):
    """Answers every request: also one that can't be read, or that comes before `initialize` or too late."""

    _initialized = False

    def structure_message(self, data: dict[str, Any]) -> Any:
        """A message of what was received; None for a request that can't be read, which is answered."""
        try:
            return super().structure_message(data)
        except JsonRpcException as error:
            if "id" not in data or "method" not in data:
                raise  # nobody waits for an answer
            self._refuse(data["id"], lsp.ErrorCodes.InvalidParams, f"{data['method']}: {error.message}")
            return None

    def handle_message(self, message: Any) -> None:
        """Serve a message, where it is one and it is time for it."""
        if message is None:
            return
        method, number = getattr(message, "method", None), getattr(message, "id", None)
        if method == lsp.EXIT:
            os._exit(0 if self._shutdown else 1)  # the server's loop would turn any exit into a success
        if method == lsp.INITIALIZE:
            self._initialized = True
        waits = method is not None and number is not None
        if not self._initialized:
            if waits:
                text = f"{method} before initialize"
                self._refuse(number, lsp.ErrorCodes.ServerNotInitialized, text)
            return
        if self._shutdown and waits:
            self._refuse(number, lsp.ErrorCodes.InvalidRequest, f"{method} after shutdown")
            return
        super().handle_message(message)

    def _refuse(self, number: Any, code: lsp.ErrorCodes, text: str) -> None:
        self._send_response(number, None, lsp.ResponseError(int(code), text))

"""Where a text stops to make sense, and what can be said about that."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

from a2ls_dsl.diagnostics import Fix

Finding: TypeAlias = tuple[str, str, str | Fix, int, int]
"""Code, message, fix, and the characters from where to where."""


@dataclass(frozen=True)
class Trouble:
    """Where a piece of text stops to make sense: `text[start:end]` is the token `found`.

    `found` is the name of a terminal, `$END` at the end of the piece, or empty for a character that begins
    no token. `expected` are the terminals that could have stood there.
    """

    text: str
    start: int
    end: int
    found: str
    expected: frozenset[str]

    @property
    def shown(self) -> str:
        """What was found, for a message."""
        return f"`{self.text[self.start : self.end][:40]}`" if self.end > self.start else "the end"

    @property
    def before(self) -> str:
        """The text up to the trouble, the last two thousand characters of it."""
        return self.text[max(0, self.start - 2000) : self.start]

    @property
    def just_before(self) -> str:
        """The last hundred characters before the trouble."""
        return self.text[max(0, self.start - 100) : self.start]

    @property
    def behind(self) -> str:
        """The text that follows the token, the first two hundred characters of it."""
        return self.text[self.end : self.end + 200]

    def opened(self) -> list[int]:
        """Where the brackets stand that are still open, the innermost last."""
        found: list[int] = []
        for match in re.finditer(r"[(){}\[\]]", self.text[: self.start]):
            if match[0] in "({[":
                found.append(match.start())
            elif found:
                found.pop()
        return found

    def says(self, code: str, message: str, fix: str | Fix) -> Finding:
        """A finding about the token."""
        return code, message, fix, self.start, self.end

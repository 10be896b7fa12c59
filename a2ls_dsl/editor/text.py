"""Between characters of a text and the lines and columns of the language server protocol."""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import TypeAlias

Position: TypeAlias = tuple[int, int]
"""A line and a column, both from 0; columns count code units of the encoding agreed on with the editor."""

_BREAK = re.compile(r"\r\n|\n|\r")
_UNITS = {"utf-8": ("utf-8", 1), "utf-16": ("utf-16-le", 2), "utf-32": ("utf-32-le", 4)}


class Text:
    """A text whose places are known both ways. Lines end as the protocol says: \\n, \\r\\n or \\r."""

    def __init__(self, text: str, encoding: str = "utf-16") -> None:
        self.text = text
        self._codec, self._bytes = _UNITS[encoding]
        self._starts = [0, *(match.end() for match in _BREAK.finditer(text))]
        self._ends = [*(match.start() for match in _BREAK.finditer(text)), len(text)]

    def position(self, offset: int) -> Position:
        """The line and the column of a character; of one beyond the end, that of the end."""
        offset = min(max(offset, 0), len(self.text))
        line = bisect_right(self._starts, offset) - 1
        # Between the two characters of a line break there is no place: what is meant is the end of the line.
        return line, self._units(self.text[self._starts[line] : min(offset, self._ends[line])])

    def offset(self, line: int, column: int) -> int:
        """The character at a place; beyond the end of a line, its end; beyond the last line, the end."""
        if line >= len(self._starts):
            return len(self.text)
        start, end = self._starts[line], self._ends[line]
        if self._units(self.text[start:end]) <= column:
            return end
        used, offset = 0, start
        while (used := used + self._units(self.text[offset])) <= column:
            offset += 1
        return offset

    @property
    def end(self) -> Position:
        """The place behind the last character."""
        return self.position(len(self.text))

    def _units(self, text: str) -> int:
        return len(text.encode(self._codec, "surrogatepass")) // self._bytes

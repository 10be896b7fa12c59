"""What this package says when something is wrong: one exception family, one message shape.

A message names the rule, the offender, its place and the fix. Errors in a user's file carry a place and
are shown with an excerpt and a caret; all others carry a fix in words.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"


class RuleTable(StrEnum):
    """The rules of a kind of file by name: `NAME = code, text`. A member is its code, which users see."""

    text: str

    def __new__(cls, code: str, text: str) -> Self:
        """A code that knows its rule."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.text = text
        return member


@dataclass(frozen=True)
class Source:
    """A text that diagnostics point into: `name` is what the user called it (a path, or `<string>`)."""

    name: str
    text: str


@dataclass(frozen=True)
class Span:
    """The characters `start` up to `end` (exclusive, 0-based) of a source."""

    source: Source
    start: int
    end: int

    @property
    def line(self) -> int:
        """Line number of the start, from 1."""
        return self.source.text.count("\n", 0, self.start) + 1

    @property
    def column(self) -> int:
        """Column of the start, from 1, in characters."""
        return self.start - (self.source.text.rfind("\n", 0, self.start) + 1) + 1


@dataclass(frozen=True)
class Fix:
    """A fix in `words` that is an edit, too: `text` takes the place of what the diagnostic points at.

    at: the characters that `text` takes the place of, where they are others.
    """

    words: str
    text: str
    at: tuple[int, int] | None = None

    @staticmethod
    def write(text: str, at: tuple[int, int] | None = None) -> Fix:
        """The fix that spells the text out."""
        return Fix(f"write {text}", text, at)


@dataclass(frozen=True)
class Edit:
    """`text` in place of what stands at `span`: what an editor does to apply a fix."""

    span: Span
    text: str

    def apply(self) -> str:
        """The whole source with the edit made."""
        text = self.span.source.text
        return text[: self.span.start] + self.text + text[self.span.end :]


@dataclass(frozen=True)
class Diagnostic:
    """One finding in a file. `message` states the rule and the offender, `fix` what to write instead.

    edit: the fix as an edit, where it is one.
    """

    code: str
    message: str
    span: Span
    fix: str = ""
    severity: Severity = Severity.ERROR
    edit: Edit | None = None

    @staticmethod
    def of(code: str, message: str, span: Span, fix: str | Fix, severity: Severity) -> Diagnostic:
        """A finding whose fix may be an edit."""
        if isinstance(fix, str):
            return Diagnostic(code, message, span, fix, severity)
        place = Span(span.source, *fix.at) if fix.at else span
        return Diagnostic(code, message, span, fix.words, severity, Edit(place, fix.text))

    def data(self) -> dict[str, Any]:
        """The finding as JSON: lines and columns from 1, columns in characters, ends behind the last."""
        edit = self.edit and {**_place(self.edit.span), "text": self.edit.text}
        return {
            "file": self.span.source.name,
            **_place(self.span),
            "severity": self.severity.value,
            "code": self.code,
            "message": self.message,
            "fix": self.fix,
            "edit": edit,
        }

    def render(self) -> str:
        """The finding as text: headline, place, the offending line, a caret with the fix."""
        line, column = self.span.line, self.span.column
        begin = self.span.source.text.rfind("\n", 0, self.span.start) + 1
        text = self.span.source.text[begin:].split("\n", 1)[0].rstrip("\r")
        excerpt, offset, room = _window(text, column - 1)
        marked = excerpt[offset : offset + min(self.span.end - self.span.start, room)]
        offset, width = columns(excerpt[:offset]), max(columns(marked), 1)
        gutter = " " * len(str(line))
        return "\n".join(
            [
                f"{self.severity}[{self.code}]: {self.message}",
                f"{gutter} --> {self.span.source.name}:{line}:{column}",
                f"{gutter}  |",
                f"{line}  | {excerpt}",
                f"{gutter}  | {' ' * offset}{'^' * width} {self.fix}".rstrip(),
            ]
        )


def _place(span: Span) -> dict[str, int]:
    end = Span(span.source, span.end, span.end)
    return {"line": span.line, "column": span.column, "end_line": end.line, "end_column": end.column}


def columns(text: str) -> int:
    """How many columns of a terminal a text takes: wide characters two, those that combine none."""
    return sum(
        0 if unicodedata.combining(c) else 1 + (unicodedata.east_asian_width(c) in ("W", "F")) for c in text
    )


def _window(text: str, column: int, width: int = 100) -> tuple[str, int, int]:
    """At most `width` printable characters of a line around a column, the column there, and what follows.

    Three dots stand for what is cut off.
    """
    start = 0 if len(text) <= width else max(0, min(column - width // 2, len(text) - width))
    piece = "".join(c if c.isprintable() else " " for c in text[start : start + width])
    before, behind = _DOTS if start else "", _DOTS if start + width < len(text) else ""
    return before + piece + behind, len(before) + column - start, len(piece) - (column - start)


_DOTS = "..."


class A2lError(Exception):
    """Whatever a user can cause and mend. The command line prints it and exits with `exit_code`."""

    exit_code = 2

    def __init__(self, message: str, fix: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix

    def __str__(self) -> str:
        """Message and fix: what a traceback ends in."""
        return self.message + (f"\n  fix: {self.fix}" if self.fix else "")

    def render(self) -> str:
        return f"error: {self}"


class LanguageError(A2lError):
    """Errors in a `.a2l` or `.a2g` text, each with its place."""

    exit_code = 1

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__(render_all(self.diagnostics))

    def render(self) -> str:
        return self.message


def reason(error: BaseException) -> str:
    """What an exception of another library says, on one line: up to the first line that doesn't end in a
    colon; the name of its type if it says nothing."""
    text = list[str]()
    for line in str(error).strip().splitlines():
        text.append(line.strip())
        if not text[-1].endswith(":"):
            break
    return " ".join(text) or type(error).__name__


def render_all(diagnostics: Sequence[Diagnostic], limit: int = 20) -> str:
    """Findings as text, errors first, a blank line between two; beyond `limit` they are only counted."""
    ordered = sorted(diagnostics, key=lambda diagnostic: diagnostic.severity is Severity.WARNING)
    texts = [diagnostic.render() for diagnostic in ordered[:limit]]
    if len(diagnostics) > limit:
        texts.append(f"... and {len(diagnostics) - limit:,} more")
    return "\n\n".join(texts)


_LONGEST = 60
"""Longer names are not compared."""

_SHORTEST = 3
"""From this many letters on, a name with one other letter is near, whatever its share."""


def near(name: str, choices: Iterable[str]) -> str | None:
    """The choice that `name` is probably a misspelling of, or None when none is near."""
    import difflib  # most runs have no name to guess

    if len(name) > _LONGEST:
        return None  # comparing takes time that grows with the square of the length
    name = name.lower()
    lowered = {choice.lower(): choice for choice in choices if len(choice) <= _LONGEST}
    close = difflib.get_close_matches(name, lowered, n=3, cutoff=0.7)
    if len(name) >= _SHORTEST:
        close += [choice for choice in lowered if len(choice) == len(name) and _differ(name, choice) == 1]
    return lowered[min(close, key=lambda choice: _slips(name, choice))] if close else None


def _differ(a: str, b: str) -> int:
    """In how many letters two words of one length differ."""
    return sum(left != right for left, right in zip(a, b, strict=True))


def _slips(a: str, b: str) -> int:
    """How many slips lead from one word to the other: a letter more, less, another, or two swapped."""
    before, row = list[int](), list(range(len(b) + 1))
    for i, left in enumerate(a, start=1):
        earlier, before, row = before, row, [i]
        for j, right in enumerate(b, start=1):
            row.append(min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (left != right)))
            if i > 1 < j and left == b[j - 2] and right == a[i - 2]:
                row[j] = min(row[j], earlier[j - 2] + 1)
    return row[-1]


def unknown(what: str, name: str, choices: Iterable[str]) -> A2lError:
    """The error for a name that does not exist: the near one if there is one, else what there is."""
    names = sorted(choices)
    guess = near(name, names)
    fix = f"did you mean `{guess}`?" if guess else f"there is {', '.join(names)}"
    return A2lError(f"there is no {what} `{name}`", fix)

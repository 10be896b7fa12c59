"""Loss files on disk: the shipped ones, reading one as text, and putting a new text in its place."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

from a2ls_dsl.diagnostics import A2lError, LanguageError, Source, Span
from a2ls_dsl.lang.messages.codes import Rule, report

_PACKAGE = Path(__file__).resolve().parent.parent


def folder(name: str) -> Path:
    """The folder `losses` or `grammars`."""
    inside = _PACKAGE / name
    return inside if inside.is_dir() else _PACKAGE.parent / name


@cache
def shipped(kind: str, suffix: str) -> Mapping[str, Path]:
    """The shipped files of a kind by plain name, e.g. `shipped("losses", ".a2l")["curl"]`."""
    return MappingProxyType({path.stem: path for path in sorted(folder(kind).glob(f"*{suffix}"))})


SUFFIX, GRAMMAR_SUFFIX = ".a2l", ".a2g"

MAX_SIZE = 30_000
"""The size of the largest file that is looked at, in bytes. The longest shipped loss has some thousand.

What is refused unread can't take long: every text up to this size is checked in less than a second.
"""


def read(path: str | os.PathLike[str], called: str | None = None) -> Source:
    """The text of a file; in messages it is named by its path, or as it is `called`.

    Raises `A2lError` for what can't be read as text, `LanguageError` over 30 kB.
    """
    name = (called or os.fspath(path)).encode(errors="backslashreplace").decode()
    try:
        if os.path.exists(path) and not (os.path.isfile(path) or os.path.isdir(path)):
            raise A2lError(f"{name} is no regular file", "save its text in a file")  # a pipe may never end
        with open(path, "rb") as file:
            data = file.read(MAX_SIZE + 1)
    except FileNotFoundError:
        raise A2lError(f"there is no file {name}", "check the path; the shipped losses go by name") from None
    except IsADirectoryError:
        raise A2lError(f"{name} is a folder", f"name the files in it: {name.rstrip('/')}/*.a2l") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise A2lError(f"{name} can't be read: {reason}", "check the path and its permissions") from None
    if len(data) > MAX_SIZE:
        raise too_large(name)
    if b"\0" in data:
        raise A2lError(f"{name} is not a text file: it holds NUL bytes", "save it as UTF-8 text")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise A2lError(f"{name} is not UTF-8 text: see line {line}", "save it as UTF-8 text") from None
    return Source(name, text)


def too_large(name: str) -> LanguageError:
    """The refusal of a text of more than `MAX_SIZE`, which is not even looked at."""
    place = Span(Source(name, ""), 0, 0)
    return LanguageError(
        [report(Rule.FILE_SIZE, f"the file has more than {MAX_SIZE // 1000} kB", place, "split it")]
    )


def write(path: str | os.PathLike[str], text: str) -> None:
    """Write a file, all at once or not at all. Of one that is there, mode and symbolic links stay.

    Raises `A2lError`; nothing is left behind then.
    """
    import tempfile  # takes longer to import than a file takes to check

    target = Path(os.path.realpath(path))
    temporary = None
    try:
        descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        with open(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            os.fchmod(file.fileno(), target.stat().st_mode & 0o7777 if target.exists() else 0o644)
        os.replace(temporary, target)
    except (OSError, ValueError) as error:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        raise unwritable(path, error) from None


def unwritable(path: str | os.PathLike[str], error: Exception) -> A2lError:
    """The error for a file that could not be written: a full disk has another fix than all else."""
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    fix = "free some space, then run the command again" if full else "check the path and its permissions"
    reason = getattr(error, "strerror", None) or str(error)
    return A2lError(f"{os.fspath(path)} can't be written: {reason}", fix)

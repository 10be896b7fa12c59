"""From a file, a text or the name of a shipped loss to canonical losses."""

from __future__ import annotations

import os
from pathlib import Path

from a2ls_dsl.diagnostics import A2lError, Diagnostic, LanguageError, Severity, Source, near, unknown
from a2ls_dsl.lang.ast import Loss
from a2ls_dsl.lang.canonical import canonical
from a2ls_dsl.lang.check import check
from a2ls_dsl.lang.files import read
from a2ls_dsl.lang.library import shipped
from a2ls_dsl.lang.parse import recover

SUFFIX = ".a2l"


def load(path: str | os.PathLike[str]) -> dict[str, Loss]:
    """The canonical losses of a file, or of a shipped loss' file by plain name, in the order of the file.

    Raises `LanguageError` with every error in the file, `A2lError` if it can't be read.
    """
    losses, _ = analyse(read(locate(path)))
    return losses


def loads(text: str, name: str = "<string>") -> dict[str, Loss]:
    """The canonical losses of a text, in its order. Raises `LanguageError`."""
    losses, _ = analyse(Source(name, text))
    return losses


def load_one(path: str | os.PathLike[str], name: str | None = None) -> tuple[str, Loss]:
    """The loss called `name` of a file or of a shipped loss, by default its last one; with its name."""
    losses = load(path)
    if name is None:
        return list(losses.items())[-1]
    if name not in losses:
        raise unknown(f"loss in {os.fspath(path)} called", name, losses)
    return name, losses[name]


def analyse(source: Source) -> tuple[dict[str, Loss], list[Diagnostic]]:
    """The canonical losses of a text and its warnings. Raises `LanguageError` if there is any error."""
    file, mistakes = recover(source)
    found = sorted([*mistakes, *check(file, mistakes)], key=lambda each: each.span.start)
    if any(diagnostic.severity is Severity.ERROR for diagnostic in found):
        raise LanguageError(found)
    losses: dict[str, Loss] = {}
    for definition in file.definitions:
        losses[definition.name] = canonical(definition.loss, losses)
    return losses, found


def locate(path: str | os.PathLike[str]) -> Path:
    """The file that a path or the plain name of a shipped loss stands for, whether it exists or not."""
    text = os.fspath(path)
    library = shipped("losses", SUFFIX)
    if text in library:
        return library[text]
    # lexists and not exists: a broken link or a forbidden folder is `read`'s to explain.
    if os.path.lexists(text) or os.path.dirname(text):
        return Path(text)
    stem = text.removesuffix(SUFFIX)
    guess = near(stem, library)
    shown = text.encode(errors="backslashreplace").decode()
    fix = f"did you mean the shipped loss `{guess}`?" if guess else f"shipped are {', '.join(library)}"
    raise A2lError(f"there is no file or shipped loss {shown}", fix)

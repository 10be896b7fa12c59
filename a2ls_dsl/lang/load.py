"""From a file, a text or the name of a shipped loss to canonical losses."""

from __future__ import annotations

import os
from pathlib import Path

from a2ls_dsl.diagnostics import A2lError, Diagnostic, LanguageError, Severity, Source, near, unknown
from a2ls_dsl.lang.files import SUFFIX, read, shipped
from a2ls_dsl.lang.rules.imports import Importer
from a2ls_dsl.lang.syntax.tree import Loss


def load(path: str | os.PathLike[str]) -> dict[str, Loss]:
    """The canonical losses of a file, or of a shipped loss' file by plain name, in the order of the file.

    Raises `LanguageError` with every error in the file and in those that it imports, `A2lError` if it can't
    be read.
    """
    found = locate(path)
    losses, _ = analyse(read(found), found)
    return losses


def loads(text: str, name: str = "<string>") -> dict[str, Loss]:
    """The canonical losses of a text, in its order; it can import shipped ones. Raises `LanguageError`."""
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


def analyse(source: Source, path: Path | None = None) -> tuple[dict[str, Loss], list[Diagnostic]]:
    """The canonical losses of a text and its warnings. Raises `LanguageError` if there is any error.

    path: the file that the text stands in, whose imports are relative to it. Warnings about imported files
    are not among those of the file itself.
    """
    importer = Importer()
    unit = importer.unit(source, path)
    found = list(unit.found)
    for each in importer.units.values():
        found += each.errors if each is not unit else []
    if any(diagnostic.severity is Severity.ERROR for diagnostic in found):
        raise LanguageError(found)
    return unit.losses, found


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
    if guess:
        fix = f"did you mean the shipped loss `{guess}`?"
    elif text.endswith(SUFFIX):
        fix = "check the path; the shipped losses go by name"
    else:
        fix = f"shipped are {', '.join(library)}"
    raise A2lError(f"there is no file or shipped loss {shown}", fix)

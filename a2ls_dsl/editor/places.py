"""Where things stand: the outline of a file, and where a name is defined."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from a2ls_dsl.diagnostics import Span
from a2ls_dsl.editor.project import Analysis
from a2ls_dsl.editor.scan import Place, token_at
from a2ls_dsl.lang.messages.codes import place


@dataclass(frozen=True)
class Symbol:
    """A definition: its name, the characters of the whole and those of the name."""

    name: str
    detail: str
    whole: tuple[int, int]
    named: tuple[int, int]


@dataclass(frozen=True)
class Target:
    """Where a name leads: a place, and the file that it lies in, None for the file itself."""

    path: Path | None
    span: Span


def symbols(analysis: Analysis) -> list[Symbol]:
    """The losses of a file in its order."""
    found = []
    for each in analysis.unit.file.definitions if analysis.unit else ():
        whole = place(each.span)
        named = each.name_span or each.span or whole
        found.append(Symbol(each.name, "loss", (whole.start, whole.end), (named.start, named.end)))
    return found


def definition(text: str, offset: int, analysis: Analysis) -> Target | None:
    """Where the name of a loss or the file of an import under the cursor is to be found."""
    token = token_at(text, offset)
    if token is None or analysis.unit is None:
        return None
    if token.kind == "string":
        for each, unit in analysis.unit.brought.items():
            if each.path == token.text.strip('"'):
                return Target(unit.path, Span(unit.source, 0, 0))
    if token.kind != "name" or token.state.place not in (Place.TERM, Place.LOSS_NAME):
        return None
    found = analysis.definition(token.text)
    if found is None:
        return None
    unit, defined = found
    span = place(defined.name_span or defined.span)
    return Target(None if unit is analysis.unit else unit.path, span)

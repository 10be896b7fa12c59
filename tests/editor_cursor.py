"""Texts with a mark where the cursor stands, and what an editor shows there."""

from __future__ import annotations

from pathlib import Path

from a2ls_dsl.editor import grammars
from a2ls_dsl.editor.complete import complete
from a2ls_dsl.editor.hover import hover
from a2ls_dsl.editor.project import analyse
from a2ls_dsl.words.language import Stream

STREAMS = [stream.value for stream in Stream]
PAIR = "mse({ s[t], a[t] } -> { s[t+1] })"


def offered(marked: str, path: Path | None = None) -> list[str]:
    """The labels that are offered at the `|` of a loss file."""
    before, _, behind = marked.partition("|")
    text = before + behind
    return [proposal.label for proposal in complete(text, len(before), path, analyse(text, path))]


def offered_in_grammar(marked: str) -> list[str]:
    before, _, behind = marked.partition("|")
    return [proposal.label for proposal in grammars.complete(before + behind, len(before))]


def said(marked: str, path: Path | None = None) -> str:
    """The page of the word behind the `|` of a loss file."""
    before, _, behind = marked.partition("|")
    page = hover(before + behind, len(before), analyse(before + behind, path))
    return page[0] if page else ""

"""The scanner takes any text, with little work, and agrees with the parser."""

from __future__ import annotations

from cProfile import Profile

import pytest
from editor_cursor import STREAMS
from hypothesis import given
from hypothesis import strategies as st

from a2ls_dsl.editor import grammars
from a2ls_dsl.editor.complete import complete
from a2ls_dsl.editor.hints import hints
from a2ls_dsl.editor.hover import hover
from a2ls_dsl.editor.project import analyse
from a2ls_dsl.editor.references import File, definition, places
from a2ls_dsl.editor.scan import Place, scan
from a2ls_dsl.editor.symbols import Kind as Symbols
from a2ls_dsl.editor.symbols import folds, symbols
from a2ls_dsl.editor.words import SYNTAX
from a2ls_dsl.lang.files import shipped
from a2ls_dsl.words.registry import functions, heads, operators

PIECES = [
    *SYNTAX,
    *operators,
    *functions,
    *STREAMS,
    *heads,
    *'(){}[]+*,=.#"\n ',
    "->",
    "..",
    "0.5",
    "é",
    "\0",
]


@given(st.lists(st.sampled_from(PIECES), max_size=40).map(" ".join), st.integers(0, 200))
def test_any_text_has_meanings_and_proposals(text: str, at: int) -> None:
    """Half a file is what an editor sees most; nothing in it may raise."""
    at, analysis = min(at, len(text)), analyse(text, None)
    hover(text, at, analysis)
    hints(analysis)
    for grammar in (False, True):
        file = File(text, None, grammar)
        definition(file, at)
        folds(text, grammar)
        for symbol in symbols(text, grammar):
            assert all(text[slice(*place)] == symbol.name for place in symbol.places)
            assert symbol.kind not in (Symbols.MAP, Symbols.VIEW) or symbol.named
        assert list(places(file, at)) == [""] * bool(file.symbol(at))
    for proposal in complete(text, at, None, analysis):
        assert 0 <= proposal.start <= at
    for proposal in grammars.complete(text, at):
        assert 0 <= proposal.start <= at
    grammars.hover(text, at)


@pytest.mark.parametrize(
    "text",
    ["loss a = mse({ " + "l2(" * 16_000, "loss a = mse({s[t]}) with " + "a=1," * 12_000, "loss " * 9_900],
    ids=["nested", "options", "losses"],
)
def test_large_texts_are_scanned_with_little_work(text: str) -> None:
    """What is done and kept for each word must not grow with the text."""
    with Profile() as profile:
        tokens, _ = scan(text)
    assert sum(entry.callcount for entry in profile.getstats()) < 40 * len(text)
    assert max(len(token.state.functions) + len(token.state.options) for token in tokens) < 50


@pytest.mark.parametrize("name", shipped("losses", ".a2l"))
def test_the_scanner_agrees_with_the_parser_on_shipped_losses(name: str) -> None:
    """Every name that it takes for an operator is one, and so on; nothing is left in a place of its own."""
    text = shipped("losses", ".a2l")[name].read_text(encoding="utf-8")
    losses, (tokens, end) = loads_names(text), scan(text)
    names = [token.text for token in tokens if token.state.place is Place.LOSS_NAME and token.kind == "name"]
    assert names == losses
    assert end.place in (Place.BEHIND_TERM, Place.BEHIND_VALUE, Place.CALLED)
    for token in tokens:
        if token.kind == "name" and token.state.place is Place.ITEM:
            assert token.text in (*STREAMS, *functions)
        if token.kind == "name" and token.state.place is Place.TERM:
            assert hover(text, token.start, analyse(text, shipped("losses", ".a2l")[name])) is not None


def loads_names(text: str) -> list[str]:
    from a2ls_dsl.lang.syntax.elaborate import parse

    return [definition.name for definition in parse(text).definitions]

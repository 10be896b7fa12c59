"""What an editor shows in a loss grammar."""

from __future__ import annotations

from editor_cursor import offered_in_grammar

from a2ls_dsl.editor import grammars
from a2ls_dsl.editor.references import File, definition
from a2ls_dsl.editor.symbols import outline
from a2ls_dsl.lang.grammar.file import WORDS

GRAMMAR = """grammar mine for k in 1..3  # é
loss = operator(source -> { r[t+k] })
operator = mse | nmse
source = { s[t] } and some of { a[t..t+k] }
require an action in source
"""


def test_proposals_in_a_grammar() -> None:
    assert offered_in_grammar("# c\n|") == ["grammar"]
    names = offered_in_grammar("grammar g\nset = { s[t] }\nloss = |")
    assert "set" in names
    assert {"mse", "some of", "against batch"} <= set(names)
    assert "loss" not in names
    assert offered_in_grammar("grammar g\nset = { |")[:3] == ["s", "a", "r"]
    assert offered_in_grammar("grammar g\nset = { s[|") == ["t"]
    assert "a state" in offered_in_grammar("grammar g\nset = { s[t] }\nrequire |")
    assert offered_in_grammar("grammar g\nset = { s[t] }\nrequire a state in |") == ["source", "target"]
    assert offered_in_grammar("grammar g # |") == []


def test_meanings_in_a_grammar() -> None:
    def shown(word: str) -> str:
        page = grammars.hover(GRAMMAR, GRAMMAR.index(word))
        return page[0] if page else ""

    assert "operator = mse | nmse" in shown("operator(")
    assert "(operator)" in shown("nmse")
    assert "(stream)" in shown("s[t]")
    assert "(parameter)" in shown("k in")
    for word in ("some", "and", "require", "grammar", "for"):
        assert "(word of the language)" in shown(word)
    assert set(WORDS) <= set(grammars.WORDS)


def test_outline_and_definitions_in_a_grammar() -> None:
    entries = outline(GRAMMAR, True)
    assert [symbol.name for symbol, _, _ in entries] == ["loss", "operator", "source"]
    assert GRAMMAR[slice(*entries[2][2])] == "source = { s[t] } and some of { a[t..t+k] }"
    target = definition(File(GRAMMAR, None, True), GRAMMAR.index("operator("))
    assert target is not None
    assert (target.span.line, target.span.column) == (3, 1)


def test_findings_in_a_grammar() -> None:
    assert grammars.check(GRAMMAR, "mine.a2g").findings == ()
    (finding,) = grammars.check(GRAMMAR.replace("nmse", "nmze"), "mine.a2g").findings
    assert finding.diagnostic.code == "A2L202"


def test_a_number_without_bounds_in_a_grammar_is_a_finding() -> None:
    text = "grammar g\nloss = mse({ s[t] } -> { s[t+1] }) with head = mlp(1e999)"
    (finding,) = grammars.check(text, "g.a2g").findings
    assert finding.diagnostic.code == "A2L224"
    assert finding.diagnostic.span.start == text.index("1e999")

"""Text to tree, with places; and whatever the text, a message and never a traceback."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from strategies import losses

from a2ls_dsl.diagnostics import Diagnostic, LanguageError, Span
from a2ls_dsl.lang.ast import Call, Comparison, Element, Loss, Ref, Stream, Weighted
from a2ls_dsl.lang.canonical import canonical, key
from a2ls_dsl.lang.library import shipped
from a2ls_dsl.lang.load import loads
from a2ls_dsl.lang.parse import parse
from a2ls_dsl.lang.printer import print_loss

S, A, R = Stream.STATE, Stream.ACTION, Stream.REWARD
TEXT = """\
# a comment
loss one = mse({ s[t+1], a[t+1..t+3], } -> { crop(s[t..t+1]), r[t] })
loss two = 1.0 * one + 2.5e-1 * inner({ s[t] } -> { s[ t + 01 ] }) against batch
"""


def shown(span: Span | None) -> str:
    assert span is not None
    return span.source.text[span.start : span.end]


def test_the_tree() -> None:
    one, two = parse(TEXT).definitions
    assert one.name == "one"
    source = (Element(S, 1), Element(A, 1), Element(A, 2), Element(A, 3))
    target = (Element(S, 0, (Call("crop"),)), Element(S, 1, (Call("crop"),)), Element(R, 0))
    assert one.loss == Loss((Weighted(1.0, Comparison("mse", source, target)),))
    inner = Comparison("inner", (Element(S, 0),), (Element(S, 1),), against_batch=True)
    assert two.loss == Loss((Weighted(1.0, Ref("one")), Weighted(0.25, inner)))


def test_places() -> None:
    file = parse(TEXT)
    one, two = file.definitions
    assert shown(file.span) == TEXT
    assert shown(one.span) == TEXT.splitlines()[1]
    assert (shown(one.name_span), shown(two.name_span)) == ("one", "two")
    assert two.name_span is not None
    assert (two.name_span.line, two.name_span.column) == (3, 6)
    first, second = two.loss.terms
    assert (shown(first.span), shown(first.term.span)) == ("1.0 * one", "one")
    assert shown(second.term.span) == "inner({ s[t] } -> { s[ t + 01 ] }) against batch"
    term = one.loss.terms[0].term
    assert isinstance(term, Comparison)
    assert term.sides is not None
    assert shown(term.sides[0]) == "{ s[t+1], a[t+1..t+3], }"
    assert [shown(element.span) for element in term.source][1:] == ["a[t+1..t+3]"] * 3
    assert [shown(element.span) for element in term.target] == ["crop(s[t..t+1])"] * 2 + ["r[t]"]


@pytest.mark.parametrize(
    "text",
    [
        "loss a=mse({s[t]}->{s[t+1]})",
        "loss a\n=\n1 *\nmse(\n{\ns[\nt\n]\n,} # here\n->\t{s[t+1]}\n)",
        "loss a = mse({ s[t] } -> { s[t+1] })\r\n# end",
        "  loss a = mse({ s[t] } -> { s[t+1] })",
        "loss b = mse({ s[t] } -> { s[t+1] }) loss a = b",
    ],
)
def test_spaces_and_lines_mean_nothing(text: str) -> None:
    assert print_loss(loads(text)["a"]) == "mse({ s[t] } -> { s[t+1] })"


def test_names_may_begin_with_a_keyword() -> None:
    text = "loss loss_a = mse({ s[t] } -> { s[t+1] })\nloss t = loss_a\nloss s = t\nloss batches = s"
    assert list(loads(text)) == ["loss_a", "t", "s", "batches"]


def test_references_are_multiplied_out() -> None:
    text = TEXT + "loss three = 0.5 * two + one\n"
    found = loads(text)
    assert [each.weight for each in found["three"].terms] == [0.125, 0.5, 1.0]
    assert found["three"].horizon == 3
    assert loads("loss other = " + print_loss(found["three"]))["other"] == found["three"]


@given(losses(terms=3, views=True))
def test_the_print_of_a_loss_parses_to_the_loss(loss: Loss) -> None:
    (definition,) = parse(f"loss it = {print_loss(loss)}").definitions
    assert canonical(definition.loss) == loss
    assert key(canonical(definition.loss)) == key(loss)


@given(st.floats(min_value=1e-300, max_value=1e300))
def test_weights_survive_the_print(weight: float) -> None:
    loss = Loss((Weighted(weight, Comparison("mse", (Element(S, 0),), (Element(S, 1),))),))
    assert loads(f"loss it = {print_loss(loss)}")["it"] == loss


def survives(text: str) -> None:
    """Either a loss file, or a message with places inside the text."""
    diagnostics: tuple[Diagnostic, ...] = ()
    try:
        loads(text)
    except LanguageError as error:
        diagnostics = error.diagnostics
    for diagnostic in diagnostics:
        assert 0 <= diagnostic.span.start <= diagnostic.span.end <= len(text)
        assert diagnostic.fix
        assert diagnostic.render()


@given(st.text())
@example("loss a = mse({ s[t+" + "9" * 5000 + "] } -> { s[t-" + "9" * 5000 + "] })")
@example("loss a = " + "(" * 5000)
@example("loss a = mse({ s[t] } -> { s[" + "9" * 5000 + "] })")
@example("loss " * 3)
@example("\x00")
def test_any_text_gets_an_answer(text: str) -> None:
    survives(text)


PIECES = st.sampled_from(
    [
        *("loss", "mine", "one", "=", "mse", "l2", "(", ")", "{", "}", "[", "]", "->", "=>", "..", "..."),
        *(",", "+", "-", "*", "#", "against", "vs", "batch", "crop", "s", "a", "r", "x", "t", "t+1", "t-1"),
        *("s[t]", "a[t..t+3]", "s_t", "s_{t+1}", "0", "1.5", "1e999", "999", "1000", ":", ";"),
        *("\n", "\t", "é", "\x00"),
    ]
)


@given(st.lists(PIECES).map(" ".join))
def test_any_heap_of_words_gets_an_answer(text: str) -> None:
    survives(text)
    survives(f"loss mine = mse({{ s[t] }} -> {text}\nloss other = mine")


@given(st.data())
def test_any_change_of_a_file_gets_an_answer(data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(sorted(shipped("losses", ".a2l").values())))
    text = path.read_text(encoding="utf-8")
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 5)))
    survives(text[:start] + data.draw(PIECES) + text[end:])

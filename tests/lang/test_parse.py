"""Text to tree, with places; and whatever the text, a message and never a traceback."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from paper_losses import losses
from strategies import any_losses

from a2ls_dsl.diagnostics import Diagnostic, LanguageError, Span
from a2ls_dsl.lang.files import shipped
from a2ls_dsl.lang.load import loads
from a2ls_dsl.lang.rules.canonical import canonical, key
from a2ls_dsl.lang.syntax.elaborate import parse
from a2ls_dsl.lang.syntax.printer import print_loss
from a2ls_dsl.lang.syntax.tree import (
    Call,
    Comparison,
    Element,
    Import,
    Loss,
    Option,
    Ref,
    Return,
    Rollout,
    Schedule,
    Weighted,
)
from a2ls_dsl.words.language import Stream

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
    single, summed = parse(TEXT).definitions
    assert single.name == "one"
    source = (Element(S, 1), Element(A, 1), Element(A, 2), Element(A, 3))
    target = (Element(S, 0, (Call("crop"),)), Element(S, 1, (Call("crop"),)), Element(R, 0))
    assert single.loss == Loss((Weighted(1.0, Comparison("mse", source, target)),))
    inner = Comparison("inner", (Element(S, 0),), (Element(S, 1),), against_batch=True)
    assert summed.loss == Loss((Weighted(1.0, Ref("one")), Weighted(0.25, inner)))


def test_places() -> None:
    file = parse(TEXT)
    single, summed = file.definitions
    assert shown(file.span) == TEXT
    assert shown(single.span) == TEXT.splitlines()[1]
    assert (shown(single.name_span), shown(summed.name_span)) == ("one", "two")
    assert summed.name_span is not None
    assert (summed.name_span.line, summed.name_span.column) == (3, 6)
    first, second = summed.loss.terms
    assert (shown(first.span), shown(first.term.span)) == ("1.0 * one", "one")
    assert shown(second.term.span) == "inner({ s[t] } -> { s[ t + 01 ] }) against batch"
    term = single.loss.terms[0].term
    assert isinstance(term, Comparison)
    assert term.sides is not None
    assert shown(term.sides[0]) == "{ s[t+1], a[t+1..t+3], }"
    assert [shown(element.span) for element in term.source][1:] == ["a[t+1..t+3]"] * 3
    assert [shown(element.span) for element in term.target] == ["crop(s[t..t+1])"] * 2 + ["r[t]"]


WHOLE = """\
import "curl.a2l"
loss it = linear(0, 1.5, 2000) * mse({ rollout(l2(s[t]), a[t..t+2]) } -> { stop(shift(s[t+1..t+3], 3)) })
    against batch with head = mlp(64, 32) as q, decay = 0.5
    + ce({ s[t], o[t] } -> { return(r[t..t+1], value(s[t+2]), 0.9), done[t] })
    + variance({ s[t] })
"""


def test_the_tree_of_everything_else() -> None:
    file = parse(WHOLE)
    assert file.imports == (Import("curl.a2l"),)
    rolled, returns, unary = file.definitions[0].loss.terms
    steps = tuple(Element(S, step, (Call("shift", (3.0,)), Call("stop"))) for step in (1, 2, 3))
    options = (Option("head", Call("mlp", (64.0, 32.0)), "q"), Option("decay", 0.5))
    start = Rollout(Element(S, 0, (Call("l2"),)), 0, 3)
    assert rolled == Weighted(Schedule(0.0, 1.5, 2000), Comparison("mse", (start,), steps, True, options))
    bootstrap = Element(S, 2, (Call("value"),))
    target = (Return(0, 1, bootstrap, 0.9), Element(Stream.DONE, 0))
    assert returns.term == Comparison("ce", (Element(S, 0), Element(Stream.RAW, 0)), target)
    assert unary.term == Comparison("variance", (Element(S, 0),))


def test_places_of_everything_else() -> None:
    file = parse(WHOLE)
    assert (shown(file.imports[0].span), shown(file.imports[0].path_span)) == (
        'import "curl.a2l"',
        '"curl.a2l"',
    )
    rolled, returns, unary = file.definitions[0].loss.terms
    assert shown(rolled.weight_span) == "linear(0, 1.5, 2000)"
    term = rolled.term
    assert isinstance(term, Comparison)
    assert shown(term.against_span) == "against batch"
    assert [shown(option.span) for option in term.options] == ["head = mlp(64, 32) as q", "decay = 0.5"]
    (start,) = term.source
    assert shown(start.span) == "rollout(l2(s[t]), a[t..t+2])"
    assert isinstance(start, Rollout)
    assert shown(start.start.span) == "l2(s[t])"
    assert {shown(item.span) for item in term.target} == {"stop(shift(s[t+1..t+3], 3))"}
    element = term.target[0]
    assert isinstance(element, Element)
    assert [[shown(span) for span in call.spans] for call in element.calls] == [["shift", "3"], ["stop"]]
    assert isinstance(returns.term, Comparison)
    bootstrap = returns.term.target[0]
    assert isinstance(bootstrap, Return)
    assert bootstrap.bootstrap is not None
    assert shown(bootstrap.bootstrap.span) == "value(s[t+2])"
    assert isinstance(unary.term, Comparison)
    assert unary.term.sides is not None
    assert [shown(side) for side in unary.term.sides] == ["{ s[t] }"]


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
    losses = loads(text)
    assert [term.weight for term in losses["three"].terms] == [0.125, 0.5, 1.0]
    assert losses["three"].horizon == 3
    assert loads("loss other = " + print_loss(losses["three"]))["other"] == losses["three"]


@given(losses(terms=3, views=True) | any_losses())
def test_the_print_of_a_loss_parses_to_the_loss(loss: Loss) -> None:
    (definition,) = parse(f"loss it = {print_loss(loss)}").definitions
    assert canonical(definition.loss) == loss
    assert key(canonical(definition.loss)) == key(loss)


@given(st.floats(min_value=1e-30, max_value=1e30))
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
        *("\n", "\t", "é", "\x00", "import", '"curl.a2l"', '"', "with", "as", "head = mlp(8)", "decay = 0.5"),
        *("ce", "variance", "rollout(", "return(", "value(", "l2(", "shift(s[t], 4)", "o[t]", "done[t+1]"),
        *("rollout(s[t], a[t..t+2])", "return(r[t..t+2], value(s[t+3]))", "linear(0, 1, 10)", "bins = 3"),
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

"""Every finding about a `.a2g` file: bad grammars in `bad/`, their pinned messages beside them."""

from __future__ import annotations

import re
from itertools import filterfalse, permutations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from a2ls_dsl.diagnostics import A2lError, Diagnostic, LanguageError
from a2ls_dsl.lang.files import shipped
from a2ls_dsl.lang.grammar import load_grammar, parse_grammar
from a2ls_dsl.lang.load import loads
from a2ls_dsl.lang.messages.codes import GRAMMAR_RULES, RULES, is_warning

BAD = sorted((Path(__file__).parent / "bad").glob("*.a2g"))
SHIPPED = shipped("grammars", ".a2g")
SMALL = """\
# A part of the paper's space.
grammar small for k in 1..2

loss   = mse(source -> target)
source = some of { s[t], s[t+1], a[t..t+k] }
target = some of { s[t+1..t+k], r[t], r[t+1] }

require a state in source
require an element in target
"""
GOOD = "grammar g\nloss = mse({ s[t] } -> { s[t+1] })\n"


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_message(path: Path, golden) -> None:
    with pytest.raises(LanguageError) as caught:
        parse_grammar(path.read_text(encoding="utf-8"), path.name)
    golden(path.with_suffix(".txt"), caught.value.render() + "\n")


def test_every_error_code_has_a_bad_grammar() -> None:
    pinned = " ".join(path.with_suffix(".txt").read_text(encoding="utf-8") for path in BAD)
    assert set(re.findall(r"error\[(\w+)\]", pinned)) == set(filterfalse(is_warning, GRAMMAR_RULES))


def test_unused_rule_is_a_warning() -> None:
    grammar = parse_grammar(GOOD + "spare = { s[t] }\n")
    (finding,) = grammar.warnings
    assert (finding.code, finding.span.line) == ("A2L251", 3)
    assert "`spare`" in finding.message
    assert not parse_grammar(GOOD).warnings


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_layout_is_free(end: str) -> None:
    lines = ["# one", "grammar g for n in 0..2", "loss =", "  op(x ->", "  y) # two", "  [against batch]"]
    lines += ["op = mse", "  | nmse", "x = {s[t]}", "y", " = {s[t + n]}"]
    text = end.join([*lines[:-2], "y = { s[t + n] }"])
    assert parse_grammar(text).derivations() == 3 * 2 * 2


def test_names_of_grammars(tmp_path: Path) -> None:
    path = tmp_path / "mine.a2g"
    path.write_text(GOOD)
    assert load_grammar(path) == load_grammar(str(path)) == parse_grammar(GOOD)
    assert load_grammar("smoke").name == "smoke"
    with pytest.raises(A2lError) as caught:
        load_grammar("als")
    assert caught.value.fix == "did you mean `a2ls`?"


def test_files_that_are_no_grammar(tmp_path: Path) -> None:
    for name, content in [("large", b" " * 1_000_001), ("binary", b"grammar \xff"), ("empty", b"")]:
        path = tmp_path / f"{name}.a2g"
        path.write_bytes(content)
        with pytest.raises(A2lError):
            load_grammar(path)
    with pytest.raises(A2lError):
        load_grammar(tmp_path / "missing.a2g")
    with pytest.raises(A2lError):
        load_grammar(tmp_path)


def test_rules_that_join_rules_stay_small() -> None:
    doubling = "".join(f"x{i + 1} = x{i} and x{i}\n" for i in range(60))
    text = f"grammar g\nloss = mse(x60 -> x60)\nx0 = {{ s[t] }}\n{doubling}"
    assert parse_grammar(text).count() == 1
    with pytest.raises(LanguageError, match="more than 10\\^30 alternatives"):
        parse_grammar(text.replace("{ s[t] }", "{ s[t] } | { s[t+1] }"))
    chain = "".join(f"x{i + 1} = x{i}\n" for i in range(1500))
    assert parse_grammar(f"grammar g\nloss = mse(x1500 -> x0)\nx0 = {{ s[t] }}\n{chain}").count() == 1


@pytest.mark.parametrize(
    ("text", "fix", "mended"),
    [
        ("mse({ s[t]; a[t] } -> { s[t+1] })", "separated by commas", "{ s[t], a[t] }"),
        ("50% * mse({ s[t] } -> { s[t+1] })", "write 0.5", "= 0.5 *"),
        ("mse({ \u0455[t] } -> { s[t+1] })", "looks like the Latin letter s", "{ s[t] }"),
        ("mse({ s[t] } -> { s[t+1] }) // why", "comments begin with #", "# why"),
        ("mze({ s[t] } -> { s[t+1] })", "did you mean `mse`", "mse("),
    ],
)
def test_slips_of_losses_are_known_in_grammars(text: str, fix: str, mended: str) -> None:
    with pytest.raises(LanguageError, match=fix) as caught:
        parse_grammar(f"grammar g\nloss = {text}")
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.edit is not None
    assert mended in diagnostic.edit.apply()
    assert parse_grammar(diagnostic.edit.apply()).count() == 1


@pytest.mark.parametrize(
    "item",
    [
        "x[t]",
        "s[3]",
        "s[u]",
        "s[t-1]",
        "s[t+1000]",
        "a[t+2..t]",
        "s[t..]",
        "s_t",
        "crop()",
        "crop(s[t], a[t])",
        "shift(s[t], 1e999)",
        "rollout(s[t])",
        "return(s[t])",
        "l2(return(r[t..t+2]))",
        "crop(" * 17 + "s[t]" + ")" * 17,
    ],
)
def test_an_item_is_refused_alike_in_losses_and_in_grammars(item: str) -> None:
    term = f"mse({{ s[t], {item} }} -> {{ s[t+1] }})"
    with pytest.raises(LanguageError) as caught:
        loads(f"loss mine = {term}")
    (of_loss,), (of_grammar,) = caught.value.diagnostics, errors_of(f"grammar mine\nloss = {term}")
    assert (of_loss.message, of_loss.fix) == (of_grammar.message, of_grammar.fix)
    assert of_loss.code in RULES
    assert of_grammar.code in GRAMMAR_RULES


def test_a_set_may_end_in_a_comma() -> None:
    assert parse_grammar(GOOD.replace("{ s[t] }", "{ s[t], }")).count() == 1


def test_what_can_not_be_parsed_hides_nothing_else() -> None:
    broken = ["x = { s[t] a[t] }", "y = mse |", "z = { s_t }", "require state in source"]
    for lines in permutations(broken):
        with pytest.raises(LanguageError) as caught:
            parse_grammar("\n".join([GOOD, *lines, "unknown = mze"]))
        diagnostics = caught.value.diagnostics
        assert [diagnostic.code for diagnostic in diagnostics] == ["A2L201"] * 4 + ["A2L202"]
        assert [diagnostic.span.line for diagnostic in diagnostics] == [4, 5, 6, 7, 8]


def test_a_rule_that_can_not_be_parsed_may_be_referred_to() -> None:
    text = "grammar g for k in 1..2\nloss = mse(x -> y)\nx = { s[t }\ny = { s[t+k] }\nrequire at most 3 loss"
    (diagnostic,) = errors_of(text)
    assert (diagnostic.code, diagnostic.span.line) == ("A2L201", 3)


def test_nothing_follows_from_what_can_not_be_parsed() -> None:
    term = "mse({ s[t] } -> { s[t+1] })"
    unused = f"grammar g\nloss = {term} | mse(x -> \nx = {{ s[t] }}"
    unbounded = f"grammar g\nloss = a\na = {term} | {term} + a\nrequire at most three a"
    assert [diagnostic.code for diagnostic in errors_of(unused)] == ["A2L201"]
    assert [diagnostic.code for diagnostic in errors_of(unbounded)] == ["A2L201"]


PIECES = [
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    "->",
    "|",
    "=",
    ",",
    "+",
    "*",
    "a",
    "x",
    "t",
    "3",
    "%",
    "with",
    "require",
]


@settings(max_examples=150)
@given(st.sampled_from(["a2ls", "around_spr", "small"]), st.data())
def test_a_damaged_grammar_has_a_message_in_its_place(name: str, data: st.DataObject) -> None:
    text = SMALL if name == "small" else SHIPPED[name].read_text()
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text)))
        cut = data.draw(st.integers(0, 3))
        text = text[:at] + data.draw(st.sampled_from(["", *PIECES])) + text[at + cut :]
    for diagnostic in errors_of(text):
        assert 0 <= diagnostic.span.start < diagnostic.span.end <= len(text) + 1
        assert diagnostic.code in GRAMMAR_RULES
        assert diagnostic.render()


def errors_of(text: str) -> tuple[Diagnostic, ...]:
    try:
        assert parse_grammar(text).valid_derivations()
    except LanguageError as refused:
        return refused.diagnostics
    return ()

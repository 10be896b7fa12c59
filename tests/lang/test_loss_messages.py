"""Every bad program in tests/bad gets its pinned message, and every code has a bad program."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from a2ls_dsl.diagnostics import LanguageError, Severity, Source, render_all
from a2ls_dsl.lang.ast import Comparison, Definition, Element, Loss, LossFile, Stream, Weighted
from a2ls_dsl.lang.check import check
from a2ls_dsl.lang.codes import RULES, report
from a2ls_dsl.lang.files import MAX_SIZE
from a2ls_dsl.lang.load import analyse, loads
from a2ls_dsl.lang.parse import parse, recover

BAD = Path(__file__).parent.parent / "bad"
PROGRAMS = sorted(BAD.glob("*.a2l"))


def findings(source: Source) -> str:
    """Everything that is said about a text; lark's own words must never be part of it."""
    try:
        _, found = analyse(source, BAD / source.name)
    except LanguageError as error:
        return error.render() + "\n"
    return render_all(found) + "\n"


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_bad_program(path: Path, golden: Callable[[Path, str], None]) -> None:
    text = findings(Source(path.name, path.read_text(encoding="utf-8")))
    golden(path.with_suffix(".txt"), text)
    assert not re.search(r"Unexpected|__ANON|Token\(|Expected one of|\b_[A-Z]{2,}", text)


def test_every_code_has_a_bad_program() -> None:
    pinned = "".join(path.read_text(encoding="utf-8") for path in BAD.glob("*.txt"))
    # A file of more than 30 kB is not kept; see below.
    assert set(re.findall(r"\[(A2L\d{3})\]", pinned)) == set(RULES) - {"A2L001"}


def test_severity_follows_from_the_code() -> None:
    span = parse("loss a = mse({ s[t] } -> { s[t+1] })").span
    assert span is not None
    assert report("A2L100", "", span).severity is Severity.ERROR
    assert report("A2L101", "", span).severity is Severity.WARNING


def test_a_large_text_is_refused_unread() -> None:
    with pytest.raises(LanguageError, match=r"A2L001.*more than 30 kB"):
        loads("loss " * (MAX_SIZE // 5 + 1))


def test_the_anchor() -> None:
    with pytest.raises(LanguageError) as caught:
        loads("# one\n# two\nloss mine = l2({ s[t] } -> { s[t+1] })\n", "mine.a2l")
    assert caught.value.render() == (
        "error[A2L021]: there is no operator `l2`\n"
        "  --> mine.a2l:3:13\n"
        "   |\n"
        "3  | loss mine = l2({ s[t] } -> { s[t+1] })\n"
        "   |             ^^ `l2` is a function of an item; did you mean `mse`?"
    )


def test_only_the_first_errors_are_shown_in_full() -> None:
    with pytest.raises(LanguageError, match=r"\.\.\. and 480 more\Z") as caught:
        loads("".join(f"loss l{i} = huh({{ s[t] }} -> {{ s[t+1] }})\n" for i in range(500)))
    assert len(caught.value.diagnostics) == 500


@pytest.mark.parametrize("bad", ["mse({ s[t] } -> { s[t+1] }", "l2({ s[t] } -> { s[t+1] })"])
def test_a_broken_loss_may_be_referred_to(bad: str) -> None:
    file, mistakes = recover(Source("x", f"loss one = {bad}\nloss two = 0.5 * one\n"))
    assert len([*mistakes, *check(file, mistakes)]) == 1


def test_a_tree_without_places_can_be_checked() -> None:
    term = Comparison("l2", (Element(Stream.ACTION, 0),), ())
    file = LossFile((Definition("built", Loss((Weighted(0.0, term),))),))
    assert sorted(each.code for each in check(file)) == ["A2L021", "A2L035", "A2L036", "A2L037"]


def test_a_reference_to_a_loss_of_many_elements_counts_each_time() -> None:
    doubling = "".join(f"loss l{i + 1} = l{i} + l{i}\n" for i in range(1000))
    with pytest.raises(LanguageError, match="10,000 elements") as caught:
        loads("loss l0 = mse({ s[t] } -> { s[t+1] })\n" + doubling)
    assert len(caught.value.diagnostics) == 1


def test_runs_are_counted_before_they_are_expanded() -> None:
    runs = ", ".join(["a[t..t+999]"] * 1_000)
    with pytest.raises(LanguageError, match="10,000 elements") as caught:
        loads(f"loss big = mse({{ s[t], {runs} }} -> {{ s[t+1] }})")
    assert len(caught.value.diagnostics) == 1

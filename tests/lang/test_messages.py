"""Every bad program in tests/bad gets its pinned message, and every code has a bad program."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from a2ls_dsl.diagnostics import (
    Diagnostic,
    Edit,
    LanguageError,
    Severity,
    Source,
    columns,
    reason,
    render_all,
)
from a2ls_dsl.lang.files import MAX_SIZE
from a2ls_dsl.lang.load import analyse, loads
from a2ls_dsl.lang.messages.codes import RULES, Rule, report
from a2ls_dsl.lang.rules.canonical import key
from a2ls_dsl.lang.rules.check import check
from a2ls_dsl.lang.syntax.elaborate import parse, recover
from a2ls_dsl.lang.syntax.tree import Comparison, Definition, Element, Loss, LossFile, Weighted
from a2ls_dsl.words.language import Stream

BAD = Path(__file__).parent.parent / "bad"
PROGRAMS = sorted(BAD.glob("*.a2l"))


def findings(source: Source) -> str:
    """Everything that is said about a text; lark's own words must never be part of it."""
    try:
        _, diagnostics = analyse(source, BAD / source.name)
    except LanguageError as error:
        return error.render() + "\n"
    return render_all(diagnostics) + "\n"


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_bad_program(path: Path, golden: Callable[[Path, str], None]) -> None:
    text = findings(Source(path.name, path.read_text(encoding="utf-8")))
    golden(path.with_suffix(".txt"), text)
    assert not re.search(r"Unexpected|__ANON|Token\(|Expected one of|\b_[A-Z]{2,}", text)


def diagnostics(source: Source) -> list[Diagnostic]:
    try:
        return analyse(source, BAD / source.name)[1]
    except LanguageError as error:
        return list(error.diagnostics)


def edits(source: Source) -> list[tuple[Diagnostic, Edit]]:
    """The findings in a text that can be mended by an edit, with these."""
    pairs = ((diagnostic, diagnostic.edit) for diagnostic in diagnostics(source))
    return [(diagnostic, edit) for diagnostic, edit in pairs if edit and edit.span.source == source]


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_a_fix_that_is_an_edit_mends_what_it_was_offered_for(path: Path) -> None:
    source = Source(path.name, path.read_text(encoding="utf-8"))
    for diagnostic, edit in edits(source):
        after = diagnostics(Source(path.name, edit.apply()))
        same = {(other.code, other.message) for other in after if other.span.start == diagnostic.span.start}
        assert (diagnostic.code, diagnostic.message) not in same, edit
    for _ in range(12):  # one after the other, edits come to an end
        offered = edits(source)
        if not offered:
            return
        source = Source(path.name, offered[0][1].apply())
    pytest.fail(source.text)


def test_a_fix_that_says_what_to_write_is_an_edit() -> None:
    concrete = re.compile(r"(write|did you mean|remove it|leave out|leave it out)\b")
    template = re.compile(r"FROM|NAME|\.\.\.|source|smaller|shorter|nearer|them|above 0")
    for path in PROGRAMS:
        for diagnostic in diagnostics(Source(path.name, path.read_text(encoding="utf-8"))):
            if concrete.match(diagnostic.fix) and not template.search(diagnostic.fix):
                assert diagnostic.edit, (path.stem, diagnostic.fix)


@pytest.mark.parametrize(
    ("bad", "good"),
    [
        ("ema(simnorm(s[t+1..t+3], 8))", "simnorm(ema(s[t+1..t+3]), 8)"),
        ("crop(l2(s[t..t+2]))", "l2(crop(s[t..t+2]))"),
        ("l2(crop(a[t..t+2]))", "a[t..t+2]"),
        ("s[1]", "s[t+1]"),
        ("a[t:3]", "a[t..t+3]"),
        ("sg(s[t])", "stop(s[t])"),
        ("S[t]", "s[t]"),
        ("shift(s[t], 0)", "shift(s[t], 4)"),
    ],
)
def test_a_fix_keeps_runs_and_numbers(bad: str, good: str) -> None:
    source = Source("x", f"loss mine = mse({{ s[t] }} -> {{ {bad} }})")
    while offered := edits(source):
        source = Source("x", offered[0][1].apply())
    assert source.text == f"loss mine = mse({{ s[t] }} -> {{ {good} }})"


@pytest.mark.parametrize("inner", ["simnorm(s[t+1..t+3], 4)", "l2(avgl1(s[t+1]))", "l2(crop(s[t+1]))"])
def test_stop_around_a_normaliser_is_stop_inside_it(inner: str) -> None:
    inside = re.sub(r"(crop\(s\[.*?\]\)|s\[.*?\])", r"stop(\1)", inner, count=1)
    outer = loads(f"loss a = mse({{ s[t] }} -> {{ stop({inner}) }})")["a"]
    assert key(outer) == key(loads(f"loss a = mse({{ s[t] }} -> {{ {inside} }})")["a"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mse({ s[t], a[t..t+k-1] } -> { s[t+1] })", "a step is t, or t plus one whole number"),
        ("mse({ s[t] } -> { a[t] }) with head = linear with decay = 1", "options are separated by commas"),
        ("inner({ s[t] } -> { a[t] }) with positives = return(r[t])", "the value of an option"),
        ("kl({ s[t] } -> { s[t+1] })", "latents are no distributions"),
        ("mse({ s[t] } -> { s[t+1] }) // later", "comments begin with #"),
        ("50% * mse({ s[t] } -> { s[t+1] })", "write 0.5"),
        ("mse({ \u0455[t] } -> { s[t+1] })", "looks like the Latin letter s"),
        ("m\u00e9e({ s[t] } -> { s[t+1] })", "looks like the Latin letter e"),
        ("mse({ s, a } -> { s[t+1] })", "`s` is a stream"),
        ("mse({ s[t]; a[t] } -> { s[t+1] })", "separated by commas"),
        ("mse({ s[t] } -> { r[t] + gamma * value(s[t+1]) })", r"e\.g\. return"),
        ("0.5 * (mse({ s[t] } -> { r[t] }) + mse({ s[t] } -> { a[t] }))", "name the sum"),
        ("mze({ s[t] } -> { s[t+1] })", "did you mean `mse`"),
        ("unheard({ s[t] } -> { s[t+1] })", "@a2l.operator"),
    ],
)
def test_a_mistake_is_called_by_its_name(text: str, message: str) -> None:
    with pytest.raises(LanguageError, match=message) as caught:
        loads(f"loss mine = {text}")
    assert len(caught.value.diagnostics) == 1


def test_a_sound_import_is_not_blamed_for_what_follows() -> None:
    with pytest.raises(LanguageError) as caught:
        loads('import "curl"\nxloss a = curl')
    assert [diagnostic.code for diagnostic in caught.value.diagnostics] == [Rule.DEFINITION]


def test_errors_stand_before_warnings_and_the_cap() -> None:
    warnings = "".join(f"loss w{i} = mse({{ s[t], a[t] }} -> {{ a[t] }})\n" for i in range(40))
    with pytest.raises(LanguageError) as caught:
        loads(warnings + "loss e = huh({ s[t] } -> { s[t+1] })\n")
    assert caught.value.render().startswith("error[A2L021]")
    assert caught.value.render().endswith("... and 21 more")


def test_the_caret_stands_below_wide_characters_and_cuts_show() -> None:
    wide = "\u65e5\u672c"
    diagnostics_of_it = diagnostics(Source("x", f'import "{wide}"  loss a = huh({{ s[t] }} -> {{ s[t+1] }})'))
    line, caret = next(
        diagnostic.render() for diagnostic in diagnostics_of_it if diagnostic.code == "A2L021"
    ).split("\n")[-2:]
    assert columns(line[: line.index("huh")]) == caret.index("^")
    long = Source("x", f"loss a = mse({{ s[t], {', '.join(['a[t]'] * 60)} }} -> {{ x[t] }}) # {'-' * 200}")
    line, caret = next(
        diagnostic.render() for diagnostic in diagnostics(long) if diagnostic.code == "A2L022"
    ).split("\n")[-2:]
    assert line.split("| ")[1].startswith("...")
    assert line.endswith("...")
    assert line[caret.index("^")] == "x"


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (RuntimeError(""), "RuntimeError"),
        (RuntimeError("\n  no kernel image\ndetails"), "no kernel image"),
        (RuntimeError("inductor raised:\nno compiler\ndetails"), "inductor raised: no compiler"),
    ],
)
def test_the_reason_of_another_library_is_one_line(error: Exception, text: str) -> None:
    assert reason(error) == text


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
    assert sorted(diagnostic.code for diagnostic in check(file)) == ["A2L021", "A2L035", "A2L036", "A2L037"]


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

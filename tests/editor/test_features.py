"""What an editor shows: findings, meanings, proposals, outline, definitions, for a text with a mark in it."""

from __future__ import annotations

from cProfile import Profile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.editor import grammars
from a2ls_dsl.editor.complete import complete
from a2ls_dsl.editor.hints import hints
from a2ls_dsl.editor.hover import hover, shapes
from a2ls_dsl.editor.project import analyse
from a2ls_dsl.editor.references import File, definition, places, rename, renamed
from a2ls_dsl.editor.scan import Place, scan
from a2ls_dsl.editor.symbols import Kind as Symbols
from a2ls_dsl.editor.symbols import folds, outline, replaced, symbols
from a2ls_dsl.editor.words import SYNTAX, page
from a2ls_dsl.lang.files import MAX_SIZE, shipped
from a2ls_dsl.lang.grammar.file import WORDS
from a2ls_dsl.lang.load import loads
from a2ls_dsl.lang.rules.canonical import key
from a2ls_dsl.lang.syntax.tree import Comparison
from a2ls_dsl.words.entry import Kind, Negatives
from a2ls_dsl.words.language import KEYWORDS, SCHEDULE, Stream
from a2ls_dsl.words.registry import functions, heads, operators

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


# proposals


@pytest.mark.parametrize("text", ["|", "lo|", f"loss a = {PAIR}\n|", '# c\nimport "curl.a2l"\n|'])
def test_a_line_begins_with_loss_or_import(text: str) -> None:
    assert offered(text)[-2:] == ["loss", "import"]


def test_a_term_is_an_operator_or_a_loss_from_above() -> None:
    text = f'import "curl.a2l"\nloss one = {PAIR}\nloss two = 0.5 * one + |\nloss three = {PAIR}'
    assert offered(text) == [*operators, SCHEDULE, "curl", "one"]
    assert SCHEDULE not in offered("loss a = 0.5 * |")


def test_a_set_holds_streams_and_functions() -> None:
    assert offered("loss a = mse({ |") == [*STREAMS, *functions]
    assert offered("loss a = mse({ s[t], a|") == [*STREAMS, *functions]
    in_target = [function for function in functions if function not in ("rollout", "visited")]
    assert offered("loss a = simsr({ s[t] } -> { |") == [*STREAMS, *in_target, "rollout"]
    assert offered("loss a = mse({ s[t] } -> { |") == [*STREAMS, *in_target]


def test_a_function_takes_what_it_takes() -> None:
    kinds = {
        kind: [function.name for function in functions.values() if function.kind is kind] for kind in Kind
    }
    assert offered("loss a = mse({ crop(|") == ["s", *kinds[Kind.VIEW]]
    assert offered("loss a = mse({ ema(|") == ["s", *kinds[Kind.VIEW]]
    inner = [*kinds[Kind.VIEW], *kinds[Kind.ENCODER], *kinds[Kind.NORMALISER]]
    assert offered("loss a = mse({ value(l2(|") == ["s", *inner]
    assert offered("loss a = mse({ shift(s[t], |") == ["4"]
    assert offered("loss a = mse({ rollout(s[t], |") == ["a"]
    assert offered("loss a = mse({ s[t] } -> { return(|") == ["r"]
    assert offered("loss a = mse({ s[t] } -> { return(r[t], |") == ["value"]
    assert offered("loss a = mse({ s[|") == ["t"]


def snippet(text: str, label: str) -> str:
    """What an editor fills in for a proposal at the end of a text."""
    proposals = complete(text, len(text), None, analyse(text, None))
    return next(proposal.snippet for proposal in proposals if proposal.label == label)


def test_options_are_those_of_the_operator_and_not_given_yet() -> None:
    assert offered(f"loss a = {PAIR} |") == ["against batch", "with"]
    assert offered("loss a = ce({ s[t] } -> { r[t] }) |") == ["with"]
    assert offered("loss a = variance({ s[t] }) |") == ["with"]
    assert offered(f"loss a = {PAIR} against |") == ["batch"]
    assert offered(f"loss a = {PAIR} with |") == ["head", "projector"]
    assert offered("loss a = variance({ s[t] }) with |") == ["projector"]
    assert offered("loss a = ce({ rollout(s[t], a[t]) } -> { r[t] }) with bins = 5, |") == [
        "head",
        "projector",
        "transition",
        "low",
        "high",
        "smoothing",
        "decay",
    ]
    ends = "loss a = ce({ s[t] } -> { r[t] }) with "
    assert snippet(ends, "low") == "low = ${1:0}, high = ${2:0}$0"
    assert snippet(f"{ends}low = -5, ", "high") == "high = ${1:0}$0"
    assert snippet(ends, "bins") == "bins = ${1:65}$0"
    contrast = "loss a = inner({ s[t] } -> { s[t+1] }) against batch"
    assert offered(f"{contrast} with head = mlp(5), |") == ["projector", "temperature"]
    assert offered(f"{contrast} with temperature = |") == ["1"]


def test_heads_and_their_names() -> None:
    own = [name for name in heads if name != "residual"]
    assert offered(f"loss a = {PAIR} with head = |") == offered(f"loss a = {PAIR} with projector = |") == own
    rolled = "loss a = mse({ rollout(s[t], a[t]) } -> { s[t+1] }) with transition = |"
    assert offered(rolled) == [name for name in heads if name != "none"]
    assert "none" not in offered("loss a = ce({ s[t] } -> { r[t] }) with head = |")
    shared = f"loss a = {PAIR} with head = linear as q\nloss b = {PAIR} with head = linear as p + {PAIR}"
    assert offered(f"{shared} with head = linear |") == ["as"]
    assert offered(f"{shared} with head = linear as |") == ["p"]


def test_imports_are_files_beside_and_shipped_losses(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    for name in ("mine.a2l", "other.a2l", "notes.txt", "below/inner.a2l"):
        (tmp_path / name).write_text(f"loss x = {PAIR}\n")
    library = [f"{name}.a2l" for name in shipped("losses", ".a2l")]
    assert offered("import |") == [f'"{name}"' for name in library]
    assert offered('import "|', tmp_path / "mine.a2l") == ["other.a2l", *library]
    assert offered('import "below/|', tmp_path / "mine.a2l") == ["below/inner.a2l"]
    text = 'import "cu"'
    (proposal, *_) = complete(text, len(text) - 1, None, analyse(text, None))
    assert (proposal.start, proposal.text) == (8, proposal.label), "the quote that is there stays"


def test_comments_and_finished_strings_get_no_proposals() -> None:
    assert offered("# loss |") == []
    assert offered("loss a = mse({ s[t] # and |") == []
    assert offered('import "curl.a2l"|') == []


# meanings


@pytest.mark.parametrize("name", [*operators, *functions, *STREAMS, *KEYWORDS, SCHEDULE, "t"])
def test_every_word_has_a_page(name: str) -> None:
    assert page(name)


def test_operators_have_formulas_of_their_own() -> None:
    assert len({entry.text for entry in operators.values()}) == len(operators)
    for entry in operators.values():
        assert entry.text
        assert bool(entry.text_against) == (entry.negatives is Negatives.ON_REQUEST)


def test_hover_tells_an_operator_from_a_loss_and_a_schedule_from_a_head() -> None:
    named = f"loss both = {PAIR}\n"
    assert "mean (y − z)²" in said(f"loss a = |{PAIR}")
    assert "head of the source row" in said(f"loss a = |{PAIR}")
    assert "(word of the language)" in said(f"{named}loss a = |linear(0, 1, 5) * both")
    assert "(head)" in said(f"loss a = {PAIR} with head = |linear")
    assert "(loss)" in said(f"{named}loss a = |both")
    assert "Default: 65" in said("loss a = ce({ s[t] } -> { r[t] }) with |bins = 5")
    assert "(stream)" in said("loss a = mse({ |s[t] } -> { s[t+1] })")
    assert "0.05 if left out" in said("loss a = mse({ |intensity(s[t]) } -> { s[t+1] })")
    assert said("loss a = mse({ s[t] } -> { s[t+1] }) # |mse") == ""


def test_hover_of_a_loss_shows_canonical_form_shapes_and_timeline() -> None:
    text = "loss a = mse({ a[t], s[t] } -> { s[t+1], r[t] })\nloss b = 2 * |a"
    shown = said(text)
    assert "mse({ s[t], a[t] } -> { s[t+1], r[t] })" in shown
    assert "source (B, F + A) -> predictor -> (B, F + 1) = target" in shown
    assert "horizon 1" in shown
    assert "ST both" in shown


def test_hover_of_a_loss_in_a_broken_file_shows_its_text() -> None:
    shown = said(f"loss a = {PAIR}\nloss b = mze({{ s[t] }} -> {{ s[t] }})\nloss c = |a")
    assert PAIR in shown


def test_hover_of_an_import_lists_its_losses() -> None:
    assert "`curl`" in said('import "|curl.a2l"\nloss a = curl')


@pytest.mark.parametrize(
    ("term", "words"),
    [
        ("variance({ s[t] })", "latents (B, F)"),
        ("barlow({ s[t] } -> { s[t] })", "source (B, F), target (B, F)"),
        (
            "mse({ s[t], s[t+1] } -> { o[t], r[t], r[t+1] })",
            "source (B, 2F) -> predictor -> (B, O + 2) = target",
        ),
        (
            "mse({ rollout(s[t], a[t..t+2]) } -> { s[t+1..t+3] }) with head = none",
            "source (B, F), target (B, F) at each of 3 steps",
        ),
    ],
)
def test_shapes(term: str, words: str) -> None:
    (weighted,) = loads(f"loss a = {term}")["a"].terms
    assert isinstance(weighted.term, Comparison)
    assert shapes(weighted.term) == words


# findings


def test_findings_carry_code_place_and_fix() -> None:
    text = "# é😀\nloss a = hubr({ s[t] } -> { s[t+1] })\n"
    (finding,) = analyse(text, None).findings
    assert (finding.diagnostic.code, finding.diagnostic.fix) == ("A2L021", "did you mean `huber`?")
    span = finding.diagnostic.span
    assert text[span.start : span.end] == "hubr"


def test_imports_see_unsaved_buffers(tmp_path: Path) -> None:
    inner, outer = tmp_path / "inner.a2l", tmp_path / "outer.a2l"
    inner.write_text(f"loss saved = {PAIR}\n")
    text = 'import "inner.a2l"\nloss b = fresh\n'
    assert [finding.diagnostic.code for finding in analyse(text, outer).findings] == ["A2L105", "A2L026"]
    buffers = {str(inner.resolve()): f"loss fresh = {PAIR}\n"}
    assert analyse(text, outer, buffers).findings == ()


def test_errors_of_an_import_stand_at_the_import(tmp_path: Path) -> None:
    (tmp_path / "deep.a2l").write_text("\nloss x = mze({ s[t] } -> { s[t+1] })\n")
    (tmp_path / "inner.a2l").write_text(f'import "deep.a2l"\nloss y = x + {PAIR}\n')
    text = 'import "inner.a2l"\nloss b = y\n'
    (finding,) = analyse(text, tmp_path / "outer.a2l").findings
    assert text[finding.diagnostic.span.start : finding.diagnostic.span.end] == '"inner.a2l"'
    (related,) = finding.related
    assert (related.path.name, related.span.line) == ("deep.a2l", 2)


def test_circles_and_missing_files_are_told_once(tmp_path: Path) -> None:
    outer = tmp_path / "outer.a2l"
    text = f'import "inner.a2l"\nloss b = {PAIR}\n'
    (tmp_path / "inner.a2l").write_text(f'import "outer.a2l"\nloss c = {PAIR}\n')
    codes = [finding.diagnostic.code for finding in analyse(text, outer).findings]
    assert codes.count("A2L028") + codes.count("A2L029") == 1
    missing = analyse(f'import "nowhere.a2l"\nloss b = {PAIR}\n', outer).findings
    assert [finding.diagnostic.code for finding in missing] == ["A2L028"]


@pytest.mark.parametrize("text", ["loss a = \0", "\ufeff# only a comment", "x" * (MAX_SIZE + 1), ""])
def test_whatever_is_in_a_buffer_gets_findings(text: str) -> None:
    assert analyse(text, None).findings
    assert grammars.check(text, "a.a2g").findings


def test_a_byte_order_mark_is_no_character() -> None:
    assert analyse(f"\ufeffloss a = {PAIR}\n", None).findings == ()


# outline and definitions


def test_symbols_and_definitions(tmp_path: Path) -> None:
    text = f'import "inner.a2l"\nloss one = {PAIR}\nloss two = one + inner\n'
    (tmp_path / "inner.a2l").write_text(f"# first\nloss inner = {PAIR}\n")
    path = tmp_path / "outer.a2l"
    file = File(text, path)
    entries = outline(text, False)
    assert [(symbol.name, text[slice(*named)]) for symbol, named, _ in entries] == [
        ("one", "one"),
        ("two", "two"),
    ]
    here = definition(file, text.index("one +"))
    assert here is not None
    assert (here.path, here.span.start) == (None, text.index("one"))
    there = definition(file, text.rindex("inner"))
    assert there is not None
    assert there.path == tmp_path / "inner.a2l"
    assert (there.span.line, there.span.column) == (2, 6)
    brought = definition(file, text.index("inner.a2l"))
    assert brought is not None
    assert (brought.path, brought.span.start) == (tmp_path / "inner.a2l", 0)


def test_a_definition_is_found_while_a_line_is_unfinished() -> None:
    text = f"loss one = {PAIR}\nloss two = one + mse({{ s[t"
    target = definition(File(text), text.rindex("one"))
    assert target is not None
    assert target.span.start == text.index("one")


# names


def marked(*texts: str) -> tuple[list[str], list[list[tuple[int, int]]]]:
    """Texts without their `«...»`, and what stood in these."""
    plain = [text.replace("«", "").replace("»", "") for text in texts]
    places = []
    for text in texts:
        starts = [at for at, sign in enumerate(text) if sign == "«"]
        ends = [at for at, sign in enumerate(text) if sign == "»"]
        places.append([(a - 2 * i, b - 2 * i - 1) for i, (a, b) in enumerate(zip(starts, ends, strict=True))])
    return plain, places


NAMED = {
    "a loss": ("loss «one»=mse({s[t]}->{s[t+1]})\nloss b = 2 * «one» + «one» # one\nloss onee = b", False),
    "a shared map": (
        "loss one = mse({s[t]}->{r[t]}) with head = linear as «h»"
        " + mse({a[t]}->{r[t]}) with head = linear as «h»\n"
        "loss two = mse({s[t]}->{r[t]}) with head = linear as h",
        False,
    ),
    "a rule": (
        "grammar g\n«x» = { s[t] } | { view(s[t]) }\n"
        "loss = mse(«x» and [ «x» ] -> { r[t] } | «x») with head = x2\nx2 = none # x",
        True,
    ),
    "a function": (
        "grammar g\n«head» = none | crop\nloss = mse({ «head»(s[t]) } -> { r[t] }) with head = linear",
        True,
    ),
    "a bounded rule": (
        "grammar g\nloss = «sums»\n«sums» = x | x + «sums»\nrequire at most 3 «sums»\n"
        "x = mse({ s[t] } -> { r[t] })",
        True,
    ),
    "a parameter": (
        "grammar k for «k» in 1..2, n in 1..3\nloss = mse({ s[t], a[t..t+«k»-n] } -> { r[t+n+«k»] })",
        True,
    ),
    "a view": (
        "loss one = mse({ noise(s[t]) as «x» } -> { l2(noise(s[t]) as «x») })"
        " + variance({ noise(s[t]) as «x» })\n"
        "loss two = mse({ noise(s[t]) as x } -> { ema(noise(s[t]) as x) })",
        False,
    ),
    "in what does not parse": (
        "loss «one» = mse({ s[t] } -> { r[t] })\nloss b = «one» + mse({ one[t] + ",
        False,
    ),
}


@pytest.mark.parametrize(("text", "grammar"), NAMED.values(), ids=NAMED)
def test_every_place_of_a_name_and_no_other(text: str, grammar: bool) -> None:
    (plain,), (expected,) = marked(text)
    file = File(plain, None, grammar)
    for start, end in expected:
        for offset in (start, end):
            assert list(places(file, offset)[""]) == expected
    assert definition(file, expected[-1][0]) == definition(file, expected[0][0])


@pytest.mark.parametrize("name", [*shipped("losses", ".a2l"), *shipped("grammars", ".a2g")])
def test_a_shipped_file_with_another_name_means_the_same(name: str) -> None:
    """The first few symbols, but for `loss` in a grammar, which can't be renamed."""
    grammar = name in shipped("grammars", ".a2g")
    kind = ("grammars", ".a2g") if grammar else ("losses", ".a2l")
    text = shipped(*kind)[name].read_text(encoding="utf-8")
    every = symbols(text, grammar)
    assert every
    for symbol in every[:5]:
        at = symbol.places[0][0]
        if not renamed(File(text, None, grammar), at):
            assert symbol.name == "loss"
            continue
        assert rename(File(text, None, grammar), at, "fresh") == {"": symbol.places}
        if not grammar:
            other = loads(replaced(text, symbol.places, "fresh"))
            assert list(map(key, other.values())) == list(map(key, loads(text).values()))


def test_a_rename_reaches_files_that_import(tmp_path: Path) -> None:
    """Open files as they are in the editor, others of the folder as on disk; no other loss of the name."""
    inner = f"loss «one» = {PAIR}\n"
    user = 'import "inner.a2l"\nloss two = «one» + 2 * «one»\n'
    opened = 'import "inner.a2l"\nloss three = «one»\n'
    (inner, user, opened), expected = marked(inner, user, opened)
    own = f"loss one = {PAIR}\nloss two = one\n"
    for name, text in {"inner": inner, "user": user, "opened": "old", "own": own}.items():
        (tmp_path / f"{name}.a2l").write_text(text)
    real = {name: str((tmp_path / f"{name}.a2l").resolve()) for name in ("inner", "user", "opened")}
    buffers = {real["opened"]: opened, real["inner"]: inner}
    wanted = dict(zip((real["inner"], real["user"], real["opened"]), map(tuple, expected), strict=True))
    for name, text, (place, *_) in zip(
        ("inner", "user", "opened"), (inner, user, opened), expected, strict=True
    ):
        file = File(text, Path(real[name]), False, buffers)
        assert places(file, place[0]) == wanted
        assert rename(file, place[0], "fresh") == wanted
        with pytest.raises(A2lError, match="two"):
            rename(file, place[0], "two")


@pytest.mark.parametrize(
    ("text", "grammar", "new", "message"),
    [
        (f"loss «one» = {PAIR}\nloss two = one", False, "two", "taken"),
        (f"loss «one» = {PAIR}", False, "with", "can't be the name"),
        (f"loss «one» = {PAIR}", False, "a b", "is no name"),
        (
            f"loss one = {PAIR} with head = linear as «h» + {PAIR} with head = linear as h"
            f" + {PAIR} with head = linear as g + {PAIR} with head = linear as g",
            False,
            "g",
            "has a meaning",
        ),
        (
            "loss one = mse({ noise(s[t]) as «x» } -> { noise(s[t]) as y })"
            " + variance({ noise(s[t]) as x }) + variance({ noise(s[t]) as y })",
            False,
            "y",
            "has a meaning",
        ),
        ("grammar g\nloss = «x»\nx = mse({ s[t] } -> { r[t] })", True, "mse", "operator"),
        ("grammar g\nloss = «x» | y\nx = none\ny = mse({ s[t] } -> { r[t] })", True, "y", "defined above"),
        (
            "grammar g for «k» in 1..2, n in 1..2\nloss = mse({ s[t+k] } -> { r[t+n] })",
            True,
            "n",
            "given twice",
        ),
    ],
)
def test_a_rename_that_changes_more_is_refused(text: str, grammar: bool, new: str, message: str) -> None:
    (plain,), ((place,),) = marked(text)
    with pytest.raises(A2lError, match=message):
        rename(File(plain, None, grammar), place[0], new)


def test_what_is_shipped_keeps_its_name(tmp_path: Path) -> None:
    text = 'import "curl.a2l"\nloss mine = curl\n'
    file = File(text, tmp_path / "mine.a2l")
    at = text.rindex("curl")
    assert renamed(file, at) is None
    assert places(file, at)[file.real] == ((at, at + 4),)


# folding, hints


def test_folds_are_definitions_and_comments() -> None:
    text = f"# one\n# two\n\nloss a =\n    {PAIR}\n    + {PAIR}\n\n\n# alone\nloss b = {PAIR}\n"
    assert [(text[slice(*piece)], comment) for piece, comment in folds(text, False)] == [
        ("# one\n# two", True),
        (f"loss a =\n    {PAIR}\n    + {PAIR}", False),
    ]


def test_hints_are_horizons_and_widths() -> None:
    text = (
        "loss a = mse({ s[t], a[t..t+2], s[t] } -> { s[t+1] }) + variance({ s[t] })\n"
        "loss b = ce({ rollout(s[t], a[t..t+1]) } -> { r[t..t+1] }) + a\n"
    )
    lines = {hint.text: text[: hint.at].rpartition("\n")[2] for hint in reversed(hints(analyse(text, None)))}
    assert lines["horizon 2"] == "loss a"
    assert lines["F + 3A"] == "loss a = mse({ s[t], a[t..t+2], s[t] }"
    assert lines["1"] == "loss b = ce({ rollout(s[t], a[t..t+1]) } -> { r[t..t+1] }"
    assert hints(analyse(text + "loss c = ", None)) == []


def test_a_hover_shows_the_comment_above(tmp_path: Path) -> None:
    (tmp_path / "inner.a2l").write_text(f"# not this\n\n# What it\n#  is.\nloss inner = {PAIR}\n")
    text = 'import "inner.a2l"\nloss a = |inner'
    assert "What it\n is." in said(text, tmp_path / "a.a2l")
    assert "not this" not in said(text, tmp_path / "a.a2l")
    page = grammars.hover("grammar g\n# All of it.\nloss = mse({ s[t] } -> { r[t] })", 24)
    assert page is not None
    assert "All of it." in page[0]


# loss grammars

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


# the scanner

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


def test_a_number_without_bounds_in_a_grammar_is_a_finding() -> None:
    text = "grammar g\nloss = mse({ s[t] } -> { s[t+1] }) with head = mlp(1e999)"
    (finding,) = grammars.check(text, "g.a2g").findings
    assert finding.diagnostic.code == "A2L224"
    assert finding.diagnostic.span.start == text.index("1e999")

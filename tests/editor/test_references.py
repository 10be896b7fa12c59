"""Names: their definitions, every place of them, and their renaming."""

from __future__ import annotations

from pathlib import Path

import pytest
from editor_cursor import PAIR

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.editor.references import File, definition, places, rename, renamed
from a2ls_dsl.editor.symbols import folds, outline, replaced, symbols
from a2ls_dsl.lang.files import shipped
from a2ls_dsl.lang.load import loads
from a2ls_dsl.lang.rules.canonical import key

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


# folding


def test_folds_are_definitions_and_comments() -> None:
    text = f"# one\n# two\n\nloss a =\n    {PAIR}\n    + {PAIR}\n\n\n# alone\nloss b = {PAIR}\n"
    assert [(text[slice(*piece)], comment) for piece, comment in folds(text, False)] == [
        ("# one\n# two", True),
        (f"loss a =\n    {PAIR}\n    + {PAIR}", False),
    ]

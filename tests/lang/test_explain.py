"""`a2l explain`: every code is explained, and its examples do what they claim."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from a2ls_dsl.cli import main
from a2ls_dsl.diagnostics import Diagnostic, LanguageError, Source
from a2ls_dsl.lang.files import MAX_SIZE
from a2ls_dsl.lang.grammar import parse_grammar
from a2ls_dsl.lang.load import analyse
from a2ls_dsl.lang.messages.codes import GRAMMAR_RULES, RULES, WARNINGS, explanations

ALL = RULES | GRAMMAR_RULES
TOO_LARGE_TO_SHOW = {"A2L001": "#" * (MAX_SIZE + 1)}
SEVERAL_FILES = ("A2L029", "A2L030")
"""What takes several files to break; tests/bad has them."""


def codes(code: str, text: str) -> set[str]:
    """The codes of all findings about a text of the language that `code` belongs to."""
    find: Callable[[], list[Diagnostic] | tuple[Diagnostic, ...]]
    if code in RULES:
        find = lambda: analyse(Source("x.a2l", text))[1]  # noqa: E731
    else:
        find = lambda: parse_grammar(text, "x.a2g").warnings  # noqa: E731
    try:
        return {diagnostic.code for diagnostic in find()}
    except LanguageError as error:
        return {diagnostic.code for diagnostic in error.diagnostics}


def explain(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """Runs `a2l explain` in this process; its exit status."""
    monkeypatch.setattr(sys, "argv", ["a2l", "explain", *words])
    with pytest.raises(SystemExit) as leave:
        main()
    return int(leave.value.code or 0)


def test_every_code_is_explained() -> None:
    assert list(explanations()) == [*RULES, *GRAMMAR_RULES]


@pytest.mark.parametrize("code", ALL)
def test_the_examples_do_what_they_claim(code: str) -> None:
    explanation = explanations()[code]
    hidden = code in TOO_LARGE_TO_SHOW or code in SEVERAL_FILES
    assert (explanation.wrong is None) == (explanation.right is None) == hidden
    if code in SEVERAL_FILES:
        return
    assert codes(code, explanation.wrong or TOO_LARGE_TO_SHOW[code]) == {code}
    if explanation.right is not None:
        assert codes(code, explanation.right) == set()


def test_a_page(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert explain(monkeypatch, "a2l036") == 0
    assert capsys.readouterr().out == (
        "error[A2L036]: a state is encoded with gradient, or none reaches the encoder\n"
        "\n"
        "An auxiliary loss trains the encoder. States of the source go through it with gradient,\n"
        "unless they are encoded by ema or stop; in the target, only online(...) does. Values,\n"
        "returns and all that is no state have no gradient.\n"
        "\n"
        "wrong:\n"
        "    loss mine = mse({ a[t], r[t] } -> { s[t+1] })\n"
        "\n"
        "right:\n"
        "    loss mine = mse({ s[t], a[t], r[t] } -> { s[t+1] })\n"
    )


def test_the_list(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert explain(monkeypatch) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if line.startswith("  A2L")] == list(ALL)
    for code in (*WARNINGS, "A2L251"):
        assert f"  {code}  warning  {ALL[code]}" in lines


@pytest.mark.parametrize(
    ("code", "fix"),
    [
        ("A2L21", "did you mean `A2L021`?"),
        ("a2l118", "did you mean `A2L111`?"),
        ("A2L900", "lists all codes"),
        ("operator", "lists all codes"),
    ],
)
def test_unknown_codes(
    code: str, fix: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert explain(monkeypatch, code) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: there is no code `{code}`")
    assert fix in error

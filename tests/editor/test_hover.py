"""Meanings: what is said of the word at the cursor, and in between the words."""

from __future__ import annotations

from pathlib import Path

import pytest
from editor_cursor import PAIR, STREAMS, said

from a2ls_dsl.editor import grammars
from a2ls_dsl.editor.hints import hints
from a2ls_dsl.editor.hover import shapes
from a2ls_dsl.editor.project import analyse
from a2ls_dsl.editor.words import page
from a2ls_dsl.lang.load import loads
from a2ls_dsl.lang.syntax.tree import Comparison
from a2ls_dsl.words.entry import Negatives
from a2ls_dsl.words.language import KEYWORDS, SCHEDULE
from a2ls_dsl.words.registry import functions, operators


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

"""`a2l show --latex`: formulas that LaTeX can read, of every loss."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from hypothesis import given, settings
from strategies import any_losses

from a2ls_dsl.lang.load import load_one, loads
from a2ls_dsl.lang.syntax.tree import Loss
from a2ls_dsl.lang.views.latex import latex

GOLDEN = Path(__file__).parent / "golden"
SHOWN = ("a2_winner", "curl", "curl_a2ls", "spr_rollout", "tdmpc2", "vicreg", "dbc", "svea", "multi_horizon")

WORDS = """
align bar begin bigl bigr Bigl Bigr cos ell end exp frac hat lambda ldots log lVert lvert mathbb mathcal
mathrm max min neq operatorname prime quad rVert rvert sum text tfrac theta top
propto
"""
KNOWN = set(WORDS.split())
"""Commands of LaTeX with amsmath that formulas are made of."""


def test_formulas(golden: Callable[[Path, str], None]) -> None:
    golden(GOLDEN / "latex.txt", "\n\n".join(latex(*load_one(name)) for name in SHOWN) + "\n")


def test_a_schedule_has_a_line() -> None:
    text = latex("it", loads("loss it = linear(0.0, 0.5, 1000) * mse({ s[t] } -> { r[t] })")["it"])
    assert r"\lambda(n)\, \mathbb{E}" in text
    assert r"\lambda(n) &= 0 + (0.5 - 0)\, \min\bigl(1, n / 1000\bigr)" in text


def test_heads_that_are_shared_have_one_name() -> None:
    text = latex(*load_one("svea"))
    assert text.count(r"h_{\text{h1}}\bigl(") == 2


@settings(max_examples=200)
@given(any_losses())
def test_any_formula_is_well_formed(loss: Loss) -> None:
    text = latex("some_loss", loss)
    body = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
    plain = body.replace(r"\{", "").replace(r"\}", "")
    depth = 0
    for character in plain:
        depth += {"{": 1, "}": -1}.get(character, 0)
        assert depth >= 0
    assert depth == 0
    assert set(re.findall(r"\\([A-Za-z]+)", body)) <= KNOWN
    for size in ("bigl", "Bigl"):
        assert body.count(rf"\{size}") == body.count(rf"\{size.replace('l', 'r')}")
    assert body.startswith("\\begin{align*}\n")
    assert body.endswith("\n\\end{align*}")
    assert all(line.count("&") == 1 for line in body.splitlines()[1:-1])


def test_different_draws_have_different_symbols() -> None:
    lines = latex(*load_one("barlow_twins")).split("\n")
    (y,) = (line.split("&= ")[1] for line in lines if line.startswith("y "))
    (z,) = (line.split("&= ")[1] for line in lines if line.startswith("z "))
    assert y.rstrip(" \\") != z.rstrip(" \\")


def test_a_draw_that_terms_share_has_one_symbol() -> None:
    lines = latex(*load_one("vicreg")).split("\n")
    rows = dict(line.rstrip(" \\").split(" &= ") for line in lines if line[:1] in "yz")
    assert rows["y_{1}"] == rows["y_{3}"] == rows["y_{4}"]
    assert rows["y_{2}"] == rows["z_{3}"] == rows["y_{5}"] != rows["y_{1}"]


def test_masks_and_symlog_are_part_of_the_formula() -> None:
    text = "ce({ s[t] } -> { a[t], return(r[t], value(s[t+1])) })"
    formula = latex("mine", loads(f"loss mine = {text}")["mine"])
    assert r"z &= \bigl(a_{t}, \operatorname{symlog}\bigl(" in formula
    assert r"(1 - d_{t+1})\, \bar V(f_{\bar\theta}(s_{t+1}))" in formula

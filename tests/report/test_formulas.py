"""Formulas of losses on a page."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

from a2ls_dsl.lang.files import shipped
from a2ls_dsl.lang.load import load_one
from a2ls_dsl.lang.views.latex import latex
from a2ls_dsl.report.mathml import mathml


def test_every_shipped_loss_is_a_formula() -> None:
    for name in shipped("losses", ".a2l"):
        formula = mathml(latex(name, load_one(name)[1]))
        assert formula is not None, name
        root = ElementTree.fromstring(formula)
        assert {element.tag for element in root.iter()} <= {
            *("math", "mtable", "mtr", "mtd", "mrow", "mi", "mn", "mo", "mtext", "mfrac", "mover"),
            *("msub", "msup", "msubsup"),
        }
        for parts in root.iter("msubsup"):
            assert len(parts) == 3
        for parts in (*root.iter("mfrac"), *root.iter("msub"), *root.iter("msup"), *root.iter("mover")):
            assert len(parts) == 2


def test_a_formula_by_hand() -> None:
    text = "\\begin{align*}\ny_{2} &= \\tfrac{1}{D} a < b\n\\end{align*}"
    assert mathml(text) == (
        '<math display="block"><mtable displaystyle="true"><mtr>'
        "<mtd><msub><mi>y</mi><mrow><mn>2</mn></mrow></msub></mtd>"
        "<mtd><mo>=</mo><mfrac><mrow><mn>1</mn></mrow><mrow><mi>D</mi></mrow></mfrac><mi>a</mi><mo>&lt;</mo>"
        "<mi>b</mi></mtd></mtr></mtable></math>"
    )
    for odd in ("x", text.replace("a <", "\\foo"), text.replace("D}", "D"), text.replace("b", "}")):
        assert mathml(odd) is None

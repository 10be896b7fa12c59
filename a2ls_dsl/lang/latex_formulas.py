"""The operators as formulas over a prediction y and a target z; primes mark another sample of the batch."""

from __future__ import annotations

from a2ls_dsl.lang.ast import Comparison
from a2ls_dsl.lang.latex_items import escaped
from a2ls_dsl.lang.numbers import print_number
from a2ls_dsl.lang.registry import operators
from a2ls_dsl.lang.settings import number_of

_CONTRASTS = {
    # the similarity of y and z, the same for other pairs, and what these run over
    "inner": (r"{y}^\top {z}", r"{y}^\top {other_z}", "{other_z}"),
    "bilinear": (r"{z}^\top W {y}", r"{z}^\top W {other_y}", "{other_y}"),
    "cosine": (r"\cos({y}, {z})", r"\cos({y}, {other_z})", "{other_z}"),
    "infonce": (r"\cos({y}, {z})", r"\cos({y}, {other_z})", "{other_z}"),
}

_PLAIN = {
    "huber": r"\tfrac{{1}}{{D}} \sum_{{d}} \mathrm{{Huber}}\bigl(({y} - {z})_d\bigr)",
    "ce": r"-\mathrm{{twohot}}_{{{bins}}}({z})^\top \log \operatorname{{softmax}}({y})",
    "variance": r"\tfrac{{1}}{{D}} \sum_{{d}} \max\bigl(0, 1 - \operatorname{{std}}({y})_d\bigr)",
    "covariance": r"\tfrac{{1}}{{D}} \sum_{{d \neq e}} \operatorname{{cov}}({y})_{{d,e}}^2",
    "barlow": r"\sum_{{d}} \bigl(1 - \operatorname{{corr}}({y}, {z})_{{d,d}}\bigr)^2"
    r" + {redundancy} \sum_{{d \neq e}} \operatorname{{corr}}({y}, {z})_{{d,e}}^2",
    "mico": r"\bigl(U({y}, {other_y}) - \lvert {r} - {other_r} \rvert"
    r" - {discount}\, U({z}, {other_z})\bigr)^2",
    "bisim": r"\bigl(\lVert {y} - {other_y} \rVert_1 - \lvert {r} - {other_r} \rvert"
    r" - {discount}\, \lVert {z} - {other_z} \rVert_1\bigr)^2",
}


def formula(term: Comparison, index: str) -> str:
    r"""The formula of a term whose symbols carry an index such as `_{2}` or `_{2}^{(i)}`."""
    name = term.operator
    numbers = {each.name: print_number(number_of(term, each.name)) for each in operators[name].options}
    symbols = {letter: letter + index for letter in "yzr"}
    symbols |= {f"other_{letter}": _other(letter, index) for letter in "yzr"}
    if name in _PLAIN:
        return _PLAIN[name].format(**symbols, **numbers)
    if name in ("mse", "nmse"):
        return _distance(term, symbols)
    if name in _CONTRASTS:
        return _contrast(term, numbers["temperature"], symbols)
    return (
        rf"\mathrm{{{escaped(name)}}}({symbols['y']}{'' if operators[name].unary else ', ' + symbols['z']})"
    )


def _other(letter: str, index: str) -> str:
    """The symbol of another sample: its prime stands before an upper index, as LaTeX wants it."""
    lower, mark, upper = index.partition("^{")
    return f"{letter}{lower}^{{\\prime\\,{upper}" if mark else f"{letter}'{lower}"


def _distance(term: Comparison, symbols: dict[str, str]) -> str:
    y, z, other = symbols["y"], symbols["z"], symbols["other_z"]
    if term.operator == "nmse":
        y, z, other = rf"\ell_2({y})", rf"\ell_2({z})", rf"\ell_2({other})"
    error = rf"\tfrac{{1}}{{D}} \lVert {y} - {z} \rVert_2^2"
    return error + (rf" - \tfrac{{1}}{{D}} \lVert {y} - {other} \rVert_2^2" if term.against_batch else "")


def _contrast(term: Comparison, temperature: str, symbols: dict[str, str]) -> str:
    match, other, over = (each.format(**symbols) for each in _CONTRASTS[term.operator])
    if term.operator != "infonce" and not term.against_batch:
        return rf"\log\bigl(1 + (B - 1) \exp(-{match})\bigr)"
    divided = "" if temperature == "1" else f" / {temperature}"
    return rf"-\log \frac{{\exp({match}{divided})}}{{\sum_{{{over}}} \exp({other}{divided})}}"

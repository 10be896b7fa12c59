"""The operators as formulas over a prediction y and a target z; primes mark another sample of the batch."""

from __future__ import annotations

import re

from a2ls_dsl.lang.ast import Comparison
from a2ls_dsl.lang.latex_items import escaped
from a2ls_dsl.lang.settings import number_of
from a2ls_dsl.words.numbers import print_number
from a2ls_dsl.words.registry import operators


def formula(term: Comparison, index: str) -> str:
    r"""The formula of a term whose symbols carry an index such as `_{2}` or `_{2}^{(i)}`.

    An entry's text has `{y}`, `{z}`, `{r}` and `{other_y}`, ... for symbols, `{NAME}` for the number of an
    option, and `{per_NAME}` for a division by it, which is left out where it is 1.
    """
    entry = operators[term.operator]
    symbols = {letter: letter + index for letter in "yzr"}
    symbols |= {f"other_{letter}": _other(letter, index) for letter in "yzr"}
    for option in entry.options:
        number = print_number(number_of(term, option.name))
        symbols |= {option.name: number, f"per_{option.name}": "" if number == "1" else f" / {number}"}
    text = entry.latex_against if term.against_batch else entry.latex
    if text:
        return text.format(**symbols)
    rows = symbols["y"] if entry.unary else f"{symbols['y']}, {symbols['z']}"
    return rf"\mathrm{{{escaped(entry.name)}}}({rows})"


def is_sum(text: str) -> bool:
    """Whether a formula needs brackets where it is multiplied."""
    depth = 0
    text = re.sub(r"\\l[Vv]ert\b", "(", re.sub(r"\\r[Vv]ert\b", ")", text))
    for place, letter in enumerate(text):
        depth += (letter in "([{") - (letter in ")]}")
        if depth == 0 and letter in "+-" and (place == 0 or text[place - 1] == " "):
            return True
    return False


def _other(letter: str, index: str) -> str:
    """The symbol of another sample: its prime stands before an upper index, as LaTeX wants it."""
    lower, mark, upper = index.partition("^{")
    return f"{letter}{lower}^{{\\prime\\,{upper}" if mark else f"{letter}'{lower}"

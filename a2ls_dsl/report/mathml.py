r"""Formulas for browsers: the LaTeX that `lang/views/latex.py` writes, as MathML.

It reads what that module writes and no more: `align*` rows, fractions, scripts, a handful of symbols. For
anything else it gives up (None), and the reader sees the loss as text.
"""

from __future__ import annotations

import html
import re

_TOKEN = re.compile(r"\\[A-Za-z]+|\\[\\,;! _]|[{}_^&]|\d+(?:\.\d+)?|[A-Za-z]|\S")
_SYMBOLS = {
    "theta": "θ",
    "lambda": "λ",
    "sum": "∑",
    "top": "⊤",
    "prime": "′",
    "ldots": "…",
    "quad": "\u2003",
    "ell": "ℓ",
    "lVert": "‖",
    "rVert": "‖",
    "lvert": "|",
    "rvert": "|",
    "neq": "≠",
    "propto": "∝",
    ",": "\u2009",
    "log": "log",
    "exp": "exp",
    "cos": "cos",
    "min": "min",
    "max": "max",
}
_FUNCTIONS = ("log", "exp", "cos", "min", "max")
_SIZES = ("bigl", "bigr", "Bigl", "Bigr", "biggl", "biggr")
_WORDS = ("mathrm", "operatorname", "text")
_LETTERS = {"mathcal": {"L": "ℒ"}, "mathbb": {"E": "𝔼"}}


class _Unknown(Exception):
    """LaTeX that isn't read here."""


def mathml(latex: str) -> str | None:
    """A display formula, one row per equation; None for LaTeX that isn't read here."""
    match = re.search(r"\\begin\{align\*\}\n(.*)\n\\end\{align\*\}", latex, re.DOTALL)
    if match is None:
        return None
    try:
        rows = [_row(text) for text in re.split(r"\\\\\n", match[1])]
    except _Unknown:
        return None
    return f'<math display="block"><mtable displaystyle="true">{"".join(rows)}</mtable></math>'


def _row(text: str) -> str:
    cells = [f"<mtd>{_Reader(part).everything()}</mtd>" for part in text.split("&")]
    return f"<mtr>{''.join(cells)}</mtr>"


class _Reader:
    def __init__(self, text: str) -> None:
        # The arguments of these commands are words, in which spaces count.
        self.words: list[str] = []

        def keep(match: re.Match[str]) -> str:
            self.words.append(match[2])
            return rf"\{match[1]}" + "{" + str(len(self.words) - 1) + "}"

        text = re.sub(rf"\\({'|'.join(_WORDS)})\{{((?:[^{{}}])*)\}}", keep, text)
        self.tokens = _TOKEN.findall(text)
        self.place = 0

    def everything(self) -> str:
        return "".join(self._until_end(None))

    def _until_end(self, end: str | None) -> list[str]:
        parts: list[str] = []
        while self.place < len(self.tokens):
            if self.tokens[self.place] == end:
                self.place += 1
                return parts
            parts.append(self._scripted())
        if end is not None:
            raise _Unknown
        return parts

    def _scripted(self) -> str:
        """An atom with its subscript and superscript."""
        base = self._atom()
        scripts: dict[str, str] = {}
        while self.place < len(self.tokens) and self.tokens[self.place] in ("_", "^", "'"):
            mark = self.tokens[self.place]
            self.place += 1
            script = "<mo>′</mo>" if mark == "'" else self._atom()
            mark = "^" if mark == "'" else mark
            scripts[mark] = f"<mrow>{scripts[mark]}{script}</mrow>" if mark in scripts else script
        if len(scripts) == 2:
            return f"<msubsup>{base}{scripts['_']}{scripts['^']}</msubsup>"
        if "_" in scripts:
            return f"<msub>{base}{scripts['_']}</msub>"
        return f"<msup>{base}{scripts['^']}</msup>" if scripts else base

    def _atom(self) -> str:
        if self.place >= len(self.tokens):
            raise _Unknown
        token = self.tokens[self.place]
        self.place += 1
        if token == "{":
            return f"<mrow>{''.join(self._until_end('}'))}</mrow>"
        if token.startswith("\\"):
            return self._command(token[1:])
        if token[0].isdigit():
            return f"<mn>{token}</mn>"
        if token.isalpha():
            return f"<mi>{token}</mi>"
        if token in "}_^&":
            raise _Unknown
        stretchy = ' stretchy="false"' if token in "()[]|/" else ""
        return f"<mo{stretchy}>{html.escape('−' if token == '-' else token)}</mo>"

    def _command(self, name: str) -> str:
        if name in _SIZES:
            return self._atom()
        if name in _WORDS:
            words = self.words[int(self._group_text())].replace("\\_", "_").replace("$", "")
            return f"<mtext>{html.escape(words)}</mtext>"
        if name in ("frac", "tfrac"):
            return f"<mfrac>{self._atom()}{self._atom()}</mfrac>"
        if name in _LETTERS:
            letter = self._group_text()
            return f"<mi>{_LETTERS[name].get(letter, letter)}</mi>"
        if name in ("bar", "hat"):
            over = {"bar": "¯", "hat": "^"}[name]
            return f'<mover accent="true">{self._atom()}<mo stretchy="false">{over}</mo></mover>'
        if name in _FUNCTIONS:
            return f"<mi>{name}</mi>"
        if name in _SYMBOLS:
            kind = "mi" if name in ("theta", "lambda", "ell") else "mo"
            stretchy = ' stretchy="false"' if kind == "mo" else ""
            return f"<{kind}{stretchy}>{_SYMBOLS[name]}</{kind}>"
        raise _Unknown

    def _group_text(self) -> str:
        if self.tokens[self.place : self.place + 1] != ["{"]:
            raise _Unknown
        end = self.tokens.index("}", self.place)
        text = "".join(self.tokens[self.place + 1 : end])
        self.place = end + 1
        return text

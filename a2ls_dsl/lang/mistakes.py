"""Syntax errors in the words of the language: what people write out of habit, and what to write instead.

The parser says where it stopped, what it found and what it could have taken. The habits come first: each is
a pattern, and counts if its match touches the place of the error. Then come missing brackets, then what the
parser expected.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from a2ls_dsl.diagnostics import Diagnostic, Source, Span
from a2ls_dsl.lang.codes import report


@dataclass(frozen=True)
class Trouble:
    """Where a piece of text stops to make sense: `text[start:end]` is the token `found`.

    `found` is the name of a terminal, `$END` at the end of the piece, or empty for a character that begins
    no token. `expected` are the terminals that could have stood there.
    """

    text: str
    start: int
    end: int
    found: str
    expected: frozenset[str]

    @property
    def shown(self) -> str:
        """What was found, for a message."""
        return f"`{self.text[self.start : self.end][:40]}`" if self.end > self.start else "the end"


@dataclass(frozen=True)
class _Habit:
    """`message` and `fix` may refer to groups of the pattern."""

    code: str
    pattern: re.Pattern[str]
    message: str
    fix: str


_STEP = r"t(?:\s*\+\s*\d+)?"

_HABITS = (
    _Habit(
        "A2L012",
        re.compile(
            r"\\(?:bar|overline|hat|tilde|mathbf|bm|vec)\s*\{?\s*([A-Za-z])\s*\}?"
            r"_?\{?\s*t?(?:\s*([+-])\s*(\d+))?\s*\}?"
        ),
        "LaTeX is not used here",
        r"write \1[t\2\3]; a target encoder is written ema(\1[t\2\3])",
    ),
    _Habit(
        "A2L010",
        re.compile(r"(?:\\[lr]?Vert|\|\|?|\\\|)[^|\n]*"),
        "a distance is written as an operator",
        "write mse({ source } -> { target })",
    ),
    _Habit(
        "A2L012",
        re.compile(r"\b([A-Za-z])_(?:t\b|\{\s*t\b)(?:\s*([+-])\s*(\d+))?\s*\}?"),
        "LaTeX subscripts are not used here",
        r"write \1[t\2\3]",
    ),
    _Habit(
        "A2L012",
        re.compile(rf"\b([saro]|done)(?:\(\s*({_STEP})\s*\)|\{{\s*({_STEP})\s*\}})"),
        "a step stands in square brackets",
        r"write \1[\2\3]",
    ),
    _Habit(
        "A2L016",
        re.compile(rf"\b({_STEP})\s*(?:\.{{3,}}|…|:|\.|-)\s*({_STEP}|\d+)"),
        "a run has two dots between its steps",
        r"write \1..\2",
    ),
    _Habit(
        "A2L013",
        re.compile(r"=>|--+>|~>|- +>|<[-=~]+|[→⟶⇒↦←—–]>?"),
        "source and target are separated by an arrow `->`",
        "write { source } -> { target }",
    ),
    _Habit(
        "A2L017",
        re.compile(
            r"\b(?:vs\b\.?|versus\b|with(?=\s+(?:\w+\s+)?negatives?\b)|against\b(?!\s+batch\b))(?:[ \t]+\w+)*"
        ),
        "negatives are asked for with `against batch`",
        "write against batch",
    ),
    _Habit(
        "A2L019",
        re.compile(
            r"^[^\S\n]*(?:import|include|from|use)\b[^\S\n]+[\"'<]?([\w./-]+?)(?:\.a2l)?[\"'>]?(?:[^\S\n]+import\b.*)?$",
            re.M,
        ),
        "an import names a file in double quotes, on a line of its own",
        r'write import "\1.a2l"',
    ),
    _Habit(
        "A2L020",
        re.compile(
            r"(?:\b(?:with|using|where)\b[^\S\n]+|,[^\S\n]*)(\w+)[^\S\n]*"
            r"(?:(?::=?|==)[^\S\n]*(\w[\w.]*(?:\([\d, ]*\))?)|[^\S\n](\d[\w.]*))"
        ),
        "an option is written with an equals sign",
        r"write with \1 = \2\3",
    ),
    _Habit(
        "A2L015",
        re.compile(r"^[^\S\n]*(?!loss\b)(?:\w+[^\S\n]+)?(\w+)\s*=(?!>)", re.MULTILINE),
        "a definition begins with `loss`",
        r"write loss \1 = ...",
    ),
)

_TERMINALS = {
    "NAME": "a name",
    "NUMBER": "a number",
    "STRING": "a file in double quotes",
    "PLUS": "`+`",
    "MINUS": "`-`",
    "_LOSS": "the next `loss`",
    "_IMPORT": "an `import`",
    "_WITH": "`with`",
    "_AS": "`as`",
    "_AGAINST": "`against batch`",
    "_BATCH": "`batch`",
    "_EQUAL": "`=`",
    "_STAR": "`*`",
    "_COMMA": "`,`",
    "_ARROW": "`->`",
    "_RANGE": "`..`",
    "_LPAR": "`(`",
    "_RPAR": "`)`",
    "_LBRACE": "`{`",
    "_RBRACE": "`}`",
    "_LBRACKET": "`[`",
    "_RBRACKET": "`]`",
    "$END": "the end",
}

_CLOSERS = {"(": ("_RPAR", ")"), "{": ("_RBRACE", "}"), "[": ("_RBRACKET", "]")}


def explain(source: Source, trouble: Trouble, base: int) -> Diagnostic:
    """The diagnostic of a syntax error in the piece of `source` that begins at character `base`."""
    code, message, fix, start, end = (
        _habit(trouble) or _stranger(trouble) or _bracket(trouble) or _expected(trouble)
    )
    return report(code, message, Span(source, base + start, base + end), fix)


_Finding = tuple[str, str, str, int, int]


def _habit(trouble: Trouble) -> _Finding | None:
    """A known habit at the offending token or the one before it."""
    low, high = max(0, trouble.start - 200), min(trouble.end, trouble.start + 200) + 200
    before = re.search(r"(?:\w+|[^\w\s]+)\s*\Z", trouble.text[low : trouble.start])
    touching = low + before.start() if before else trouble.start
    for habit in _HABITS:
        for match in habit.pattern.finditer(trouble.text, low, high):
            if match.start() < trouble.end and match.end() > touching:
                start = match.start() + len(match[0]) - len(match[0].lstrip())
                return habit.code, habit.message, match.expand(habit.fix), start, match.end()
    return None


def _stranger(trouble: Trouble) -> _Finding | None:
    """A character that no part of the language uses."""
    if trouble.found:
        return None
    character = trouble.text[trouble.start]
    if character == '"':
        message = "the name of a file stands between two double quotes, on one line"
        return "A2L019", message, 'e.g. import "curl.a2l"', trouble.start, trouble.end
    shown = f"`{character}`" if character.isprintable() else "this character"
    message = f"{shown} (U+{ord(character):04X}) is not used in loss files"
    plain = unicodedata.normalize("NFKC", character)
    fix = f"write {plain}" if plain != character and plain.isascii() and plain.isprintable() else "remove it"
    return "A2L003", message, fix, trouble.start, trouble.end


def _bracket(trouble: Trouble) -> _Finding | None:
    """A bracket that is not closed, closed by another's partner, or closed twice."""
    opened: list[int] = []
    for match in re.finditer(r"[(){}\[\]]", trouble.text[: trouble.start]):
        if match[0] in _CLOSERS:
            opened.append(match.start())
        elif opened:
            opened.pop()
    found = trouble.text[trouble.start : trouble.end]
    if not opened:
        if found not in (")", "}", "]"):
            return None
        return "A2L011", f"`{found}` closes nothing", "remove it", trouble.start, trouble.end
    bracket = trouble.text[opened[-1]]
    terminal, closer = _CLOSERS[bracket]
    if trouble.found == "$END":
        return "A2L011", f"`{bracket}` is never closed", f"close it with {closer}", opened[-1], opened[-1] + 1
    # Between items a missing comma is the likelier slip, between two sets a missing arrow.
    comma = "_COMMA" in trouble.expected and trouble.found == "NAME"
    arrow = "_ARROW" in trouble.expected and trouble.found in ("_COMMA", "_LBRACE", "_EQUAL", "NAME", "MINUS")
    if terminal not in trouble.expected or comma or arrow:
        return None
    message = f"`{bracket}` is not closed before {trouble.shown}"
    return "A2L011", message, f"write {closer} first", trouble.start, trouble.end


def _expected(trouble: Trouble) -> _Finding:
    """What the parser waited for; single expectations that name a part of the language get its rule."""
    place = trouble.start, trouble.end
    expected, shown = trouble.expected, trouble.shown
    if expected <= {"_LBRACE", "NUMBER", "MINUS"} and "_LBRACE" in expected:
        return "A2L014", f"a set stands in braces; found {shown}", "write { s[t], a[t] }", *place
    if "_ARROW" in expected:
        message = f"an arrow stands between source and target; found {shown}"
        return "A2L013", message, "write { source } -> { target }", *place
    if expected == {"_BATCH"}:
        message = "negatives are asked for with `against batch`"
        return "A2L017", message, "write against batch", *place
    if trouble.found == "_EQUAL" and "_LBRACKET" in expected:
        return "A2L039", "a number is given without its name", "e.g. shift(s[t], 4)", *place
    if expected == {"_LBRACKET"} or expected == {"_LBRACKET", "_LPAR"}:
        message = f"an element is a stream and a step; found {shown}"
        return "A2L012", message, "e.g. s[t+1]", *place
    if trouble.found.startswith("_") and "NAME" in expected and shown[1:-1].isalpha():
        return "A2L010", f"{shown} is a word of the language", "choose another name", *place
    if expected == {"STRING"}:
        message = f"an import names a file in double quotes; found {shown}"
        return "A2L019", message, 'e.g. import "curl.a2l"', *place
    if option := _option(trouble):
        return option
    if trouble.found == "_LBRACE" and "_LPAR" in expected:
        message = "an operator takes its sets in parentheses"
        return "A2L010", message, "write operator({ source } -> { target })", *place
    if "_LOSS" in expected and "PLUS" not in expected:
        return "A2L015", f"a definition begins with `loss`; found {shown}", "write loss NAME = ...", *place
    weighed = trouble.found in ("MINUS", "_STAR", "NUMBER") and "PLUS" in expected
    if weighed or expected == {"_STAR"}:
        message = "terms are added, each with its weight before it"
        return "A2L018", message, "e.g. 1.0 * a2_winner + 0.1 * curl", *place
    names = [text for terminal, text in _TERMINALS.items() if terminal in expected]
    return "A2L010", f"{shown} can't stand here", f"expected {' or '.join(names)}", *place


def _option(trouble: Trouble) -> _Finding | None:
    """What is wrong behind `with`: nothing else than options stands there."""
    before = re.search(
        r"\bwith\b[^(){}]*(?:\([^(){}]*\)?[^(){}]*)*\Z",
        trouble.text[max(0, trouble.start - 2000) : trouble.start],
    )
    if before is None or trouble.found in ("PLUS", "_STAR"):
        return None
    message = f"behind `with` stand options, each with its value; found {trouble.shown}"
    return "A2L020", message, "e.g. with head = mlp(256), temperature = 0.1", trouble.start, trouble.end

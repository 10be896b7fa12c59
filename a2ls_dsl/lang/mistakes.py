"""Syntax errors in the words of the language.

The parser says where it stopped, what it found and what it could have taken. What people write out of habit
comes first (`habits.py`), then slips that the context tells (`slips.py`), then missing brackets, then what
the parser expected.
"""

from __future__ import annotations

import unicodedata

from a2ls_dsl.diagnostics import Diagnostic, Source, Span
from a2ls_dsl.lang.codes import report
from a2ls_dsl.lang.habits import habit
from a2ls_dsl.lang.slips import slip
from a2ls_dsl.lang.trouble import Finding, Trouble

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
        habit(trouble) or _stranger(trouble) or slip(trouble) or _bracket(trouble) or _expected(trouble)
    )
    return report(code, message, Span(source, base + start, base + end), fix)


def _stranger(trouble: Trouble) -> Finding | None:
    """A character that no part of the language uses."""
    if trouble.found:
        return None
    character = trouble.text[trouble.start]
    if character == '"':
        message = "the name of a file stands between two double quotes, on one line"
        return "A2L019", message, 'e.g. import "curl.a2l"', trouble.start, trouble.end
    if character == ".":
        message = "a dot stands in a number only, two between the steps of a run"
        return "A2L003", message, "remove it", trouble.start, trouble.end
    shown = f"`{character}`" if character.isprintable() else "this character"
    message = f"{shown} (U+{ord(character):04X}) is not used in loss files"
    plain = unicodedata.normalize("NFKC", character)
    fix = f"write {plain}" if plain != character and plain.isascii() and plain.isprintable() else "remove it"
    return "A2L003", message, fix, trouble.start, trouble.end


def _bracket(trouble: Trouble) -> Finding | None:
    """A bracket that is not closed, closed by another's partner, or closed twice."""
    opened = trouble.opened()
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


def _expected(trouble: Trouble) -> Finding:
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
    if expected == {"_LBRACKET"} or expected == {"_LBRACKET", "_LPAR"}:
        message = f"an element is a stream and a step; found {shown}"
        return "A2L012", message, "e.g. s[t+1]", *place
    if trouble.found.startswith("_") and "NAME" in expected and shown[1:-1].isalpha():
        return "A2L010", f"{shown} is a word of the language", "choose another name", *place
    if expected == {"STRING"}:
        message = f"an import names a file in double quotes; found {shown}"
        return "A2L019", message, 'e.g. import "curl.a2l"', *place
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

"""Syntax errors in the words of the language.

The parser says where it stopped, what it found and what it could have taken. What people write out of habit
comes first (`habits.py`), then slips that the context tells (`slips.py`), then missing brackets, then what
the parser expected.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace
from decimal import Decimal

from a2ls_dsl.diagnostics import Diagnostic, Fix, Source, Span
from a2ls_dsl.lang.codes import Rule, report
from a2ls_dsl.lang.habits import habit
from a2ls_dsl.lang.slips import slip
from a2ls_dsl.lang.trouble import Finding, Trouble
from a2ls_dsl.words.numbers import print_number

LOOK_ALIKES = dict(zip("асеорхуіѕрАВСЕНКМОРТХ", "aceopxyispABCEHKMOPTX", strict=True))
"""Cyrillic letters that look like Latin ones."""

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
    if isinstance(fix, Fix) and fix.at:
        fix = replace(fix, at=(base + fix.at[0], base + fix.at[1]))
    return report(code, message, Span(source, base + start, base + end), fix)


def _stranger(trouble: Trouble) -> Finding | None:
    """A character that no part of the language uses."""
    if trouble.found:
        return None
    character = trouble.text[trouble.start]
    if character == '"':
        message = "the name of a file stands between two double quotes, on one line"
        return Rule.IMPORT, message, 'e.g. import "curl.a2l"', trouble.start, trouble.end
    if character == ".":
        message = "a dot stands in a number only, two between the steps of a run"
        behind = re.match(r"\.\w+(?:\(\))?", trouble.text[trouble.start :])
        call = behind[0] if behind else "."
        return trouble.says(
            Rule.CHARACTER, message, Fix("remove it", "", (trouble.start, trouble.start + len(call)))
        )
    opened = trouble.opened()
    inside = bool(opened) and trouble.text[opened[-1]] == "{"
    return trouble.says(Rule.CHARACTER, *stranger(trouble.text, trouble.start, inside))


def stranger(text: str, start: int, in_set: bool = False) -> tuple[str, str | Fix]:
    """Message and fix for the character at `start` of a text, which no part of a language uses."""
    character = text[start]
    comment = re.match(r"//|%", text[start:])
    percent = re.search(r"(\d+(?:\.\d+)?)\s*\Z", text[max(0, start - 60) : start])
    if comment and comment[0] == "%" and percent:
        share = print_number(float(Decimal(percent[1]) / 100))
        fix = Fix(f"write {share}", share, (start - len(percent[0]), start + 1))
        return "a number is written without a percent sign", fix
    if comment:
        end = start + len(comment[0])
        return f"`{comment[0]}` is not used here", Fix("comments begin with #", "#", (start, end))
    if character == ";" and in_set:
        return "the elements of a set are separated by commas", Fix.write(",")
    shown = f"`{character}`" if character.isprintable() else "this character"
    message = f"{shown} (U+{ord(character):04X}) is not used here"
    plain = unicodedata.normalize("NFKC", character)
    letter = LOOK_ALIKES.get(character) or unicodedata.normalize("NFKD", character)[0]
    if plain != character and plain.isascii() and plain.isprintable():
        return message, Fix.write(plain)
    if character.isalpha() and letter.isascii() and letter.isalpha():
        message += f"; it looks like the Latin letter {letter}"
        return message, Fix.write(letter)
    if character.isalnum():
        return message, "names consist of Latin letters, digits and _"
    return message, Fix("remove it", "")


def _bracket(trouble: Trouble) -> Finding | None:
    """A bracket that is not closed, closed by another's partner, or closed twice."""
    opened = trouble.opened()
    found = trouble.text[trouble.start : trouble.end]
    if not opened:
        if found not in (")", "}", "]"):
            return None
        return Rule.BRACKETS, f"`{found}` closes nothing", Fix("remove it", ""), trouble.start, trouble.end
    bracket = trouble.text[opened[-1]]
    terminal, closer = _CLOSERS[bracket]
    if trouble.found == "$END":
        fix = Fix(f"close it with {closer}", closer, (trouble.end, trouble.end))
        return Rule.BRACKETS, f"`{bracket}` is never closed", fix, opened[-1], opened[-1] + 1
    # Between items a missing comma is the likelier slip, between two sets a missing arrow.
    comma = "_COMMA" in trouble.expected and trouble.found == "NAME"
    arrow = "_ARROW" in trouble.expected and trouble.found in ("_COMMA", "_LBRACE", "_EQUAL", "NAME", "MINUS")
    if terminal not in trouble.expected or comma or arrow:
        return None
    message = f"`{bracket}` is not closed before {trouble.shown}"
    outer = trouble.text[opened[-2]] if opened[1:] else ""
    if found in (")", "}", "]") and not (outer and _CLOSERS[outer][1] == found):
        return Rule.BRACKETS, message, Fix(f"write {closer} in its place", closer), trouble.start, trouble.end
    fix = Fix(f"write {closer} first", f"{closer}{' ' * found[:1].isalpha()}", (trouble.start, trouble.start))
    return Rule.BRACKETS, message, fix, trouble.start, trouble.end


def _expected(trouble: Trouble) -> Finding:
    """What the parser waited for; single expectations that name a part of the language get its rule."""
    place = trouble.start, trouble.end
    expected, shown = trouble.expected, trouble.shown
    if expected <= {"_LBRACE", "NUMBER", "MINUS"} and "_LBRACE" in expected:
        return Rule.BRACES, f"a set stands in braces; found {shown}", "as in { s[t], a[t] }", *place
    if "_ARROW" in expected:
        message = f"an arrow stands between source and target; found {shown}"
        if trouble.found in ("_COMMA", "_EQUAL", "MINUS"):
            return Rule.ARROW, message, Fix.write("->"), *place
        return Rule.ARROW, message, "as in { source } -> { target }", *place
    if expected == {"_BATCH"}:
        message = "negatives are asked for with `against batch`"
        return (
            Rule.AGAINST_BATCH,
            message,
            Fix("write against batch", "batch ", (trouble.start, trouble.start)),
            *place,
        )
    if expected == {"_LBRACKET"} or expected == {"_LBRACKET", "_LPAR"}:
        message = f"an element is a stream and a step; found {shown}"
        return Rule.ELEMENT, message, "e.g. s[t+1]", *place
    if trouble.found.startswith("_") and "NAME" in expected and shown[1:-1].isalpha():
        return Rule.SYNTAX, f"{shown} is a word of the language", "choose another name", *place
    if expected == {"STRING"}:
        message = f"an import names a file in double quotes; found {shown}"
        return Rule.IMPORT, message, 'e.g. import "curl.a2l"', *place
    if trouble.found == "_LBRACE" and "_LPAR" in expected:
        message = "an operator takes its sets in parentheses"
        return Rule.SYNTAX, message, "as in mse({ source } -> { target })", *place
    if "_LOSS" in expected and "PLUS" not in expected:
        return (
            Rule.DEFINITION,
            f"a definition begins with `loss`; found {shown}",
            "as in loss NAME = ...",
            *place,
        )
    weighed = trouble.found in ("MINUS", "_STAR", "NUMBER") and "PLUS" in expected
    if weighed or expected == {"_STAR"}:
        message = "terms are added, each with its weight before it"
        return Rule.SUM, message, "e.g. 1.0 * a2_winner + 0.1 * curl", *place
    names = [text for terminal, text in _TERMINALS.items() if terminal in expected]
    return Rule.SYNTAX, f"{shown} can't stand here", f"expected {' or '.join(names)}", *place

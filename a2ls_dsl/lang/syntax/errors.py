"""Syntax errors of loss files and loss grammars in the words of the language.

The parser says where it stopped, what it found and what it could have taken. What people write out of habit
comes first (`messages/foreign_syntax.toml`), then slips that the context tells (`error_context.py`), then
missing brackets, then what the parser expected.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from decimal import Decimal
from functools import partial

from a2ls_dsl.diagnostics import Fix
from a2ls_dsl.lang.messages.codes import Rule, texts
from a2ls_dsl.lang.syntax.error_context import SHARED_SLIPS, SLIPS, Explainer, Finding, ParseFailure
from a2ls_dsl.words.numbers import print_number

LOOK_ALIKES = dict(zip("асеорхуіѕрАВСЕНКМОРТХ", "aceopxyispABCEHKMOPTX", strict=True))
"""Cyrillic letters that look like Latin ones."""

TERMINALS = {
    "NAME": "a name",
    "NUMBER": "a number",
    "INT": "a number",
    "_ARTICLE": "`a`",
    "STRING": "a file in double quotes",
    "_LOSS": "the next `loss`",
    "_IMPORT": "an `import`",
    "_AGAINST": "`against batch`",
    "$END": "the end",
}
"""What messages call what the parser expects, where that isn't a word or sign in backticks."""

_SIGNS = (",", "+", "-", "*", "=", "|", "..")
"""What, right behind an opening bracket, is one sign too many."""

_CLOSERS = {"(": ("_RPAR", ")"), "{": ("_RBRACE", "}"), "[": ("_RBRACKET", "]")}


def explain(failure: ParseFailure, explainers: Sequence[Explainer]) -> Finding:
    """What is wrong where parsing failed, as the first of some explainers says it; the last knows all."""
    return next(finding for explainer in explainers if (finding := explainer(failure)))


def _habit(failure: ParseFailure, shared: bool = False) -> Finding | None:
    """Foreign syntax at the offending token or the one before it; `shared`: only what grammars have, too."""
    low, high = max(0, failure.start - 200), min(failure.end, failure.start + 200) + 200
    before = re.search(r"(?:\w+|[^\w\s]+)\s*\Z", failure.text[low : failure.start])
    touching = low + before.start() if before else failure.start
    for habit in texts("foreign_syntax")["habit"]:
        if shared and not habit.get("shared"):
            continue
        for match in re.compile(habit["pattern"]).finditer(failure.text, low, high):
            if match.start() < failure.end and match.end() > touching:
                start = match.start() + len(match[0]) - len(match[0].lstrip())
                words = match.expand(habit["fix"])
                fix = Fix(words, match.expand(habit["edit"])) if "edit" in habit else words
                return Rule[habit["rule"]], habit["message"], fix, start, match.end()
    return None


def _stranger(failure: ParseFailure) -> Finding | None:
    """A character that no part of the language uses."""
    if failure.terminal:
        return None
    character = failure.text[failure.start]
    if character == '"':
        message = "the name of a file stands between two double quotes, on one line"
        return Rule.IMPORT, message, 'e.g. import "curl.a2l"', failure.start, failure.end
    if character == ".":
        message = "a dot stands in a number only, two between the steps of a run"
        behind = re.match(r"\.\w+(?:\(\))?", failure.text[failure.start :])
        end = failure.start + len(behind[0] if behind else ".")
        return failure.says(Rule.CHARACTER, message, Fix("remove it", "", (failure.start, end)))
    opened = failure.opened()
    inside = bool(opened) and failure.text[opened[-1]] == "{"
    return failure.says(Rule.CHARACTER, *stranger(failure.text, failure.start, inside))


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


def _bracket(failure: ParseFailure) -> Finding | None:
    """A bracket that is not closed, closed by another's partner, or closed twice."""
    opened = failure.opened()
    written = failure.text[failure.start : failure.end]
    if not opened:
        if written not in (")", "}", "]"):
            return None
        return Rule.BRACKETS, f"`{written}` closes nothing", Fix("remove it", ""), failure.start, failure.end
    bracket = failure.text[opened[-1]]
    terminal, closer = _CLOSERS[bracket]
    if failure.terminal == "$END":
        fix = Fix(f"close it with {closer}", closer, (failure.end, failure.end))
        return Rule.BRACKETS, f"`{bracket}` is never closed", fix, opened[-1], opened[-1] + 1
    # Between items a missing comma is the likelier slip, between two sets a missing arrow.
    comma = "_COMMA" in failure.expected and failure.terminal == "NAME"
    in_its_place = ("_COMMA", "_LBRACE", "_EQUAL", "NAME", "MINUS")
    arrow = "_ARROW" in failure.expected and failure.terminal in in_its_place
    stray = written in _SIGNS and not failure.text[opened[-1] + 1 : failure.start].strip()
    if terminal not in failure.expected or comma or arrow or stray:
        return None
    message = f"`{bracket}` is not closed before {failure.shown}"
    outer = failure.text[opened[-2]] if opened[1:] else ""
    if written in (")", "}", "]") and not (outer and _CLOSERS[outer][1] == written):
        return Rule.BRACKETS, message, Fix(f"write {closer} in its place", closer), failure.start, failure.end
    text = closer + " " * written[:1].isalpha()
    fix = Fix(f"write {closer} first", text, (failure.start, failure.start))
    return Rule.BRACKETS, message, fix, failure.start, failure.end


def _part(failure: ParseFailure) -> Finding | None:
    """A single expectation that names a part of the language."""
    expected, shown = failure.expected, failure.shown
    if expected == {"_BATCH"}:
        fix = Fix("write against batch", "batch ", (failure.start, failure.start))
        return failure.says(Rule.AGAINST_BATCH, "negatives are asked for with `against batch`", fix)
    if expected == {"_LBRACKET"} or expected == {"_LBRACKET", "_LPAR"}:
        return failure.says(Rule.ELEMENT, f"an element is a stream and a step; found {shown}", "e.g. s[t+1]")
    return None


def _part_of_losses(failure: ParseFailure) -> Finding | None:
    """What only loss files have, or have in this place only."""
    expected, shown = failure.expected, failure.shown
    if expected <= {"_LBRACE", "NUMBER", "MINUS"} and "_LBRACE" in expected:
        return failure.says(Rule.BRACES, f"a set stands in braces; found {shown}", "as in { s[t], a[t] }")
    if "_ARROW" in expected:
        message = f"an arrow stands between source and target; found {shown}"
        written = failure.terminal in ("_COMMA", "_EQUAL", "MINUS")
        fix = Fix.write("->") if written else "as in { source } -> { target }"
        return failure.says(Rule.ARROW, message, fix)
    if failure.terminal.startswith("_") and "NAME" in expected and shown[1:-1].isalpha():
        return failure.says(Rule.SYNTAX, f"{shown} is a word of the language", "choose another name")
    if expected == {"STRING"}:
        message = f"an import names a file in double quotes; found {shown}"
        return failure.says(Rule.IMPORT, message, 'e.g. import "curl.a2l"')
    if failure.terminal == "_LBRACE" and "_LPAR" in expected:
        message = "an operator takes its sets in parentheses"
        return failure.says(Rule.SYNTAX, message, "as in mse({ source } -> { target })")
    if "_LOSS" in expected and "PLUS" not in expected:
        message = f"a definition begins with `loss`; found {shown}"
        return failure.says(Rule.DEFINITION, message, "as in loss NAME = ...")
    if expected == {"_STAR"} or (failure.terminal in ("MINUS", "_STAR", "NUMBER") and "PLUS" in expected):
        message = "terms are added, each with its weight before it"
        return failure.says(Rule.SUM, message, "e.g. 1.0 * a2_winner + 0.1 * curl")
    return None


def _header(failure: ParseFailure) -> Finding | None:
    """A grammar without its first line."""
    if "_GRAMMAR" not in failure.expected:
        return None
    code, message, _, start, end = _unexpected(failure)
    fix = "a loss grammar begins with a line such as `grammar mine for k in 1..10`"
    return code, message, fix, start, end


def _no_equals(failure: ParseFailure) -> Finding | None:
    """`source { s[t] }`"""
    name = re.search(r"^[^\S\n]*([A-Za-z_]\w*)[^\S\n]*\Z", failure.before, re.MULTILINE)
    if name is None or failure.terminal not in ("_LBRACE", "_SOME"):
        return None
    fix = Fix(f"write {name[1]} = ...", "= ", (failure.start, failure.start))
    return failure.says(Rule.SYNTAX, "an equals sign stands between the name of a rule and what it is", fix)


def _unexpected(failure: ParseFailure) -> Finding:
    """Whatever else there is: what the parser waited for."""
    expectation = _expectation(failure)
    if failure.terminal == "$END":
        last = max(failure.start - 1, 0)
        return Rule.SYNTAX, "the text ends too early", expectation, last, last + 1
    return failure.says(Rule.SYNTAX, f"{failure.shown} can't stand here", expectation)


def _expectation(failure: ParseFailure) -> str:
    """`expected `,` or `}``; nothing when so much may follow that a list helps nobody."""
    wanted, last = failure.expected, {"HEAD", "_REQUIRE", "$END"}
    wanted -= {"_AS"} if "_COMMA" in wanted else set()  # a name is never needed
    if "HEAD" in wanted and wanted <= last:
        return "expected a rule `name = ...` or a `require` line"
    named = wanted - last if "HEAD" in wanted else wanted
    shown = sorted(TERMINALS.get(terminal) or f"`{failure.signs[terminal]}`" for terminal in named)
    if not shown or len(shown) > 8:
        return ""
    return "expected " + " or ".join([", ".join(shown[:-1]), shown[-1]] if shown[1:] else shown)


IN_LOSSES: tuple[Explainer, ...] = (_habit, _stranger, *SLIPS, _bracket, _part, _part_of_losses, _unexpected)
IN_GRAMMARS: tuple[Explainer, ...] = (_header, partial(_habit, shared=True), _stranger, *SHARED_SLIPS)
IN_GRAMMARS += (_bracket, _no_equals, _part, _unexpected)
"""Who is asked what a failure is about, in this order."""

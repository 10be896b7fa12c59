"""What people write out of habit, from LaTeX, Python or other notations, and what to write instead."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from a2ls_dsl.diagnostics import Fix
from a2ls_dsl.lang.messages.codes import Rule
from a2ls_dsl.lang.syntax.error_context import Finding, ParseFailure


@dataclass(frozen=True)
class Habit:
    """`message`, `fix` and `edit`, the text in place of the match, may refer to groups of the pattern."""

    code: str
    pattern: re.Pattern[str]
    message: str
    fix: str
    edit: str | None = None


_STEP = r"t(?:\s*\+\s*\d+)?"

HABITS = (
    Habit(
        Rule.ELEMENT,
        re.compile(
            r"\\(?:bar|overline|hat|tilde|mathbf|bm|vec)\s*\{?\s*([A-Za-z])\s*\}?"
            r"_?\{?\s*t?(?:\s*([+-])\s*(\d+))?\s*\}?"
        ),
        "LaTeX is not used here",
        r"write \1[t\2\3]; a target encoder is written ema(\1[t\2\3])",
        r"\1[t\2\3]",
    ),
    Habit(
        Rule.SYNTAX,
        re.compile(r"(?:\\[lr]?Vert|\|\|?|\\\|)[^|\n]*"),
        "a distance is written as an operator",
        "as in mse({ source } -> { target })",
    ),
    Habit(
        Rule.ELEMENT,
        re.compile(r"\b([A-Za-z])_(?:t\b|\{\s*t\b)(?:\s*([+-])\s*(\d+))?\s*\}?"),
        "LaTeX subscripts are not used here",
        r"write \1[t\2\3]",
        r"\1[t\2\3]",
    ),
    Habit(
        Rule.ELEMENT,
        re.compile(rf"\b([saro]|done)(?:\(\s*({_STEP})\s*\)|\{{\s*({_STEP})\s*\}})"),
        "a step stands in square brackets",
        r"write \1[\2\3]",
        r"\1[\2\3]",
    ),
    Habit(
        Rule.RUN,
        re.compile(rf"\b({_STEP})\s*(?:\.{{3,}}|…|:|\.|-)\s*({_STEP})"),
        "a run has two dots between its steps",
        r"write \1..\2",
        r"\1..\2",
    ),
    Habit(
        Rule.RUN,
        re.compile(rf"\b({_STEP})\s*(?:\.{{3,}}|…|:|\.)\s*(\d+)"),
        "a run has two dots between its steps, which are counted from t",
        r"write \1..t+\2",
        r"\1..t+\2",
    ),
    Habit(
        Rule.ARROW,
        re.compile(r"=>|--+>|~>|- +>|[→⟶⇒↦—–]>?"),
        "source and target are separated by an arrow `->`",
        "write ->",
        "->",
    ),
    Habit(
        Rule.ARROW,
        re.compile(r"<[-=~]+|←"),
        "source and target are separated by an arrow `->`, the source first",
        "swap the sets and write ->",
    ),
    Habit(
        Rule.AGAINST_BATCH,
        re.compile(
            r"\b(?:vs\b\.?|versus\b|with(?=\s+(?:\w+\s+)?negatives?\b)|against\b(?!\s+batch\b))(?:[ \t]+\w+)*"
        ),
        "negatives are asked for with `against batch`",
        "write against batch",
        "against batch",
    ),
    Habit(
        Rule.IMPORT,
        re.compile(
            r"^[^\S\n]*(?!import[^\S\n]+\"[^\"\n]*\"[^\S\n]*$)"
            r"(?:import|include|from|use)\b[^\S\n]+[\"'<]?([\w./-]+?)(?:\.a2l)?[\"'>]?(?:[^\S\n]+import\b.*)?$",
            re.M,
        ),
        "an import names a file in double quotes, on a line of its own",
        r'write import "\1.a2l"',
        r'import "\1.a2l"',
    ),
    Habit(
        Rule.OPTIONS,
        re.compile(
            r"(?:\b(?:with|using|where)\b[^\S\n]+|,[^\S\n]*)(\w+)[^\S\n]*"
            r"(?:(?::=?|==)[^\S\n]*(\w[\w.]*(?:\([\d, ]*\))?)|[^\S\n](\d[\w.]*))"
        ),
        "an option is written with an equals sign",
        r"write with \1 = \2\3",
        r"with \1 = \2\3",
    ),
    Habit(
        Rule.DEFINITION,
        re.compile(r"^[^\S\n]*(?!loss\b)(?:\w+[^\S\n]+)?(\w+)\s*=(?!>)", re.MULTILINE),
        "a definition begins with `loss`",
        r"write loss \1 = ...",
        r"loss \1 =",
    ),
)


_SHARED = (Rule.ELEMENT, Rule.RUN, Rule.ARROW, Rule.AGAINST_BATCH)
SHARED_HABITS = tuple(each for each in HABITS if each.code in _SHARED)
"""Habits that loss grammars have a place for, too."""


def habit(failure: ParseFailure, habits: Sequence[Habit] = HABITS) -> Finding | None:
    """A known habit at the offending token or the one before it."""
    low, high = max(0, failure.start - 200), min(failure.end, failure.start + 200) + 200
    before = re.search(r"(?:\w+|[^\w\s]+)\s*\Z", failure.text[low : failure.start])
    touching = low + before.start() if before else failure.start
    for each in habits:
        for match in each.pattern.finditer(failure.text, low, high):
            if match.start() < failure.end and match.end() > touching:
                start = match.start() + len(match[0]) - len(match[0].lstrip())
                words, edit = match.expand(each.fix), each.edit and match.expand(each.edit)
                fix = words if edit is None else Fix(words, edit)
                return each.code, each.message, fix, start, match.end()
    return None

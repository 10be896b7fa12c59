"""The one layout of a loss grammar, `a2l fmt`.

Rules that follow each other without a blank line or a comment have their `=` in one column. A rule stands on
one line up to `WIDTH` columns; else alternatives that are names or numbers fill lines, others begin one, and
a comparison that is too long has its target, its negatives and its options on lines of their own. Elements,
alternatives and numbers stay as they were written, comments too, as in loss files (`syntax/layout.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from a2ls_dsl.diagnostics import LanguageError, Source
from a2ls_dsl.lang.messages.codes import Findings
from a2ls_dsl.lang.syntax import surface
from a2ls_dsl.lang.syntax.layout import WIDTH, Block, blocks, join, plain
from a2ls_dsl.lang.syntax.parser import GRAMMARS, read

_INDENT = 4


def format_grammar(source: Source) -> str:
    """The text of a loss grammar in its one layout. Raises `LanguageError` if it doesn't parse."""
    text, findings = plain(source.text), Findings(of_grammar=True)
    statements = read(Source(source.name, text), GRAMMARS, findings)
    if findings.diagnostics:
        raise LanguageError(findings.diagnostics)
    parts = blocks(text, [(statement, statement.span) for statement in statements])
    columns = _columns(parts)
    return join(parts, lambda statement: list(_statement(statement, columns)))


def _columns(parts: Iterable[Block[surface.Statement]]) -> dict[str, int]:
    """How wide the name of each rule is written."""
    columns, together = dict[str, int](), list[str]()
    for block in parts:
        rule = block.content.name.text if isinstance(block.content, surface.Equation) else ""
        if block.parted or block.above or not rule:
            together = []
        if rule:
            together.append(rule)
            columns |= dict.fromkeys(together, max(map(len, together)))
    return columns


def _statement(statement: surface.Statement, columns: dict[str, int]) -> Iterator[str]:
    match statement:
        case surface.Header(name, horizons):
            given = ", ".join(
                f"{horizon.parameter.text} in {horizon.first}..{horizon.last}" for horizon in horizons
            )
            yield f"grammar {name.text}" + (f" for {given}" if given else "")
        case surface.Equation(name, body):
            lead = f"{name.text:<{columns[name.text]}} = "
            first, *others = _lines(body, len(lead), outer=2)
            yield lead + first
            yield from others
        case surface.Require(what, side):
            article = "an" if what.text[0] in "aeiou" else "a"
            yield f"require {article} {what.text} in {side.text}"
        case surface.Bound(most, rule):
            yield f"require at most {most} {rule.text}"


def _lines(part: surface.Expression, column: int, outer: int = 0) -> list[str]:
    """An expression from a column on; all lines but the first with their indentation.

    outer: so many columns before it stand the signs of its further alternatives or summands.
    """
    margin = " " * (column - outer)
    match part:
        case surface.Name(text):
            return [text]
        case surface.Number(span=span):
            return [re.sub(r"#[^\n]*|\s+", "", span.source.text[span.start : span.end])]
        case surface.Nothing():
            return ["none"]
        case surface.Against():
            return ["against batch"]
        case surface.Choice(inside):
            parts = [_grouped(inner, 1, column) for inner in inside]
            lines = _filled(parts, column, margin + "| ", " | ", list(map(_is_loss, inside)))
        case surface.Sum(inside) | surface.Both(inside):
            sign, level = ("+", 2) if isinstance(part, surface.Sum) else ("and", 4)
            first, *others = [_grouped(inner, level, column) for inner in inside]
            lines = first + [line for other in others for line in _led(f"{margin}{sign} ", other)]
        case surface.Scaled(weight, body):
            lead = f"{_flat(weight, 3)} * "
            lines = _led(lead, _grouped(body, 3, column + len(lead)))
        case surface.Optional(inner):
            lines = _led("[ ", _lines(inner, column + 2))
            lines[-1] += " ]"
        case surface.Elements(items, some):
            lines = _listed("some of { " if some else "{ ", map(_item, items), column, " }")
        case surface.Operation():
            lines = _called(part, column)
        case _:
            raise TypeError(part)
    return _fitted(lines, column)


def _called(part: surface.Operation, column: int) -> list[str]:
    """A comparison with target, negatives and options in lines of their own; all else stays on one line."""
    lead, inner = f"{part.name.text}(", " " * (column + _INDENT)
    if part.arguments[1:]:
        lines = [lead + ", ".join(map(_flat, part.arguments))]
    else:
        lines = _led(lead, _lines(part.arguments[0], column + len(lead)))
    if part.target:
        lines += _led(f"{inner}-> ", _lines(part.target, column + _INDENT + len("-> ")))
    lines[-1] += ")"
    lines = _fitted(lines, column)
    negatives = [_flat(part.negatives, 4)] if part.negatives else []
    if part.options:
        options = [f"{option.name.text} = {_flat(option.value, 3)}" for option in part.options]
        tail = _listed(" ".join([*negatives, "with "]), options, column + _INDENT)
        lines += _led(inner, _fitted(tail, column + _INDENT))
    else:
        lines += [inner + text for text in negatives]
    return lines if _is_loss(part) else [_joined(lines)]


def _joined(lines: Sequence[str]) -> str:
    return " ".join(map(str.strip, lines))


def _fitted(lines: list[str], column: int) -> list[str]:
    """One line in place of several where it fits."""
    line = _joined(lines)
    return [line] if column + len(line) <= WIDTH else lines


def _flat(part: surface.Expression, level: int = 0) -> str:
    """An expression on one line."""
    return _joined(_grouped(part, level, 0))


def _listed(lead: str, texts: Iterable[str], column: int, end: str = "") -> list[str]:
    """Texts with commas between them, as many as fit on a line, behind `lead`, which begins at a column."""
    start = column + len(lead)
    *rows, last = _filled([[text] for text in texts], start, " " * start, ", ") or [""]
    return _led(lead, [*(row + "," for row in rows), last + end])


def _filled(
    parts: Sequence[list[str]], column: int, margin: str, sign: str, alone: Sequence[bool] = ()
) -> list[str]:
    """Parts one behind the other, as many as fit on a line, behind `margin` from the second line on.

    alone: which of them have lines for themselves, as have those of several lines.
    """
    rows, full = list[str](), True
    for number, part in enumerate(parts):
        own = len(part) > 1 or any(alone[number : number + 1])
        taken = len(rows[-1]) + (column if len(rows) == 1 else 0) if rows else 0
        if full or own or taken + len(sign) + len(part[0]) + 1 > WIDTH:
            rows.append((margin if rows else "") + part[0])
        else:
            rows[-1] += sign + part[0]
        rows += part[1:]
        full = own
    return rows


def _led(lead: str, lines: Sequence[str]) -> list[str]:
    return [lead + lines[0], *lines[1:]]


def _grouped(part: surface.Expression, level: int, column: int) -> list[str]:
    """An expression where only those of a level may stand without parentheses."""
    if _level(part) >= level:
        return _lines(part, column)
    *first, last = _lines(part, column + 1)
    return _led("(", [*first, last + ")"])


def _level(part: surface.Expression) -> int:
    """How tightly an expression holds together."""
    match part:
        case surface.Choice():
            return 0
        case surface.Sum():
            return 1
        case surface.Scaled():
            return 2
        case surface.Both() | surface.Operation():
            return 3
    return 4


def _item(item: surface.Argument) -> str:
    match item:
        case surface.Run(stream, first, last):
            steps = _step(first) if first is last else f"{_step(first)}..{_step(last)}"
            return f"{stream.text}[{steps}]"
        case surface.Apply(function, arguments):
            return f"{function.text}({', '.join(map(_item, arguments))})"
    return _flat(item, 4)


def _step(step: surface.Step) -> str:
    return step.base.text + "".join(f"{'+' if sign > 0 else '-'}{name.text}" for sign, name in step.moves)


def _is_loss(part: surface.Expression) -> bool:
    """Whether a comparison is in it; heads and schedules have numbers only."""
    calls = surface.every(surface.Operation, part)
    return any(call.target or not _is_number(call.arguments[0]) for call in calls)


def _is_number(part: surface.Expression) -> bool:
    inside = part.parts if isinstance(part, surface.Choice) else (part,)
    return all(isinstance(inner, surface.Number) for inner in inside)

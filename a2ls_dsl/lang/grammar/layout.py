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

_SIGNS = {surface.Choice: ("|", 1), surface.Sum: ("+", 2), surface.Both: ("and", 4)}
"""What stands between expressions, and of which level they are without parentheses: see `_level`."""


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
    line = _flat(part)
    if column + len(line) <= WIDTH:
        return [line]
    margin = " " * (column - outer)
    match part:
        case surface.Choice(inside):
            parts = [_grouped(inner, 1, column) for inner in inside]
            return _filled(parts, column, margin + "| ", " | ", list(map(_is_loss, inside)))
        case surface.Sum(inside) | surface.Both(inside):
            sign, level = _SIGNS[type(part)]
            parts = [_grouped(inner, level, column) for inner in inside]
            return parts[0] + [line for lines in parts[1:] for line in _led(f"{margin}{sign} ", lines)]
        case surface.Scaled(weight, body):
            lead = f"{_flat(weight, 3)} * "
            first, *others = _grouped(body, 3, column + len(lead))
            return [lead + first, *others]
        case surface.Optional(inner):
            *before, last = _lines(inner, column + 2)
            return _led("[ ", [*before, last + " ]"])
        case surface.Elements(items, some):
            brace = "some of { " if some else "{ "
            start = column + len(brace)
            rows = _filled([[_item(item)] for item in items], start, " " * start, ", ")
            return _led(brace, [*(row + "," for row in rows[:-1]), rows[-1] + " }"])
        case surface.Operation() if _is_loss(part):
            return _comparison(part, column)
    return [line]


def _comparison(part: surface.Operation, column: int) -> list[str]:
    """A comparison that doesn't fit on a line."""
    bare, tail = _flat_call(part), _tail(part)
    inner = " " * (column + _INDENT)
    if column + len(bare) > WIDTH:
        lead = f"{part.name.text}("
        lines = _led(lead, _lines(part.arguments[0], column + len(lead)))
        if part.target:
            lines += _led(f"{inner}-> ", _lines(part.target, column + _INDENT + len("-> ")))
        lines[-1] += ")"
    else:
        lines = [bare]
    if tail and column + _INDENT + len(tail) > WIDTH and part.options:
        negatives = f"{_flat(part.negatives, 4)} " if part.negatives else ""
        lead = f"{inner}{negatives}with "
        options = [[_setting(option)] for option in part.options]
        rows = _filled(options, len(lead), " " * len(lead), ", ")
        return lines + _led(lead, [*(row + "," for row in rows[:-1]), rows[-1]])
    return lines + ([inner + tail] if tail else [])


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


def _flat(part: surface.Expression, level: int = 0) -> str:
    """An expression on one line."""
    if _level(part) < level:
        return f"({_flat(part)})"
    match part:
        case surface.Name(text):
            return text
        case surface.Number(span=span):
            return re.sub(r"#[^\n]*|\s+", "", span.source.text[span.start : span.end])
        case surface.Nothing():
            return "none"
        case surface.Against():
            return "against batch"
        case surface.Several(inside):
            sign, least = _SIGNS[type(part)]
            return f" {sign} ".join(_flat(inner, least) for inner in inside)
        case surface.Scaled(weight, body):
            return f"{_flat(weight, 3)} * {_flat(body, 3)}"
        case surface.Optional(inner):
            return f"[ {_flat(inner)} ]"
        case surface.Elements(items, some):
            return f"{'some of ' if some else ''}{{ {', '.join(map(_item, items))} }}"
        case surface.Operation():
            tail = _tail(part)
            return _flat_call(part) + (f" {tail}" if tail else "")
    raise TypeError(part)


def _flat_call(part: surface.Operation) -> str:
    target = f" -> {_flat(part.target)}" if part.target else ""
    return f"{part.name.text}({', '.join(map(_flat, part.arguments))}{target})"


def _tail(part: surface.Operation) -> str:
    """What stands behind the parenthesis."""
    negatives = [_flat(part.negatives, 4)] if part.negatives else []
    options = ", ".join(map(_setting, part.options))
    return " ".join([*negatives, *([f"with {options}"] if options else [])])


def _setting(option: surface.Setting) -> str:
    return f"{option.name.text} = {_flat(option.value, 3)}"


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

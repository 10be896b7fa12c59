"""Python expressions as syntax trees, their text, and long statements wrapped over several lines."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence

from a2ls_dsl.lang.syntax.printer import RUN_LENGTH
from a2ls_dsl.words.numbers import print_number

_LONGEST = 110


def unparsed(expression: ast.expr) -> str:
    """The Python text of an expression; strings in it are names of terms and contain no quotes."""
    return ast.unparse(expression).replace("'", '"')


def wrapped(text: str, indent: int) -> Iterator[str]:
    """The lines of an indented statement; a long one is broken at its outermost brackets."""
    before = " " * indent
    if len(before + text) <= _LONGEST:
        yield before + text
        return
    opening = _outermost(text)
    if opening is None:
        yield before + text
        return
    start, end = opening
    inner = " " * (len(text) - len(text.lstrip()))
    yield f"{before}{text[: start + 1]}"
    for part in _parts(text[start + 1 : end]):
        yield from wrapped(f"{inner}    {part},", indent)
    yield f"{before}{inner}{text[end:]}"


def _outermost(text: str) -> tuple[int, int] | None:
    """The longest outermost pair of brackets that may be broken over lines: those of a call or a list.

    In other brackets, a trailing comma would make a tuple.
    """
    pairs, depth, start = list[tuple[int, int]](), 0, 0
    for place, letter in enumerate(text):
        if letter in "([":
            start = place if depth == 0 else start
            depth += 1
        elif letter in ")]":
            depth -= 1
            if depth == 0:
                pairs.append((start, place))
    breakable = [
        (start, end)
        for start, end in pairs
        if (re.match(r"[\w\])]", text[start - 1 : start]) is not None) == (text[start] == "(")
        and " for " not in text[start:end]
    ]
    return max(breakable, key=lambda pair: pair[1] - pair[0], default=None)


def _parts(text: str) -> list[str]:
    """The parts between the outermost commas."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter in "([") - (letter in ")]")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts if part.strip()]


def filled(template: str, **parts: ast.expr) -> ast.expr:
    """An expression in which `parts` take the place of the names they are given by."""

    class Fill(ast.NodeTransformer):
        def visit_Name(self, name: ast.Name) -> ast.expr:
            return parts.get(name.id, name)

    filled: ast.expr = Fill().visit(ast.parse(template, mode="eval").body)
    return filled


def symbol(name: str) -> ast.expr:
    return ast.Name(name)


def number(value: float) -> ast.expr:
    return ast.parse(print_number(value), mode="eval").body


def item_at(sequence: ast.expr, place: int) -> ast.expr:
    return ast.Subscript(sequence, ast.Constant(place))


def call(function: str, arguments: Sequence[ast.expr], **options: ast.expr) -> ast.expr:
    keywords = [ast.keyword(option, value) for option, value in options.items()]
    return ast.Call(symbol(function), list(arguments), keywords)


def listed(inputs: Sequence[ast.expr]) -> ast.expr:
    """`[s[1], *a[1:4]]`: three or more consecutive items of a sequence are written as a slice."""
    parts, begin = list[ast.expr](), 0
    places = [_place(expression) for expression in inputs]
    for end in range(1, len(inputs) + 1):
        name, first = places[begin]
        if end < len(inputs) and places[end] == (name, first + end - begin):
            continue
        if end - begin < RUN_LENGTH:
            parts += inputs[begin:end]
        else:
            run = filled(f"x[{first}:{first + end - begin}]", x=symbol(name))
            if end - begin == len(inputs):
                return run
            parts.append(ast.Starred(run))
        begin = end
    return ast.List(parts)


def _place(expression: ast.expr) -> tuple[str, int]:
    """The sequence and the index of an item; any other expression counts as its own item 0."""
    match expression:
        case ast.Subscript(ast.Name(name), ast.Constant(int(place))):
            return name, place
    return ast.unparse(expression), 0

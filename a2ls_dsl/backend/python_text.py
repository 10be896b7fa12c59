"""Python expressions as syntax trees, their text, and long statements on several lines."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence

from a2ls_dsl.lang.syntax.printer import RUN_LENGTH
from a2ls_dsl.words.numbers import print_number

_LONGEST = 110


def unparsed(expression: ast.expr) -> str:
    """Python's text of an expression; the strings in them are names of terms, and hold no quotes."""
    return ast.unparse(expression).replace("'", '"')


def wrapped(text: str, indent: int) -> Iterator[str]:
    """A statement at an indent, its outermost brackets on lines of their own where it is too long."""
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
    """The longest pair of brackets that lies in no other and can be opened up: of a call, or of a list.

    A comma behind what other brackets hold would make a tuple of it.
    """
    found, depth, start = list[tuple[int, int]](), 0, 0
    for place, letter in enumerate(text):
        if letter in "([":
            start = place if depth == 0 else start
            depth += 1
        elif letter in ")]":
            depth -= 1
            if depth == 0:
                found.append((start, place))
    open_up = [
        (start, end)
        for start, end in found
        if (re.match(r"[\w\])]", text[start - 1 : start]) is not None) == (text[start] == "(")
        and " for " not in text[start:end]
    ]
    return max(open_up, key=lambda pair: pair[1] - pair[0], default=None)


def _parts(text: str) -> list[str]:
    """What stands between the commas of a list."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter in "([") - (letter in ")]")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts if part.strip()]


def filled(template: str, **parts: ast.expr) -> ast.expr:
    """An expression with others in the place of some of its names."""

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
    """`[s[1], *a[1:4]]`: three or more items of a list in a row are written as a slice."""
    parts, begin = list[ast.expr](), 0
    places = [_place(each) for each in inputs]
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
    """The sequence and the index of an item; another expression is the first of its own kind."""
    match expression:
        case ast.Subscript(ast.Name(name), ast.Constant(int(place))):
            return name, place
    return ast.unparse(expression), 0

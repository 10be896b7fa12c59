"""What stands inside the nodes of the surface tree."""

from __future__ import annotations

from collections.abc import Iterator

from a2ls_dsl.lang.syntax.surface import (
    Apply,
    Both,
    Choice,
    Elements,
    Expression,
    Item,
    Name,
    Operation,
    Optional,
    Run,
    Scaled,
    Sum,
)


def parts(expression: Expression) -> tuple[Expression, ...]:
    """The expressions directly inside one; of a set, those that stand among its functions' arguments."""
    match expression:
        case Both(inside) | Choice(inside) | Sum(inside):
            return inside
        case Optional(inner):
            return (inner,)
        case Scaled(weight, body):
            return weight, body
        case Elements(items):
            return tuple(part for item in items for part in _inside(item))
        case Operation(name, arguments, target, negatives, options):
            behind = [part for part in (target, negatives) if part is not None]
            return (name, *arguments, *behind, *(option.value for option in options))
    return ()


def walk(expression: Expression) -> Iterator[Expression]:
    """An expression and everything inside it."""
    waiting = [expression]
    while waiting:
        yield (part := waiting.pop())
        waiting += reversed(parts(part))


def names_in(expression: Expression) -> list[Name]:
    """The names of rules, operators and functions in an expression."""
    return [part for part in walk(expression) if isinstance(part, Name)]


def items_in(expression: Expression) -> list[Item]:
    """The items of all sets in an expression."""
    return [item for part in walk(expression) if isinstance(part, Elements) for item in part.items]


def runs(item: Item) -> Iterator[Run]:
    """Every run of an item."""
    return (inner for inner in _items(item) if isinstance(inner, Run))


def applied(item: Item) -> Iterator[Apply]:
    """Every function call of an item, the outermost first."""
    return (inner for inner in _items(item) if isinstance(inner, Apply))


def _items(item: Item) -> Iterator[Item]:
    yield item
    for argument in item.arguments if isinstance(item, Apply) else ():
        yield from _items(argument) if isinstance(argument, Run | Apply) else ()


def _inside(item: Item) -> Iterator[Expression]:
    if isinstance(item, Apply):
        yield item.function
        for argument in item.arguments:
            yield from _inside(argument) if isinstance(argument, Run | Apply) else (argument,)

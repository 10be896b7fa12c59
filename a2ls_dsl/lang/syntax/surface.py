"""What is written in a loss file or a loss grammar, as a tree, on one page; every node has its place.

A node equals itself only: what is written twice stands in two places. Names are kept as they were written.
`elaborate.py` makes of a loss file the terms of `tree.py`, and `grammar/elaborate.py` of a grammar a space of
such terms.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias, TypeVar

from a2ls_dsl.diagnostics import A2lError, Span
from a2ls_dsl.lang.syntax.tree import Import

Binding: TypeAlias = Mapping[str, int]
"""The values of a grammar's parameters."""

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Node:
    """A part of the tree, and the place where it is written."""

    span: Span = field(kw_only=True)

    @cached_property
    def inside(self) -> tuple[Node, ...]:
        """The nodes directly inside this one, in the order of the text."""
        inside = list[Node]()
        names: tuple[str, ...] = self.__match_args__
        for name in names:
            value = getattr(self, name)
            if isinstance(value, tuple):
                inside += value
            elif isinstance(value, Node):
                inside.append(value)
        return tuple(inside)


class Leaf(Node):
    """A node in which nothing else is looked for."""

    @property
    def inside(self) -> tuple[Node, ...]:
        return ()


def walk(node: Node) -> Iterator[Node]:
    """A node and everything inside it, in the order of the text."""
    waiting = [node]
    while waiting:
        yield (part := waiting.pop())
        waiting += reversed(part.inside)


def every(kind: type[T], node: Node) -> list[T]:
    """All nodes of a kind in one, in the order of the text."""
    return [part for part in walk(node) if isinstance(part, kind)]


@dataclass(frozen=True, eq=False)
class Name(Leaf):
    """A word: a rule, an operator, a function or a head where an expression stands."""

    text: str


FAR = 10**6
"""Larger whole numbers are cut: they are beyond every limit anyway, and the checks say so."""


def whole(text: str) -> int:
    """The whole number that some digits stand for."""
    digits = text.lstrip("0") or "0"
    return int(digits) if len(digits) < len(str(FAR)) else FAR


@dataclass(frozen=True, eq=False)
class Step(Leaf):
    """`t+k-1`: the word it counts from, and numbers and parameters, each with its sign."""

    base: Name
    moves: tuple[tuple[int, Name], ...]

    @cached_property
    def constant(self) -> int:
        """All whole numbers together."""
        return sum(sign * whole(name.text) for sign, name in self.moves if name.text.isdecimal())

    @cached_property
    def parameters(self) -> tuple[tuple[int, Name], ...]:
        """Whatever else is added or taken away."""
        return tuple((sign, name) for sign, name in self.moves if not name.text.isdecimal())

    def at(self, binding: Binding) -> int:
        """The offset from t for these values of the parameters."""
        return self.constant + sum(sign * binding.get(name.text, 0) for sign, name in self.parameters)


@dataclass(frozen=True, eq=False)
class Run(Leaf):
    """`s[t]`, `a[t..t+k]`: the steps `first` to `last`, both included."""

    stream: Name
    first: Step
    last: Step


@dataclass(frozen=True, eq=False)
class Apply(Node):
    """`crop(s[t]) as x`, `view(s[t..t+k], 4)`, `rollout(s[t], a[t..t+k])`: a function or a rule of such."""

    function: Name
    arguments: tuple[Argument, ...]
    shared: Name | None = None


Item: TypeAlias = Run | Apply


@dataclass(frozen=True, eq=False)
class Elements(Node):
    """`{ ... }`, exactly these elements; or `some of { ... }`, any subset of them."""

    items: tuple[Item, ...]
    some: bool = False


@dataclass(frozen=True, eq=False)
class Number(Leaf):
    """`0.1`: a weight, or a number of a function, a head or an option."""

    value: float
    fault: A2lError | None = None
    """What is wrong with a number that has no value."""


class Nothing(Leaf):
    """`none`; also what an optional part is when it is left out."""


class Broken(Leaf):
    """What can't be parsed."""


class Against(Leaf):
    """`against batch`"""


@dataclass(frozen=True, eq=False)
class Several(Node):
    """Expressions with a sign between them."""

    parts: tuple[Expression, ...]


class Both(Several):
    """`x and y`: the union of sets."""


@dataclass(frozen=True, eq=False)
class Optional(Node):
    """`[ x ]`: x or nothing."""

    inner: Expression


class Choice(Several):
    """`x | y`"""


class Sum(Several):
    """`x + y`: losses added."""


@dataclass(frozen=True, eq=False)
class Scaled(Node):
    """`0.1 * x`"""

    weight: Expression
    body: Expression


@dataclass(frozen=True, eq=False)
class Setting(Node):
    """`head = linear`, of a loss file also `head = linear as q`: an option and what it is set to."""

    name: Name
    value: Expression
    shared: Name | None = None

    @property
    def inside(self) -> tuple[Node, ...]:
        return (self.value,)


@dataclass(frozen=True, eq=False)
class Operation(Node):
    """`operator(source -> target) negatives with options`; or a function, head, schedule and its numbers."""

    name: Name
    arguments: tuple[Expression, ...]
    target: Expression | None = None
    negatives: Expression | None = None
    options: tuple[Setting, ...] = ()


Word: TypeAlias = Name | Number | Nothing | Against | Broken
Expression: TypeAlias = Word | Elements | Both | Optional | Choice | Sum | Scaled | Operation
Argument: TypeAlias = Item | Expression


@dataclass(frozen=True, eq=False)
class Equation(Node):
    """`loss name = body` of a loss file, `name = body` of a grammar."""

    name: Name
    body: Expression


@dataclass(frozen=True, eq=False)
class Require(Node):
    """`require a state in source`"""

    what: Name
    side: Name


@dataclass(frozen=True, eq=False)
class Bound(Node):
    """`require at most 3 terms`: how deep a rule may stand inside itself."""

    most: int
    rule: Name


@dataclass(frozen=True, eq=False)
class Horizon(Node):
    """`k in first..last`"""

    parameter: Name
    first: int
    last: int


@dataclass(frozen=True, eq=False)
class Header(Node):
    """`grammar mine for k in 1..10, n in 1..3`"""

    name: Name
    horizons: tuple[Horizon, ...]


Statement: TypeAlias = Import | Header | Equation | Require | Bound
"""What a file consists of."""


def for_values(binding: Binding) -> str:
    """` for k = 3, n = 1`; nothing without parameters."""
    return f" for {', '.join(f'{name} = {value}' for name, value in binding.items())}" if binding else ""

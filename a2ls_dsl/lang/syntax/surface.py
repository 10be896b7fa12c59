"""What is written in a loss file or a loss grammar, as a tree, on one page; every node has its place.

A node equals itself only: what is written twice stands in two places. Names are kept as they were written.
`elaborate.py` makes of a loss file the terms of `tree.py`, and `grammar/elaborate.py` of a grammar a space of
such terms.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

from a2ls_dsl.diagnostics import A2lError, Span
from a2ls_dsl.lang.syntax.tree import Import

Binding: TypeAlias = Mapping[str, int]
"""The values of a grammar's parameters."""


@dataclass(frozen=True, eq=False)
class Name:
    """A word: a rule, an operator, a function or a head where an expression stands."""

    text: str
    span: Span


FAR = 10**6
"""Larger whole numbers are cut: they are beyond every limit anyway, and the checks say so."""


def whole(text: str) -> int:
    """The whole number that some digits stand for."""
    digits = text.lstrip("0") or "0"
    return int(digits) if len(digits) < len(str(FAR)) else FAR


@dataclass(frozen=True, eq=False)
class Step:
    """`t+k-1`: the word it counts from, and numbers and parameters, each with its sign."""

    base: Name
    moves: tuple[tuple[int, Name], ...]
    span: Span

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
class Run:
    """`s[t]`, `a[t..t+k]`: the steps `first` to `last`, both included."""

    stream: Name
    first: Step
    last: Step
    span: Span


@dataclass(frozen=True, eq=False)
class Apply:
    """`crop(s[t]) as x`, `view(s[t..t+k], 4)`, `rollout(s[t], a[t..t+k])`: a function or a rule of such."""

    function: Name
    arguments: tuple[Argument, ...]
    span: Span
    shared: Name | None = None


Item: TypeAlias = Run | Apply


@dataclass(frozen=True, eq=False)
class Elements:
    """`{ ... }`, exactly these elements; or `some of { ... }`, any subset of them."""

    items: tuple[Item, ...]
    some: bool
    span: Span


@dataclass(frozen=True, eq=False)
class Number:
    """`0.1`: a weight, or a number of a function, a head or an option."""

    value: float
    span: Span
    fault: A2lError | None = None
    """What is wrong with a number that has no value."""


@dataclass(frozen=True, eq=False)
class Nothing:
    """`none`; also what an optional part is when it is left out."""

    span: Span


@dataclass(frozen=True, eq=False)
class Broken:
    """What can't be parsed."""

    span: Span


@dataclass(frozen=True, eq=False)
class Against:
    """`against batch`"""

    span: Span


@dataclass(frozen=True, eq=False)
class Both:
    """`x and y`: the union of sets."""

    parts: tuple[Expression, ...]
    span: Span


@dataclass(frozen=True, eq=False)
class Optional:
    """`[ x ]`: x or nothing."""

    inner: Expression
    span: Span


@dataclass(frozen=True, eq=False)
class Choice:
    """`x | y`"""

    alternatives: tuple[Expression, ...]
    span: Span


@dataclass(frozen=True, eq=False)
class Sum:
    """`x + y`: losses added."""

    parts: tuple[Expression, ...]
    span: Span


@dataclass(frozen=True, eq=False)
class Scaled:
    """`0.1 * x`"""

    weight: Expression
    body: Expression
    span: Span


@dataclass(frozen=True, eq=False)
class Setting:
    """`head = linear`, of a loss file also `head = linear as q`: an option and what it is set to."""

    name: Name
    value: Expression
    shared: Name | None
    span: Span


@dataclass(frozen=True, eq=False)
class Operation:
    """`operator(source -> target) negatives with options`; or a function, head, schedule and its numbers."""

    name: Name
    arguments: tuple[Expression, ...]
    target: Expression | None
    negatives: Expression | None
    options: tuple[Setting, ...]
    span: Span


Leaf: TypeAlias = Name | Number | Nothing | Against | Broken
Expression: TypeAlias = Leaf | Elements | Both | Optional | Choice | Sum | Scaled | Operation
Argument: TypeAlias = Item | Expression


@dataclass(frozen=True, eq=False)
class Equation:
    """`loss name = body` of a loss file, `name = body` of a grammar."""

    name: Name
    body: Expression
    span: Span


@dataclass(frozen=True, eq=False)
class Require:
    """`require a state in source`"""

    what: Name
    side: Name
    span: Span


@dataclass(frozen=True, eq=False)
class Bound:
    """`require at most 3 terms`: how deep a rule may stand inside itself."""

    most: int
    rule: Name
    span: Span


@dataclass(frozen=True, eq=False)
class Horizon:
    """`k in first..last`"""

    parameter: Name
    first: int
    last: int
    span: Span


@dataclass(frozen=True, eq=False)
class Header:
    """`grammar mine for k in 1..10, n in 1..3`"""

    name: Name
    horizons: tuple[Horizon, ...]
    span: Span


Statement: TypeAlias = Import | Header | Equation | Require | Bound
"""What a file consists of."""


def for_values(binding: Binding) -> str:
    """` for k = 3, n = 1`; nothing without parameters."""
    return f" for {', '.join(f'{name} = {value}' for name, value in binding.items())}" if binding else ""

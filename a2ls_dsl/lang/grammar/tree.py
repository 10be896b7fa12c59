"""The syntax tree of a `.a2g` file, on one page.

Names are kept as they were written; `check.py` says which of them exist, `expand.py` what the tree means.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from a2ls_dsl.diagnostics import Span


@dataclass(frozen=True)
class Name:
    """A word: a rule or an operator where an expression stands, elsewhere a stream, a view, a parameter."""

    text: str
    span: Span


@dataclass(frozen=True)
class Step:
    """`t+k-1`: the word it counts from, a constant, and the parameters with their summed sign."""

    base: Name
    constant: int
    parameters: tuple[Name, ...]
    slope: int
    span: Span

    def at(self, horizon: int) -> int:
        """The offset from t when the parameter is `horizon`."""
        return self.constant + self.slope * horizon


@dataclass(frozen=True)
class Item:
    """`s[t]`, `a[t..t+k]`, `crop(s[t])`: the steps `first` to `last`, both included."""

    view: Name | None
    stream: Name
    first: Step
    last: Step
    span: Span


@dataclass(frozen=True)
class Elements:
    """`{ ... }`, exactly these elements; or `some of { ... }`, any subset of them."""

    items: tuple[Item, ...]
    some: bool
    span: Span


@dataclass(frozen=True)
class Nothing:
    """`none`; also what an optional part is when it is left out."""

    span: Span


@dataclass(frozen=True)
class Against:
    """`against batch`"""

    span: Span


@dataclass(frozen=True)
class Both:
    """`x and y`: the union of sets."""

    parts: tuple[Expression, ...]
    span: Span


@dataclass(frozen=True)
class Optional:
    """`[ x ]`: x or nothing."""

    inner: Expression
    span: Span


@dataclass(frozen=True)
class Choice:
    """`x | y`"""

    alternatives: tuple[Expression, ...]
    span: Span


@dataclass(frozen=True)
class Call:
    """`operator(source -> target) negatives`"""

    operator: Name
    source: Expression
    target: Expression
    negatives: Expression | None
    span: Span


Expression: TypeAlias = Name | Elements | Nothing | Against | Both | Optional | Choice | Call


@dataclass(frozen=True)
class Rule:
    """`name = body`"""

    name: Name
    body: Expression
    span: Span


@dataclass(frozen=True)
class Require:
    """`require a state in source`"""

    what: Name
    side: Name
    span: Span


@dataclass(frozen=True)
class Horizons:
    """`for k in first..last`"""

    parameter: Name
    first: int
    last: int
    span: Span


@dataclass(frozen=True)
class GrammarFile:
    """A whole file; rules and requires in the order they were written."""

    name: Name
    horizons: Horizons | None
    rules: tuple[Rule, ...]
    requires: tuple[Require, ...]
    span: Span

    @property
    def range(self) -> range:
        """The values of the parameter; a grammar without one is expanded once."""
        return range(self.horizons.first, self.horizons.last + 1) if self.horizons else range(1)


def parts(expression: Expression) -> tuple[Expression, ...]:
    """The expressions directly inside one."""
    match expression:
        case Both(inside) | Choice(inside):
            return inside
        case Optional(inner):
            return (inner,)
        case Call(operator, source, target, negatives):
            return (operator, source, target, *((negatives,) if negatives else ()))
    return ()

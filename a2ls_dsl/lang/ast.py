"""The syntax tree of a `.a2l` file, on one page.

Every node carries the place it came from, for diagnostics; places do not count in comparisons, so a tree
that was parsed equals the same tree built by a search. The canonical form (`canonical.py`) has no `Ref`,
sorted elements and sorted terms; its print is a loss' identity.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from a2ls_dsl.diagnostics import Span


class Stream(StrEnum):
    """What a trajectory consists of; the order is the canonical one."""

    STATE = "s"
    ACTION = "a"
    REWARD = "r"


OPERATORS = ("mse", "nmse", "inner", "bilinear", "cosine")
"""The operators of He et al. 2022; each also stands with `against batch`: ten in all."""

VIEWS = ("crop",)
"""Augmentations that may be called on a state. Every call is a new draw."""

MAX_OFFSET = 999
"""The last step an offset may name: a DeepMind Control episode has at most 1,000 steps."""


@dataclass(frozen=True)
class Element:
    """One tensor of the window: `s[t+2]`, or with a view `crop(s[t])`. A run is several elements."""

    stream: Stream
    offset: int
    view: str | None = None
    span: Span | None = field(default=None, compare=False, repr=False)

    @property
    def order(self) -> tuple[int, str, int]:
        """Sort key of the canonical order: s, a, r; in each the plain tensors before views; then time."""
        return list(Stream).index(self.stream), self.view or "", self.offset


@dataclass(frozen=True)
class Comparison:
    """`operator(source -> target)`, optionally `against batch`: one term of a loss."""

    operator: str
    source: tuple[Element, ...]
    target: tuple[Element, ...]
    against_batch: bool = False
    span: Span | None = field(default=None, compare=False, repr=False)
    sides: tuple[Span, Span] | None = field(default=None, compare=False, repr=False)
    """The places of the two sets."""

    @property
    def horizon(self) -> int:
        """The largest offset used: the window holds steps t..t+horizon."""
        return max(element.offset for element in (*self.source, *self.target))


@dataclass(frozen=True)
class Ref:
    """The name of a loss defined earlier in the file."""

    name: str
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Weighted:
    """One summand: `0.1 * curl`."""

    weight: float
    term: Comparison | Ref
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Loss:
    """A weighted sum of terms; a single term of weight 1 is the common case."""

    terms: tuple[Weighted, ...]
    span: Span | None = field(default=None, compare=False, repr=False)

    @property
    def horizon(self) -> int:
        """The largest offset used in a loss without references."""
        return max(each.term.horizon for each in self.terms if isinstance(each.term, Comparison))


@dataclass(frozen=True)
class Definition:
    """`loss name = ...`"""

    name: str
    loss: Loss
    span: Span | None = field(default=None, compare=False, repr=False)
    name_span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class LossFile:
    """A whole file: its definitions in order."""

    definitions: tuple[Definition, ...]
    span: Span | None = field(default=None, compare=False, repr=False)

"""The parts of a comparison that rules look at, and the problems that they find."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from a2ls_dsl.diagnostics import Fix
from a2ls_dsl.lang.rules.canonical import canonical_items, ordered_set
from a2ls_dsl.lang.rules.types import Width, groups, type_of, width_of, widths
from a2ls_dsl.lang.syntax.tree import Call, Element, Item, Option, Rollout
from a2ls_dsl.words.entry import Operator, Type
from a2ls_dsl.words.language import HEAD, NONE


class Place(StrEnum):
    """A part of a comparison that a problem is about, where it is no item and no option."""

    TERM = "term"
    SOURCE = "source"
    TARGET = "target"
    NEGATIVES = "negatives"


@dataclass(frozen=True)
class Problem:
    """What a rule has to say: `about` is what the message points at."""

    code: str
    message: str
    fix: str | Fix
    about: Item | Option | Place


@dataclass(frozen=True)
class Side:
    """What of a set matters to the rules; equal sides obey the same ones.

    widths: the widths of its items. lengths: those of its rollouts. row: what a row is made of; None where
    elements are optional, as in a grammar. step: what a row is made of that has one item of each part. steps:
    of a set whose parts are all rollouts and runs of one length, this length. rewards: how many rewards and
    returns there are.
    items: as they were written, in canonical order without repetition; only messages read them.
    """

    widths: frozenset[Width]
    lengths: frozenset[int]
    row: tuple[Width, ...] | None
    step: tuple[Width, ...]
    steps: int
    rewards: int
    items: tuple[Item, ...] = field(compare=False, repr=False)

    @staticmethod
    def of(items: Iterable[Item], side: str, fixed: bool = True) -> Side:
        """The side of a set, `side` as in `canonical.py`; unless `fixed`, every item may be missing."""
        given = list(items)
        plain = canonical_items(given, side)
        written = dict(zip(map(id, plain), given, strict=True))
        kept = ordered_set(plain)
        return Side.of_canonical(kept, tuple(written[id(item)] for item in kept), fixed)

    @staticmethod
    def of_canonical(kept: tuple[Item, ...], written: tuple[Item, ...], fixed: bool = True) -> Side:
        """The side of a canonical set, and its items as they were written."""
        parts = groups(kept) if fixed else []
        lengths = set(map(run_length, parts))
        return Side(
            frozenset(map(width_of, kept)),
            frozenset(item.length for item in kept if isinstance(item, Rollout)),
            widths(kept) if fixed else None,
            tuple(width_of(part[0]) for part in parts),
            lengths.pop() if len(lengths) == 1 else 0,
            sum(type_of(item) in (Type.REWARD, Type.RETURN) for item in kept) if fixed else 0,
            written,
        )


def run_length(part: list[Item]) -> int:
    """For how many steps in a row a part of a set (see `groups`) has an item; 0 if there is a gap."""
    first = part[0]
    if isinstance(first, Rollout):
        return first.length
    if isinstance(first, Element) and first.until is not None:
        return 0  # one step, which differs from sample to sample
    steps = [item.last for item in part]
    return len(steps) if steps == list(range(first.last, first.last + len(steps))) else 0


@dataclass(frozen=True)
class Parts:
    """The parts of a comparison, its items free of errors; an operator of one set has no target."""

    entry: Operator
    against_batch: bool
    options: tuple[Option, ...]
    source: Side
    target: Side | None

    @property
    def headless(self) -> bool:
        """Whether the rows themselves are compared."""
        values = [option.value for option in self.options if option.name == HEAD]
        return not self.entry.head or any(isinstance(value, Call) and value.name == NONE for value in values)

    @property
    def rolled(self) -> int:
        """The length of the rollouts in the source, 0 without any."""
        return max(self.source.lengths, default=0)

    @property
    def rolls(self) -> bool:
        """Whether there is any rollout: in a target, too, it is the next state that a model predicts."""
        return bool(self.rolled or (self.target and self.target.lengths))

    @property
    def rows(self) -> tuple[tuple[Width, ...], tuple[Width, ...]]:
        """What a source row and a target row are made of; along a rollout, a row is one step's."""
        if self.rolled:
            return self.source.step, self.target.step if self.target else ()
        return self.source.row or (), (self.target.row if self.target else None) or ()

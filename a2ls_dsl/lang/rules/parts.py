"""The parts of a comparison that rules look at, and the problems that they find."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from a2ls_dsl.diagnostics import Fix
from a2ls_dsl.lang.rules.canonical import TARGET, canonical_items, ordered_set
from a2ls_dsl.lang.rules.types import Width, groups, type_of, width_of, widths
from a2ls_dsl.lang.syntax.tree import Call, Item, Option, Rollout
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

    widths: the widths of its items. lengths: those of its rollouts, with 0 where anything else stands in it.
    row: what a row is made of; None where elements are optional, as in a grammar. steps: of a target whose
    parts are all runs of one length, this length. rewards: how many rewards and returns there are.
    items: as they were written, in canonical order without repetition; only messages read them.
    """

    widths: frozenset[Width]
    lengths: frozenset[int]
    row: tuple[Width, ...] | None
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
        parts = [[item.last for item in part] for part in groups(kept)] if side == TARGET and fixed else []
        length = len(parts[0]) if parts else 0
        return Side(
            frozenset(map(width_of, kept)),
            frozenset(item.length if isinstance(item, Rollout) else 0 for item in kept),
            widths(kept) if fixed else None,
            length if all(part == list(range(part[0], part[0] + length)) for part in parts) else 0,
            sum(type_of(item) in (Type.REWARD, Type.RETURN) for item in kept) if fixed else 0,
            tuple(written[id(item)] for item in kept),
        )


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
    def rows(self) -> tuple[tuple[Width, ...], tuple[Width, ...]]:
        """What a source row and a target row are made of; along a rollout, a row is one step's."""
        target = (self.target.row if self.target else None) or ()
        # A row holds every part of the target once, and in canonical order they stand part by part.
        return self.source.row or (), target[:: self.rolled] if self.rolled else target

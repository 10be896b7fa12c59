"""What the items of a checked set are: their types, how they stand in rows, their steps; what rules look at.

Backends read rows from here: an item is a latent, an action, a raw observation or one number, and a row is
its set's items side by side in canonical order.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from a2ls_dsl.diagnostics import Fix
from a2ls_dsl.lang.rules.canonical import canonical_items, explicit_calls, lengths_of, ordered_set
from a2ls_dsl.lang.syntax.tree import Call, Comparison, Element, Item, Option, Return, Rollout
from a2ls_dsl.words.agent import ONLINE, VALUE
from a2ls_dsl.words.entry import GIVES, Kind, Operator, Type
from a2ls_dsl.words.language import HEAD, NONE, Stream
from a2ls_dsl.words.registry import functions


class Width(StrEnum):
    """How wide an item is in a row."""

    LATENT = "latent"
    ACTION = "action"
    RAW = "raw observation"
    NUMBER = "number"


STREAM_TYPES = {
    Stream.STATE: Type.OBSERVATION,
    Stream.ACTION: Type.ACTION,
    Stream.REWARD: Type.REWARD,
    Stream.RAW: Type.RAW,
    Stream.DONE: Type.DONE,
}

_WIDTHS = {
    Type.OBSERVATION: Width.LATENT,  # encoded by the default of its side
    Type.LATENT: Width.LATENT,
    Type.ROLLOUT: Width.LATENT,
    Type.ACTION: Width.ACTION,
    Type.RAW: Width.RAW,
}

NATURAL_RANGES = {
    Type.ACTION: (-1.0, 1.0),
    Type.DONE: (0.0, 1.0),
    Type.REWARD: (-10.0, 10.0),
    Type.VALUE: (-10.0, 10.0),
    Type.RETURN: (-10.0, 10.0),
}
"""Where the bins of `ce` lie. Rewards, values and returns are first taken through symlog."""


def type_of(item: Item) -> Type:
    """The type of an item of a checked set; a state that is not encoded explicitly is an observation."""
    match item:
        case Rollout():
            return Type.ROLLOUT
        case Return():
            return Type.RETURN
        case Element(stream, _, ()):
            return STREAM_TYPES[stream]
        case Element(stream, _, calls):
            kinds = [functions[call.name].kind for call in calls]
            return STREAM_TYPES[stream] if kinds[-1] is Kind.DRAW else GIVES[kinds[-1]]


def is_latent(item: Item) -> bool:
    """Whether an item enters a row encoded."""
    return width_of(item) is Width.LATENT


def width_of(item: Item) -> Width:
    """How wide an item of a checked set is in a row."""
    return _WIDTHS.get(type_of(item), Width.NUMBER)


def trains_encoder(item: Item, side: str) -> bool:
    """Whether a gradient flows through an item into the encoder; `side` as in `canonical.py`."""
    element = item.start if isinstance(item, Rollout) else item
    if not isinstance(element, Element) or element.stream is not Stream.STATE:
        return False
    names = [call.name for call in explicit_calls(element, side)]
    return ONLINE in names and VALUE not in names


def rollouts(term: Comparison) -> list[Rollout]:
    """The rollouts of a comparison's source; with any, the comparison is made step by step."""
    return [item for item in term.source if isinstance(item, Rollout)]


def groups(items: Iterable[Item]) -> list[list[Item]]:
    """Items that differ in their steps only, together and in time, each rollout by itself.

    These are the parts of a set that is read step by step.
    """
    alike: dict[object, list[Item]] = {}
    for item in items:
        alike.setdefault(_shape(item), []).append(item)
    return [sorted(group, key=lambda item: item.last) for group in alike.values()]


def steps(term: Comparison) -> list[tuple[tuple[Item, ...], tuple[Item, ...]]]:
    """The source and target items of each step of a checked comparison: one step without rollouts.

    With rollouts, step i has the i-th item of each part; a rollout stands in all, for its i-th latent.
    """
    if not rollouts(term):
        return [(term.source, term.target)]
    parts = [part * part[0].length if isinstance(part[0], Rollout) else part for part in groups(term.source)]
    return list(zip(zip(*parts, strict=True), zip(*groups(term.target), strict=True), strict=True))


def widths(items: Iterable[Item]) -> tuple[Width, ...]:
    """What a row is made of, in order."""
    return tuple(width_of(item) for item in items)


def row_words(row: tuple[Width, ...]) -> str:
    """`2 latents and 1 action`."""
    counts = {width: row.count(width) for width in dict.fromkeys(row)}
    return " and ".join(f"{n} {width.value}{'s' * (n > 1)}" for width, n in counts.items())


def _shape(item: Item) -> object:
    """What items of one group have in common."""
    match item:
        case Element(stream, _, calls):
            return stream, calls, item.until and item.until - item.offset
        case Return(first, last, bootstrap, discount):
            end = (bootstrap.calls, bootstrap.offset - last) if bootstrap else None
            return "return", last - first, end, discount
        case Rollout():
            return object()


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

    widths: the widths of its items. lengths: those of its rollouts. rolls: whether one is written in it,
    even if `visited` of one action, which is a state. row: what a row is made of; None where elements are
    optional, as in a grammar. step: what a row is made of that has one item of each part. steps: of a set
    whose parts are all rollouts and runs of one length, this length. rewards: how many rewards and returns
    there are.
    items: as they were written, in canonical order without repetition; only messages read them.
    """

    widths: frozenset[Width]
    lengths: frozenset[int]
    rolls: bool
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
        rolls = any(isinstance(item, Rollout) for item in given)
        return Side.of_canonical(kept, tuple(written[id(item)] for item in kept), rolls, fixed)

    @staticmethod
    def of_canonical(
        kept: tuple[Item, ...], written: tuple[Item, ...], rolls: bool, fixed: bool = True
    ) -> Side:
        """The side of a canonical set, and its items as they were written."""
        parts = groups(kept) if fixed else []
        lengths = set(map(run_length, parts))
        row = widths(kept)
        return Side(
            frozenset(row),
            lengths_of(kept),
            rolls,
            row if fixed else None,
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

"""What the items of a checked set are: their types, how they stand in rows, and their steps.

Backends read rows from here: an item is a latent, an action, a raw observation or one number, and a row is
its set's items side by side in canonical order.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from a2ls_dsl.lang.rules.canonical import explicit_calls
from a2ls_dsl.lang.syntax.tree import Comparison, Element, Item, Return, Rollout
from a2ls_dsl.words.agent import ONLINE, VALUE
from a2ls_dsl.words.entry import GIVES, Kind, Type
from a2ls_dsl.words.language import Stream
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
        case Element(stream, _, calls):
            kinds = [functions[call.name].kind for call in calls]
            return STREAM_TYPES[stream] if not kinds or kinds[-1] is Kind.DRAW else GIVES[kinds[-1]]


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
    found: dict[object, list[Item]] = {}
    for item in items:
        found.setdefault(_shape(item), []).append(item)
    return [sorted(group, key=lambda item: item.last) for group in found.values()]


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

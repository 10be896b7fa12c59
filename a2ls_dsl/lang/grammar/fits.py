"""Which operators, negatives, options and sets go together: the rules of losses, asked of whole alternatives.

A combination of alternatives is taken or left out as a whole, so that what is left can be counted: it is
judged with all of its optional elements. Where optional elements could break a rule that is about all of a
row (along a rollout, without a head, for `mico` and `bisim`), sets with `some of` are left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from a2ls_dsl.lang.ast import Call, Item, Rollout
from a2ls_dsl.lang.functions import Type
from a2ls_dsl.lang.grammar.expand import Value
from a2ls_dsl.lang.operators import HEAD, NONE, Needs, Negatives, Operator, Sets
from a2ls_dsl.lang.types import Width, groups, is_latent, type_of, width_of, widths

_PREDICTABLE = (Width.ACTION, Width.NUMBER)


@dataclass(frozen=True)
class Shape:
    """What of a set matters to the rest of a comparison.

    steps: of a source the length of its rollouts, 0 without any, -1 where they stand beside something else;
    of a target the length of the runs that all of its parts are, or 0. row: what a row is made of, None
    where elements are optional. one: exactly one latent. transition: exactly a reward and a latent.
    """

    steps: int
    latents: bool
    data: bool
    row: tuple[Width, ...] | None
    one: bool = False
    transition: bool = False


def source_shape(items: tuple[Item, ...], fixed: bool) -> Shape:
    """The shape of a source that holds `items` at most, and exactly these if `fixed`."""
    rolled = [item for item in items if isinstance(item, Rollout)]
    steps = 0
    if rolled:
        alike = fixed and len(rolled) == len(items) and len({each.length for each in rolled}) == 1
        steps = rolled[0].length if alike else -1
    row = widths(items) if fixed else None
    latents = all(map(is_latent, items))
    return Shape(steps, latents, False, row, one=fixed and len(items) == 1 and latents)


def target_shape(items: tuple[Item, ...], fixed: bool) -> Shape:
    """The shape of a target that holds `items` at most, and exactly these if `fixed`."""
    if any(isinstance(item, Rollout) for item in items):
        return Shape(-1, False, False, None)
    parts = groups(items)
    length = len(parts[0]) if parts else 0
    stepped = all([item.last for item in part] == _run(part, length) for part in parts)
    rewards = sum(type_of(item) in (Type.REWARD, Type.RETURN) for item in items)
    return Shape(
        length if fixed and stepped else 0,
        all(map(is_latent, items)),
        all(width_of(item) in _PREDICTABLE for item in items),
        widths(items) if fixed else None,
        transition=fixed and len(items) == 2 and rewards == 1 and sum(map(is_latent, items)) == 1,
    )


def fits(
    entry: Operator, against: bool, options: Iterable[tuple[str, Value]], source: Shape, target: Shape | None
) -> bool:
    """Whether all losses of such a combination are free of errors, given a state and a target in each."""
    if entry.unary is (target is not None) or source.steps < 0 or (target and target.steps < 0):
        return False
    if against and entry.negatives is not Negatives.ON_REQUEST:
        return False
    if source.steps and (target is None or entry.pairwise or target.steps != source.steps):
        return False
    return (
        _contents(entry, source, target)
        and all(_option(entry, name, value, against, source) for name, value in options)
        and _rows(entry, dict(options).get(HEAD), source, target)
    )


def _run(part: list[Item], length: int) -> list[int]:
    """The steps that a part of so many rows has to have."""
    return list(range(part[0].last, part[0].last + length))


def _contents(entry: Operator, source: Shape, target: Shape | None) -> bool:
    match entry.sets:
        case Sets.LATENTS:
            return source.latents and (target is None or target.latents)
        case Sets.DATA_TARGET:
            return target is None or target.data
        case Sets.TRANSITION:
            return source.one and target is not None and target.transition
    return True


def _option(entry: Operator, name: str, value: Value, against: bool, source: Shape) -> bool:
    if name == HEAD:
        return entry.head and not (_is_none(value) and entry.needs_head)
    known = entry.option(name)
    if known is None or not isinstance(value, float | int) or not known.range.holds(value):
        return False
    if known.needs is Needs.NEGATIVES:
        return against
    return known.needs is not Needs.ROLLOUT or source.steps > 0


def _rows(entry: Operator, head: Value, source: Shape, target: Shape | None) -> bool:
    """Without a head, both rows are made of the same."""
    if target is None or entry.pairwise or (entry.head and not _is_none(head)):
        return True
    if source.row is None or target.row is None:
        return False
    # Of a target along a rollout a row holds every part once, and they stand part by part.
    row = target.row[:: source.steps] if source.steps else target.row
    return source.row == row


def _is_none(head: Value) -> bool:
    return isinstance(head, Call) and head.name == NONE

"""The learned maps of a loss: which uses share a module, and the number of each module."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from a2ls_dsl.ir.nodes import LATENT, Builder, Predict, Row
from a2ls_dsl.lang.rules.types import steps, widths
from a2ls_dsl.lang.syntax.tree import Comparison, Head, Item, Rollout, map_of, number_of
from a2ls_dsl.words.entry import Sets
from a2ls_dsl.words.language import BINS, HEAD, HIDDEN, LINEAR, NONE, TRANSITION
from a2ls_dsl.words.maps import MAPS
from a2ls_dsl.words.registry import operators


@dataclass
class _Family:
    """Uses that share a module, or only its hidden layers if they predict several kinds of row.

    hidden: the number of the shared hidden layers, -1 if there is only one kind of row. numbers: for each
    kind of row, the number of the module (or of the last layer) that predicts it.
    """

    outputs: dict[Row, None] = field(default_factory=dict)
    hidden: int = -1
    numbers: dict[Row, int] = field(default_factory=dict)


class Maps:
    """The maps of a loss' terms. Heads come first, in the order of their terms, then the other maps."""

    def __init__(self, builder: Builder, terms: list[Comparison]) -> None:
        self._builder = builder
        self._families: dict[object, _Family] = {}
        uses = [use for name in MAPS for use in _uses(name, terms)]
        for key, output in uses:
            self._families.setdefault(key, _Family()).outputs[output] = None
        count = 0
        for key, output in uses:
            family = self._families[key]
            if len(family.outputs) > 1 and family.hidden < 0:
                family.hidden, count = count, count + 1
            if output not in family.numbers:
                family.numbers[output], count = count, count + 1

    def apply(self, name: str, place: int, term: Comparison, inputs: int, output: Row) -> int:
        """Apply the map `name` of the term at `place` to a row."""
        made = map_of(term, name)
        if made is None or made.kind == NONE:
            return inputs
        family = self._families[_key(name, place, made)]
        kind, layers, add = made.kind, made.layers, self._builder.add
        if family.hidden >= 0:
            units = Row(units=layers[-1])
            inputs = add(
                Predict(
                    inputs=(inputs,),
                    head=family.hidden,
                    kind=kind,
                    layers=layers,
                    output=units,
                    role=HIDDEN,
                )
            )
            kind, layers = LINEAR, ()
        number = family.numbers[output]
        return add(Predict(inputs=(inputs,), head=number, kind=kind, layers=layers, output=output, role=name))


def _uses(name: str, terms: list[Comparison]) -> Iterator[tuple[object, Row]]:
    """Each use of a map of this name: the key that identifies its module, and the row it predicts."""
    for place, term in enumerate(terms):
        if name == TRANSITION and not any(map(_applies, term.items)):
            continue
        made = map_of(term, name)
        if made is not None and made.kind != NONE:
            yield _key(name, place, made), predicted(term) if name == HEAD else LATENT


def _applies(item: Item) -> bool:
    """Whether an item applies a transition; the first state that a rollout visits is its start."""
    return isinstance(item, Rollout) and item.length > item.visited


def _key(name: str, place: int, made: Head) -> object:
    """Maps that share a name share a module; so do unnamed transitions that are written alike."""
    if made.name:
        return made.name
    return (name, made.kind, made.layers) if MAPS[name].together else (name, place)


def predicted(term: Comparison) -> Row:
    """The row that the head of a term predicts, at each step."""
    bins = int(number_of(term, BINS)) if operators[term.operator].sets is Sets.DATA_TARGET else 0
    return Row(widths(steps(term)[0][1]), bins)

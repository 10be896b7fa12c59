"""Variants of comparisons: with any mistake, or written in another way."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st
from strategies import any_comparisons, data, latents

from a2ls_dsl.lang.rules.canonical import SOURCE, TARGET, explicit_calls, is_fresh
from a2ls_dsl.lang.rules.types import rollouts
from a2ls_dsl.lang.syntax.tree import Call, Comparison, Element, Item, Option, Rollout
from a2ls_dsl.words.entry import Needs
from a2ls_dsl.words.language import HEAD, NONE, TRANSITION, Stream
from a2ls_dsl.words.maps import MAPS
from a2ls_dsl.words.registry import operators


@st.composite
def loose_comparisons(draw: st.DrawFn, horizon: int = 2) -> Comparison:
    """A comparison that may break a rule: a sound one with another operator, item, option or negatives."""
    term = draw(any_comparisons(horizon))
    entry = operators[draw(st.sampled_from(sorted(operators)))] if draw(st.booleans()) else None
    if entry is not None:
        term = replace(term, operator=entry.name, target=() if entry.unary else term.target or term.source)
    more = latents(horizon) | data(horizon)
    for side in ("source", "target"):
        items = list(getattr(term, side))
        if draw(st.integers(0, 3)) == 0 and items:
            items[draw(st.integers(0, len(items) - 1))] = draw(more)
        if draw(st.integers(0, 3)) == 0 and items:
            items.append(draw(more))
        term = replace(term, **{side: tuple(items)})
    term = replace(term, against_batch=term.against_batch != (draw(st.integers(0, 4)) == 0))
    if draw(st.booleans()):
        values = st.sampled_from([Call(NONE), Call("linear"), Call("mlp"), Call("mlp", (8.0,))])
        given = draw(values) if draw(st.booleans()) else draw(st.sampled_from([0.5, 3.0, 2.0]))
        names = [option.name for entry in operators.values() for option in entry.options]
        option = Option(HEAD if isinstance(given, Call) else draw(st.sampled_from(names)), given)
        kept = tuple(other for other in term.options if other.name != option.name)
        term = replace(term, options=(*kept, option))
    return term


@st.composite
def rewritten(draw: st.DrawFn, term: Comparison) -> Comparison:
    """The same comparison with elements shuffled and repeated, and with defaults written out."""

    def spelled(item: Item, side: str) -> Item:
        match item:
            case Element(Stream.STATE) if draw(st.booleans()):
                return replace(item, calls=explicit_calls(item, side))
            case Rollout(start):
                inner = spelled(start, side)
                return replace(item, start=inner if isinstance(inner, Element) else start)
        return item

    def scrambled(items: tuple[Item, ...], side: str) -> tuple[Item, ...]:
        again = [item for item in items if not is_fresh(item) and draw(st.booleans())]
        return tuple(spelled(item, side) for item in draw(st.permutations([*items, *again])))

    entry = operators[term.operator]
    options = list(draw(st.permutations(term.options)))
    names = {option.name for option in options}
    options += [
        Option(name, Call(MAPS[name].default))
        for name in entry.maps
        if name not in names and (name != TRANSITION or rollouts(term)) and draw(st.booleans())
    ]
    options += [
        Option(option.name, float(option.default))
        for option in entry.options
        if option.name not in names
        and not option.beside
        and draw(st.booleans())
        and (option.needs is not Needs.NEGATIVES or term.against_batch)
        and (option.needs is not Needs.ROLLOUT or rollouts(term))
    ]
    pair = [option for option in entry.options if option.beside and not names & {option.name, option.beside}]
    if draw(st.booleans()):
        options += [Option(option.name, float(option.default)) for option in pair]
    source, target = scrambled(term.source, SOURCE), scrambled(term.target, TARGET)
    return replace(term, source=source, target=target, options=tuple(options))

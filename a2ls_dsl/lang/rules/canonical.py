"""The canonical form of a loss, and with it the loss' identity.

Canonical means: references replaced by what they name, nested weights multiplied out, defaults left out
(numbers, encoders, options), two ways to write one computation joined (the return of one reward, the decay
of one step, `visited` of one action and its state, `infonce` and `cosine`), the items of every set sorted
(s, a, r, o, done, then time) and free of repetition, the terms of a sum sorted by their print, shared heads
called h1, h2, ... in the order of the terms. A view is a new draw each time it is called, so repeated views
stay; those of one name are one, and are called v1, v2, ...
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

from a2ls_dsl.lang.rules.sums import (
    canonical_weight,
    named_apart,
    ordered_terms,
    times,
    view_names,
    without_defaults,
)
from a2ls_dsl.lang.syntax.printer import print_loss
from a2ls_dsl.lang.syntax.tree import (
    Call,
    Comparison,
    Element,
    Item,
    Loss,
    Option,
    Ref,
    Return,
    Rollout,
    Weight,
    Weighted,
    elements_of,
    number_of,
)
from a2ls_dsl.words.agent import DRAWS, EMA, ONLINE, STOP, VALUE
from a2ls_dsl.words.entry import Kind
from a2ls_dsl.words.language import DECAY, TEMPERATURE, TRANSITION, Stream
from a2ls_dsl.words.maps import MAPS
from a2ls_dsl.words.registry import contrasts, functions, operators

SOURCE, TARGET = ONLINE, EMA
"""The sides of a comparison, named after the encoder that states have there by default."""


def canonical(loss: Loss, scope: Mapping[str, Loss] | None = None) -> Loss:
    """The canonical form of `loss`; `scope` maps the names it refers to onto canonical losses."""
    terms: list[Weighted] = []
    for place, weighted in enumerate(loss.terms):
        if isinstance(weighted.term, Ref):
            inner = named_apart((scope or {})[weighted.term.name], place)
            terms += [Weighted(times(weighted.weight, part.weight), part.term) for part in inner.terms]
        else:
            terms.append(Weighted(canonical_weight(weighted.weight), canonical_comparison(weighted.term)))
    ordered = Loss(ordered_terms(terms))
    if not any(view_names(part.term) for part in terms):
        return ordered
    # A view that has lost its name may be one without effect.
    again = [Weighted(weight, canonical_comparison(term)) for weight, term in comparisons(ordered)]
    return Loss(ordered_terms(again))


def canonical_comparison(term: Comparison) -> Comparison:
    """A comparison with sorted sets and without defaults; its heads keep their names."""
    term = _plain_contrast(term)
    source, target = canonical_set(term.source, SOURCE), canonical_set(term.target, TARGET)
    # Without a source it is the kind of a comparison, whose sets are still to come.
    idle = idle_options(lengths_of(source), lengths_of(target)) if source else []
    kept = [option for option in _sorted_options(term) if option.name not in idle]
    options = [replace(option, value=_plain(option.value), span=None) for option in kept]
    return Comparison(term.operator, source, target, term.against_batch, without_defaults(term, options))


def lengths_of(items: Iterable[Item]) -> frozenset[int]:
    """How many steps the rollouts of a set have."""
    return frozenset(item.length for item in items if isinstance(item, Rollout))


def idle_options(source: frozenset[int], target: frozenset[int]) -> list[str]:
    """The options that mean nothing, as rollouts of these lengths have one step, or there are none."""
    return [DECAY] * (source <= {1}) + [TRANSITION] * (not source | target)


def _plain_contrast(term: Comparison) -> Comparison:
    """`infonce` is `cosine` against the batch but for its default: only at cosine's it is written so."""
    contrast = contrasts.get(term.operator, "") if term.against_batch else term.operator
    entry = operators.get(contrast)
    if entry is None or not entry.contrast_of:
        return term
    temperature = number_of(term, TEMPERATURE)
    plain = temperature == number_of(Comparison(entry.contrast_of, ()), TEMPERATURE)
    others = tuple(option for option in term.options if option.name != TEMPERATURE)
    options = (*others, Option(TEMPERATURE, temperature))
    operator = entry.contrast_of if plain else contrast
    return replace(term, operator=operator, against_batch=plain, options=options)


def canonical_set(items: Iterable[Item], side: str) -> tuple[Item, ...]:
    """Items in canonical order without defaults; the same tensor named twice is one element."""
    return ordered_set(canonical_items(items, side))


def canonical_items(items: Iterable[Item], side: str) -> list[Item]:
    """Items without places and defaults, in the order given."""
    cached: dict[int, tuple[Call, ...]] = {}  # the elements of a run have one tuple of calls together

    def calls_of(element: Element) -> tuple[Call, ...]:
        place = id(element.calls)
        if place not in cached:
            cached[place] = _canonical_calls(drawn_calls(element), side)
        return cached[place]

    def bare(item: Item) -> Item:
        match item:
            case Element(stream, offset, calls):
                return Element(stream, offset, calls_of(item) if calls else (), until=item.until)
            case Rollout(start, _, 1, True):
                return Element(start.stream, start.offset, calls_of(start))
            case Rollout(start, first, length, visited):
                return Rollout(Element(start.stream, start.offset, calls_of(start)), first, length, visited)
            case Return(first, last, None) if first == last:
                return Element(Stream.REWARD, first)
            case Return(first, last, end, discount):
                value = Element(end.stream, end.offset, calls_of(end)) if end else None
                return Return(first, last, value, float(discount))

    return [bare(item) for item in items]


def drawn_calls(element: Element) -> tuple[Call, ...]:
    """The calls around an element, without the draw of one step out of one."""
    single = element.until is None and element.calls and element.calls[0].name in DRAWS
    return element.calls[1:] if single else element.calls


def ordered_set(items: Iterable[Item]) -> tuple[Item, ...]:
    """Items in canonical order, as written otherwise; what is equal and no fresh draw counts once."""
    plain, fresh = dict[Item, None](), list[Item]()
    for item in items:
        if is_fresh(item):
            fresh.append(item)
        else:
            plain[item] = None
    # Views stand behind all plain elements of their stream, so that both kinds can print as runs.
    return tuple(sorted([*plain, *fresh], key=lambda item: item.order))


def ordered_comparison(term: Comparison) -> Comparison:
    """A comparison with sorted sets and options, as written otherwise."""
    source, target = ordered_set(term.source), ordered_set(term.target)
    return replace(term, source=source, target=target, options=tuple(_sorted_options(term)))


def views_of(item: Item) -> list[Call]:
    """The views that an item calls, innermost first."""
    if isinstance(item, Element) and not item.calls:
        return []
    calls = (call for element in elements_of([item]) for call in element.calls)
    return [call for call in calls if _kind(call) is Kind.VIEW]


def is_fresh(item: Item) -> bool:
    """Whether each occurrence of an item is a draw of its own: it calls a view, and the last has no name."""
    views = views_of(item)
    return bool(views) and not views[-1].shared


def without_effect(calls: Sequence[Call]) -> dict[int, str]:
    """The calls around a state that change nothing, by their places in a chain, and why; innermost first."""
    reasons = dict[int, str]()
    for place, (inner, outer) in enumerate(pairwise(calls)):
        if inner.name in DRAWS and outer.name in functions and functions[outer.name].uncropped:
            reasons[place + 1] = "of a step that is drawn, only what the agent sees is known"
        if _is_scale_free(inner) and _is_scale_free(outer):
            reasons[place] = f"`{outer.name}` divides by the size anew"
        uncropped = outer.name in functions and functions[outer.name].uncropped
        if _kind(inner) is Kind.VIEW and uncropped and not outer.shared:
            reasons[place + 1] = f"what `{inner.name}` gives is as large as the agent's frames already"
    return reasons


def explicit_calls(element: Element, side: str) -> tuple[Call, ...]:
    """The calls of a state with the encoder written out and every number filled in, innermost first.

    What backends read. A state under `value` is encoded by the target encoder unless it says otherwise.
    """
    calls = [replace(call, numbers=_with_defaults(call)) for call in element.calls]
    if any(_kind(call) is Kind.ENCODER for call in calls):
        return tuple(calls)
    encoder = EMA if any(call.name == VALUE for call in calls) else side
    before = sum(_kind(call) in (Kind.DRAW, Kind.VIEW) for call in calls)
    return (*calls[:before], Call(encoder), *calls[before:])


def comparisons(loss: Loss) -> tuple[tuple[Weight, Comparison], ...]:
    """The weights and comparisons of a loss without references."""
    return tuple(
        (weighted.weight, weighted.term) for weighted in loss.terms if isinstance(weighted.term, Comparison)
    )


def single(comparison: Comparison) -> Loss:
    """The canonical loss that consists of one comparison with weight 1."""
    return canonical(Loss((Weighted(1.0, comparison),)))


def key(loss: Loss) -> str:
    """32 hexadecimal digits that name a canonical loss: a hash of its print."""
    import hashlib  # takes longer to import than a file takes to check

    return hashlib.sha256(print_loss(loss).encode()).hexdigest()[:32]


def _canonical_calls(calls: Iterable[Call], side: str) -> tuple[Call, ...]:
    written = [replace(call, numbers=_without_defaults(call), spans=()) for call in calls]
    if any(call.name == STOP for call in written):
        # No gradient passes a normaliser of what has none: `stop` around one is `stop` inside it.
        order = list(Kind)
        written.sort(key=lambda call: order.index(_kind(call) or Kind.ESTIMATE))
    if any(call.name == VALUE for call in written):
        # A value has no gradient, so there the encoder as it is now is `stop`.
        written = [Call(STOP) if call.name == ONLINE else call for call in written]
        side = EMA
    idle = without_effect(written)
    return tuple(call for place, call in enumerate(written) if call.name != side and place not in idle)


def _with_defaults(call: Call) -> tuple[float, ...]:
    return functions[call.name].numbers(call.numbers) if call.name in functions else call.numbers


def _without_defaults(call: Call) -> tuple[float, ...]:
    """The numbers of a call up to the last one that is no default."""
    numbers = tuple(float(number) for number in call.numbers)
    defaults = functions[call.name].numbers(()) if call.name in functions else ()
    while numbers and len(numbers) <= len(defaults) and numbers[-1] == defaults[len(numbers) - 1]:
        numbers = numbers[:-1]
    return numbers


def _sorted_options(term: Comparison) -> list[Option]:
    """Learned maps first, then the others in the order of the table."""
    entry = operators.get(term.operator)
    names = [*MAPS, *(option.name for option in entry.options)] if entry else [*MAPS]
    ranks = {name: rank for rank, name in enumerate(names)}
    return sorted(term.options, key=lambda option: (ranks.get(option.name, len(ranks)), option.name))


def _plain(value: float | Call) -> float | Call:
    return Call(value.name, tuple(map(float, value.numbers))) if isinstance(value, Call) else float(value)


def _is_scale_free(call: Call) -> bool:
    return call.name in functions and functions[call.name].scale_free


def _kind(call: Call) -> Kind | None:
    return functions[call.name].kind if call.name in functions else None

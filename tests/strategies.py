"""Random losses of the whole language for property tests.

Every stream, function, operator and option, rollouts, returns, shared heads and schedules.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import strategies as st
from paper_losses import A, R, S

from a2ls_dsl.diagnostics import Diagnostic, Severity
from a2ls_dsl.lang.rules.canonical import canonical, canonical_comparison
from a2ls_dsl.lang.rules.check import check
from a2ls_dsl.lang.rules.sums import with_elements
from a2ls_dsl.lang.rules.types import Width, rollouts, steps, widths
from a2ls_dsl.lang.syntax.tree import (
    Call,
    Comparison,
    Definition,
    Element,
    Head,
    Item,
    Loss,
    LossFile,
    Option,
    Return,
    Rollout,
    Schedule,
    Weighted,
    map_of,
    number_of,
)
from a2ls_dsl.words.agent import VALUE
from a2ls_dsl.words.entry import Kind, Needs, Negatives, Operator, Sets
from a2ls_dsl.words.language import HEAD, HIGH, LOW, NONE, TRANSITION, Stream
from a2ls_dsl.words.maps import MAPS
from a2ls_dsl.words.numbers import Range
from a2ls_dsl.words.registry import functions, heads, operators


def numbers(allowed: Range, default: float) -> st.SearchStrategy[float]:
    """Numbers that a parameter takes, often its default."""
    if allowed.whole:
        others = st.integers(int(allowed.least), int(min(allowed.most, allowed.least + 200))).map(float)
    else:
        others = st.floats(allowed.least, allowed.most, exclude_min=allowed.above, exclude_max=allowed.below)
    return st.just(float(default)) | others


@st.composite
def calls_of(draw: st.DrawFn, kind: Kind) -> Call:
    function = draw(st.sampled_from([function for function in functions.values() if function.kind is kind]))
    given = [draw(numbers(parameter.range, parameter.default)) for parameter in function.parameters]
    return Call(function.name, tuple(given[: draw(st.integers(0, len(given)))]))


@st.composite
def chains(draw: st.DrawFn, encoders: Sequence[str] = ("", "online", "ema", "stop")) -> tuple[Call, ...]:
    """Calls around a state that give a latent; `encoders` are those to choose from, "" the default."""
    views = draw(st.lists(calls_of(Kind.VIEW), max_size=2))
    encoder = draw(st.sampled_from(encoders))
    normalisers = draw(st.lists(calls_of(Kind.NORMALISER), max_size=2))
    return (*views, *([Call(encoder)] if encoder else []), *normalisers)


@st.composite
def data(draw: st.DrawFn, horizon: int, raw: bool = True, drawn: bool = True) -> Item:
    """An item without gradient: an action, a reward, a flag, a value, a return, with `raw` an observation."""
    kinds = [A, R, Stream.DONE, VALUE, "return", *([Stream.RAW] if raw else [])]
    kind, first = draw(st.sampled_from(kinds)), draw(st.integers(0, horizon))
    if kind == VALUE:
        return Element(S, first, (*draw(chains()), Call(VALUE)))
    if kind == "return":
        last = draw(st.integers(first, first + 3))
        ends = (Element(S, last + 1, (*draw(chains()), Call(VALUE))), None)
        return Return(first, last, draw(st.sampled_from(ends)), draw(st.sampled_from([0.99, 1.0, 0.5])))
    return draw(placed(Stream(kind), first, (), drawn))


@st.composite
def placed(draw: st.DrawFn, stream: Stream, first: int, calls: tuple[Call, ...], drawn: bool) -> Element:
    """An element at a step; if it may be `drawn`, perhaps at one of several."""
    if not drawn or draw(st.integers(0, 3)):
        return Element(stream, first, calls)
    chosen = draw(calls_of(Kind.DRAW))
    until = draw(st.integers(first, first + 3))
    return Element(stream, first, (chosen, *calls), until=until if until > first else None)


@st.composite
def latents(
    draw: st.DrawFn,
    horizon: int,
    encoders: Sequence[str] = ("", "online", "ema", "stop"),
    drawn: bool = True,
) -> Element:
    return draw(placed(S, draw(st.integers(0, horizon)), draw(chains(encoders)), drawn))


@st.composite
def sets(draw: st.DrawFn, entry: Operator, horizon: int) -> tuple[tuple[Item, ...], tuple[Item, ...]]:
    """Source and target of a comparison without rollouts."""
    learned = draw(latents(horizon, ("", "online")))
    if entry.sets is Sets.TRANSITION:
        reward = draw(st.sampled_from([Element(R, 0), Return(0, 1), Return(0, 0, None, 0.5)]))
        start = draw(latents(horizon, drawn=False))
        return (learned,), (reward, draw(st.sampled_from([start, Rollout(start, start.offset, 1)])))
    if entry.sets is Sets.LATENTS:
        source = (learned, *draw(st.lists(latents(horizon), max_size=2)))
        # Repetition goes away in canonical form, and without a head both sides hold equally many.
        count = len(canonical_comparison(Comparison(entry.name, source)).source)
        target = [replace(draw(latents(0, drawn=False)), offset=place) for place in range(count)]
        return source, () if entry.unary else tuple(target)
    any_item = latents(horizon) | data(horizon)
    of_target = data(horizon, raw=False) if entry.sets is Sets.DATA_TARGET else any_item
    source = (learned, *draw(st.lists(any_item, max_size=4)))
    return source, tuple(draw(st.lists(of_target, min_size=1, max_size=4)))


@st.composite
def rolled(draw: st.DrawFn, entry: Operator, horizon: int) -> tuple[tuple[Item, ...], tuple[Item, ...]]:
    """Source and target of a comparison step by step."""
    length = draw(st.integers(1, 4))
    starts = [draw(latents(horizon, ("", "online"), drawn=False))]
    starts += (
        draw(st.lists(latents(horizon, drawn=False), max_size=1)) if entry.sets is not Sets.LATENTS else []
    )
    groups: dict[object, list[Item]] = {}
    any_item = latents(horizon, drawn=False) | data(horizon, drawn=False)
    of_target = data(horizon, raw=False, drawn=False) if entry.sets is Sets.DATA_TARGET else any_item
    if entry.sets is Sets.LATENTS:
        of_target = latents(horizon, drawn=False)
    for first in draw(st.lists(of_target, min_size=1, max_size=1 if entry.sets is Sets.LATENTS else 3)):
        run = [_later(first, step) for step in range(length)]
        shape = canonical_comparison(Comparison(entry.name, (), (_later(first, -first.last),))).target
        groups[shape] = run
    source: list[Item] = [Rollout(start, start.offset, length, draw(st.booleans())) for start in starts]
    if entry.sets is not Sets.LATENTS and draw(st.booleans()):
        first = draw(any_item)
        source += [_later(first, step) for step in range(length)]
    return tuple(source), tuple(item for run in groups.values() for item in run)


def _later(item: Item, steps: int) -> Item:
    match item:
        case Return(first, last, bootstrap, discount):
            end = replace(bootstrap, offset=bootstrap.offset + steps) if bootstrap else None
            return Return(first + steps, last + steps, end, discount)
        case Element(_, offset, _):
            return replace(item, offset=offset + steps)
    raise TypeError(item)


@st.composite
def maps(draw: st.DrawFn, kinds: Sequence[str]) -> Call:
    """A learned map of one of these kinds."""
    kind = draw(st.sampled_from(kinds))
    layers = draw(st.lists(st.integers(1, 64), min_size=1, max_size=2)) if heads[kind].layers else []
    return Call(kind, tuple(map(float, layers)))


@st.composite
def any_comparisons(draw: st.DrawFn, horizon: int = 4) -> Comparison:
    """A canonical comparison of any operator, free of errors; its head is its own."""
    entry = draw(st.sampled_from(list(operators.values())))
    steps_apply = not (entry.unary or entry.pairwise)
    source, target = draw(
        rolled(entry, horizon) if steps_apply and draw(st.booleans()) else sets(entry, horizon)
    )
    against = entry.negatives is Negatives.ON_REQUEST and draw(st.booleans())
    bare = canonical_comparison(Comparison(entry.name, source, target, against))
    options = [
        Option(option.name, draw(numbers(option.range, option.default)))
        for option in entry.options
        if draw(st.booleans())
        and (option.needs is not Needs.NEGATIVES or against)
        and (option.needs is not Needs.ROLLOUT or rollouts(bare))
    ]
    ends = {option.value for option in options if option.name in (LOW, HIGH)}
    options = [option for option in options if option.name not in (LOW, HIGH)]
    if len(ends) == 2:
        options += map(Option, (LOW, HIGH), sorted(ends))
    here, there = steps(bare)[0]
    for name in entry.maps:
        kinds = [head.name for head in heads.values() if name == TRANSITION or not head.residual]
        needed = entry.needs_head or widths(here) != widths(there)
        if name == TRANSITION or (name == HEAD and needed):
            kinds.remove(NONE)
        rolls = any(isinstance(item, Rollout) for item in bare.items)
        if (name != TRANSITION or rolls) and draw(st.booleans()):
            options.append(Option(name, draw(maps(kinds))))
    return canonical_comparison(replace(bare, options=tuple(options)))


WEIGHTS = st.sampled_from([0.1, 0.5, 1.0, 2.0, 25.0]) | st.builds(
    Schedule, st.sampled_from([0.0, 1.0]), st.sampled_from([0.5, 1.0]), st.integers(1, 10**6)
)


@st.composite
def any_losses(draw: st.DrawFn, horizon: int = 4, terms: int = 3) -> Loss:
    """Canonical losses of the whole language, some of whose learned maps are shared."""
    drawn = draw(st.lists(any_comparisons(horizon), min_size=1, max_size=terms))
    drawn += draw(st.lists(st.sampled_from(drawn), max_size=1))  # equal terms are allowed, and share well
    drawn = draw(named_views(drawn))
    named: dict[object, str] = {}
    for place, term in enumerate(drawn):
        for option_name in MAPS:
            made = map_of(term, option_name)
            rolls = any(isinstance(item, Rollout) for item in term.items)
            if made is None or made.kind == NONE or (option_name == TRANSITION and not rolls):
                continue
            if draw(st.booleans()):
                name = named.setdefault(_make(drawn[place], option_name, made), f"n{len(named)}")
                option = Option(option_name, Call(made.kind, tuple(map(float, made.layers))), name)
                others = [option for option in drawn[place].options if option.name != option_name]
                drawn[place] = replace(drawn[place], options=(option, *others))
    return canonical(Loss(tuple(Weighted(draw(WEIGHTS), term) for term in drawn)))


@st.composite
def named_views(draw: st.DrawFn, terms: list[Comparison]) -> list[Comparison]:
    """The terms with views that stand in several places; a term that needs other rows stays as it is."""
    pool = draw(st.lists(st.lists(calls_of(Kind.VIEW), min_size=1, max_size=2), max_size=2))
    views = [
        (draw(st.integers(0, 1)), (*calls[:-1], replace(calls[-1], shared=f"x{place}")))
        for place, calls in enumerate(pool)
    ]

    def viewed(element: Element) -> Element:
        at = [calls for offset, calls in views if offset == element.offset]
        if not at or element.stream is not S or element.until is not None or draw(st.booleans()):
            return element
        rest = [call for call in element.calls if functions[call.name].kind not in (Kind.VIEW, Kind.DRAW)]
        return replace(element, calls=(*draw(st.sampled_from(at)), *rest))

    changed = list[Comparison]()
    for term in terms:
        source, target = (
            tuple(with_elements(item, viewed) for item in items) for items in (term.source, term.target)
        )
        other = canonical_comparison(replace(term, source=source, target=target))
        changed.append(term if _errors(other) else other)
    return changed


def _errors(term: Comparison) -> list[Diagnostic]:
    file = LossFile((Definition("mine", Loss((Weighted(1.0, term),))),))
    return [diagnostic for diagnostic in check(file) if diagnostic.severity is Severity.ERROR]


def _make(term: Comparison, name: str, made: Head) -> object:
    """What maps of one name have in common: how they are written, what they read, and what they predict.

    Those with hidden layers may predict other rows; their last layers are their own.
    """
    here, there = steps(term)[0]
    if name != HEAD:
        read = (Width.LATENT, Width.ACTION) if name == TRANSITION else (Width.LATENT,)
        return made, read, () if made.layers else (Width.LATENT,)
    bins = number_of(term, "bins", 1.0)
    return made, widths(here), () if made.layers else (widths(there), bins)

"""From the tree to the representation, naively: each element is sampled and encoded. Passes do the rest."""

from __future__ import annotations

from collections.abc import Sequence

from a2ls_dsl.ir.maps import Maps, predicted
from a2ls_dsl.ir.nodes import (
    LATENT,
    Add,
    Augment,
    Builder,
    Choose,
    Compare,
    Concat,
    Discount,
    Draw,
    Encode,
    Estimate,
    Normalise,
    OverSteps,
    Program,
    Sample,
    Spread,
    Stop,
    Unless,
    WeightedSum,
)
from a2ls_dsl.lang.rules.canonical import SOURCE, TARGET, comparisons, explicit_calls
from a2ls_dsl.lang.rules.types import (
    NATURAL_RANGES,
    groups,
    is_latent,
    rollouts,
    steps,
    trains_encoder,
    type_of,
)
from a2ls_dsl.lang.syntax.tree import (
    Call,
    Comparison,
    Element,
    Item,
    Loss,
    Return,
    Rollout,
    Schedule,
    Weight,
    map_of,
    number_of,
)
from a2ls_dsl.words.entry import Kind, Needs, Sets, Type
from a2ls_dsl.words.language import (
    BINS,
    DECAY,
    HEAD,
    HIGH,
    LOW,
    NONE,
    PROJECTOR,
    SMOOTHING,
    SPREAD,
    TRANSITION,
    Stream,
)
from a2ls_dsl.words.registry import functions, heads, operators

_SYMLOG = (Type.REWARD, Type.VALUE, Type.RETURN)
"""Types without bounds: their bins are spaced evenly in symlog."""


def lower(loss: Loss) -> Program:
    """The program of a canonical loss: for each term ``op(h(g(source)), g'(target))`` (He et al. 2022)."""
    terms = comparisons(loss)
    lowering = _Lowering([term for _, term in terms])
    results = tuple(lowering.term(number, term) for number, (_, term) in enumerate(terms))
    lowering.builder.add(WeightedSum(inputs=results, weights=tuple(weight for weight, _ in terms)))
    return lowering.builder.program()


def is_paper_shaped(loss: Loss) -> bool:
    """Whether a canonical loss is one of He et al. 2022, or a sum of such.

    That is: their five operators over s, a and r, with `crop` as the only function, without options and with
    constant weights. A stack computes these on a separate path.
    """
    return all(_is_paper_shaped(weight, term) for weight, term in comparisons(loss))


def _is_paper_shaped(weight: Weight, term: Comparison) -> bool:
    streams = (Stream.STATE, Stream.ACTION, Stream.REWARD)
    return (
        not isinstance(weight, Schedule)
        and operators[term.operator].form is not None
        and not term.options
        and all(
            isinstance(item, Element) and item.stream in streams and _only_cropped(item.calls)
            for item in term.items
        )
    )


def _only_cropped(calls: tuple[Call, ...]) -> bool:
    """Whether a state is cropped at most: a window already holds the draws of its crops, each of its own."""
    return not calls or (len(calls) == 1 and functions[calls[0].name].uncropped and not calls[0].shared)


class _Lowering:
    """Adds terms in order and numbers their draws."""

    def __init__(self, terms: list[Comparison]) -> None:
        self.builder = Builder()
        self._maps = Maps(self.builder, terms)
        self._draws = 0
        self._chosen: dict[object, int] = {}
        self._views: dict[str, int] = {}

    def term(self, number: int, term: Comparison) -> int:
        """The scalar of a comparison. Equal draws from runs of equal length are a single draw."""
        add = self.builder.add
        self._chosen = {}
        if operators[term.operator].sets is Sets.TRANSITION:
            after, reward = term.target  # in canonical order states come first
            parts = [
                self._item(term.source[0], SOURCE),
                self._item(reward, TARGET),
                self._next(number, term, after),
            ]
            return add(self._compare(number, term, parts))
        if not rollouts(term):
            source = self._row(number, term, term.source, SOURCE)
            return self._step(number, term, source, term.target)
        # Sources are rolled out before targets, so their draws come first, as in a term without rollouts.
        columns: list[Sequence[int | Item]] = [
            self._rollout(number, term, part[0], SOURCE) if isinstance(part[0], Rollout) else part
            for part in groups(term.source)
        ]
        results = []
        for place, (_, target) in enumerate(steps(term)):
            sources = [column[place] for column in columns]
            row = [
                self._maps.apply(PROJECTOR, number, term, part, LATENT)
                if isinstance(part, int)
                else self._projected(number, term, part, SOURCE)
                for part in sources
            ]
            source = add(Concat(inputs=tuple(row)))
            results.append(self._step(number, term, source, target))
        return add(OverSteps(inputs=tuple(results), decay=number_of(term, DECAY, 1.0)))

    def _step(self, number: int, term: Comparison, source: int, target: tuple[Item, ...]) -> int:
        """The operator on a source row and the row of a target."""
        entry = operators[term.operator]
        rows = [self._maps.apply(HEAD, number, term, source, predicted(term))]
        if not entry.unary:
            rows.append(self._row(number, term, target, TARGET))
        return self.builder.add(self._compare(number, term, rows))

    def _compare(self, number: int, term: Comparison, inputs: list[int]) -> Compare:
        entry = operators[term.operator]
        self._draws += entry.draws
        elsewhere = (DECAY, *SPREAD[1:]) if entry.sets is Sets.DATA_TARGET else (DECAY,)
        options = tuple(
            (option.name, float(number_of(term, option.name)))
            for option in entry.options
            if option.name not in elsewhere and (option.needs is not Needs.NEGATIVES or term.against_batch)
        )
        return Compare(
            inputs=tuple(inputs),
            term=number,
            operator=term.operator,
            against_batch=term.against_batch,
            options=options,
            draw=self._draws if entry.draws else 0,
        )

    def _row(self, number: int, term: Comparison, items: tuple[Item, ...], side: str) -> int:
        parts = [self._projected(number, term, item, side) for item in items]
        if side == TARGET and operators[term.operator].sets is Sets.DATA_TARGET:
            parts = [self._spread(term, *part) for part in zip(items, parts, strict=True)]
        return self.builder.add(Concat(inputs=tuple(parts)))

    def _spread(self, term: Comparison, item: Item, part: int) -> int:
        """The numbers of an item of a target, spread over bins of their natural range or of a given one."""
        low, high = number_of(term, LOW, 0), number_of(term, HIGH, 0)
        natural, kind = low == high, type_of(item)
        low, high = NATURAL_RANGES[kind] if natural else (low, high)
        spread = Spread(
            inputs=(part,),
            bins=int(number_of(term, BINS)),
            low=low,
            high=high,
            symlog=natural and kind in _SYMLOG,
            smoothing=number_of(term, SMOOTHING, 0),
        )
        return self.builder.add(spread)

    def _projected(self, number: int, term: Comparison, item: Item, side: str) -> int:
        """An item; a latent goes through its projector, which is trained where the encoder is."""
        part = self._item(item, side)
        made = map_of(term, PROJECTOR)
        if not is_latent(item) or made is None or made.kind == NONE:
            return part
        part = self._maps.apply(PROJECTOR, number, term, part, LATENT)
        return part if trains_encoder(item, side) else self.builder.add(Stop(inputs=(part,)))

    def _next(self, number: int, term: Comparison, item: Item) -> int:
        """The next state of a transition: encoded, or predicted by a model that is trained elsewhere."""
        if not isinstance(item, Rollout):
            return self._item(item, TARGET)
        (latent,) = self._rollout(number, term, item, TARGET)
        return latent if trains_encoder(item, TARGET) else self.builder.add(Stop(inputs=(latent,)))

    def _item(self, item: Item, side: str) -> int:
        match item:
            case Element():
                return self._element(item, side)
            case Return():
                return self._return(item)
            case Rollout():
                raise TypeError("a rollout is several items, one for each step")

    def _sample(self, stream: Stream, element: Element) -> int:
        """A stream at the step of an element, or at a step drawn for it."""
        add, last = self.builder.add, element.last
        steps = [add(Sample(stream=stream, offset=offset)) for offset in range(element.offset, last + 1)]
        if element.until is None:
            return steps[0]
        call = element.calls[0]
        numbers = functions[call.name].numbers(call.numbers)
        key = call.name, numbers, len(steps)
        if key not in self._chosen:
            self._draws += 1
            ratio = numbers[0] if numbers else 1.0
            drawn = Draw(inputs=(steps[0],), draw=self._draws, count=len(steps), ratio=ratio)
            self._chosen[key] = add(drawn)
        return add(Choose(inputs=(self._chosen[key], *steps)))

    def _element(self, element: Element, side: str) -> int:
        add = self.builder.add
        calls = explicit_calls(element, side) if element.stream is Stream.STATE else ()
        made = [place for place, call in enumerate(calls, start=1) if call.shared in self._views]
        if made:  # a view that has a name is made once
            value = self._views[calls[made[-1] - 1].shared or ""]
        else:
            value = self._sample(element.stream, element)
        seen = value
        for call in calls[made[-1] if made else 0 :]:
            match functions[call.name].kind:
                case Kind.VIEW:
                    self._draws += 1
                    augment = Augment(inputs=(value,), view=call.name, draw=self._draws, numbers=call.numbers)
                    value = seen = add(augment)
                    if call.shared:
                        self._views[call.shared] = value
                case Kind.ENCODER:
                    value = add(Encode(inputs=(value,), encoder=call.name))
                case Kind.NORMALISER:
                    value = add(Normalise(inputs=(value,), name=call.name, numbers=call.numbers))
                case Kind.ESTIMATE:
                    done = self._sample(Stream.DONE, element)
                    value = add(Unless(inputs=(add(Estimate(inputs=(value, seen))), done)))
        return value

    def _return(self, item: Return) -> int:
        add = self.builder.add
        parts = [
            add(Sample(stream=Stream.REWARD, offset=offset))
            for offset in range(item.first, item.last_reward + 1)
        ]
        parts += [self._element(item.bootstrap, TARGET)] if item.bootstrap else []
        return add(Discount(inputs=tuple(parts), discount=item.discount))

    def _rollout(self, number: int, term: Comparison, item: Rollout, side: str) -> list[int]:
        """The latents of the steps; normalisers around the start also apply after every step."""
        add = self.builder.add
        latent = self._element(item.start, side)
        made = map_of(term, TRANSITION)
        latents = [latent] if item.visited else []
        after = [call for call in explicit_calls(item.start, side) if _normalises(call)]
        for offset in range(item.first, item.first + item.length - item.visited):
            action = add(Sample(stream=Stream.ACTION, offset=offset))
            row = add(Concat(inputs=(latent, action)))
            step = self._maps.apply(TRANSITION, number, term, row, LATENT)
            residual = made is not None and heads[made.kind].residual
            latent = add(Add(inputs=(latent, step))) if residual else step
            for call in after:
                latent = add(Normalise(inputs=(latent,), name=call.name, numbers=call.numbers))
            latents.append(latent)
        return latents


def _normalises(call: Call) -> bool:
    return functions[call.name].kind is Kind.NORMALISER

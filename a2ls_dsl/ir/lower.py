"""From the tree to the representation, naively: one sample and one encode an element. Passes do the rest."""

from __future__ import annotations

from a2ls_dsl.ir.nodes import (
    Augment,
    Builder,
    Compare,
    Concat,
    Discount,
    Encode,
    Estimate,
    Normalise,
    OverSteps,
    Predict,
    Program,
    Row,
    Sample,
    Spread,
    Transition,
    Unless,
    WeightedSum,
)
from a2ls_dsl.lang.rules.canonical import SOURCE, TARGET, comparisons, explicit_calls
from a2ls_dsl.lang.rules.types import NATURAL_RANGES, rollouts, steps, type_of, widths
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
    head_of,
    number_of,
)
from a2ls_dsl.words.entry import Kind, Needs, Sets, Type
from a2ls_dsl.words.language import BINS, DECAY, NONE, SMOOTHING, Stream
from a2ls_dsl.words.registry import functions, operators

_SYMLOG = (Type.REWARD, Type.VALUE, Type.RETURN)
"""What has no bounds: its bins lie evenly in symlog."""


def lower(loss: Loss) -> Program:
    """The program of a canonical loss: for each term ``op(h(g(source)), g'(target))`` (He et al. 2022)."""
    lowering = _Lowering()
    terms = comparisons(loss)
    results = tuple(lowering.term(number, term) for number, (_, term) in enumerate(terms))
    lowering.builder.add(WeightedSum(inputs=results, weights=tuple(weight for weight, _ in terms)))
    return lowering.builder.program()


def is_paper_shaped(loss: Loss) -> bool:
    """Whether a canonical loss is one of He et al. 2022, or a sum of such.

    That is: their five operators over s, a and r, with `crop` as the only function, without options and with
    constant weights. A stack computes these by a path of its own.
    """
    return all(_is_paper_shaped(weight, term) for weight, term in comparisons(loss))


def _is_paper_shaped(weight: Weight, term: Comparison) -> bool:
    known = (Stream.STATE, Stream.ACTION, Stream.REWARD)
    return (
        not isinstance(weight, Schedule)
        and operators[term.operator].form is not None
        and not term.options
        and all(
            isinstance(item, Element) and item.stream in known and _only_cropped(item.calls)
            for item in term.items
        )
    )


def _only_cropped(calls: tuple[Call, ...]) -> bool:
    """Whether a state is at most cropped: a window holds the draws of crops."""
    return not calls or (len(calls) == 1 and functions[calls[0].name].uncropped)


class _Lowering:
    """Numbers draws and heads while terms are added one after the other."""

    def __init__(self) -> None:
        self.builder = Builder()
        self._draws = 0
        self._heads = 0
        self._shared: dict[str, int] = {}

    def term(self, number: int, term: Comparison) -> int:
        """The scalar of a comparison."""
        add = self.builder.add
        if operators[term.operator].sets is Sets.TRANSITION:
            after, reward = term.target  # in canonical order states come first
            parts = [
                self._item(term.source[0], SOURCE),
                self._item(reward, TARGET),
                self._item(after, TARGET),
            ]
            return add(self._compare(number, term, parts))
        head = self._head(term)
        if not rollouts(term):
            source = self._row(term.source, SOURCE, 0)
            return self._step(number, term, source, term.target, head)
        # Rolled out before the targets: their draws come first, as in a term without rollouts.
        latents = [self._rollout(each) for each in rollouts(term)]
        results = []
        for place, (_, target) in enumerate(steps(term)):
            source = add(Concat(inputs=tuple(each[place] for each in latents)))
            results.append(self._step(number, term, source, target, head))
        return add(OverSteps(inputs=tuple(results), decay=number_of(term, DECAY, 1.0)))

    def _step(self, number: int, term: Comparison, source: int, target: tuple[Item, ...], head: int) -> int:
        """The operator on a source row and the row of a target."""
        entry = operators[term.operator]
        bins = int(number_of(term, BINS)) if entry.sets is Sets.DATA_TARGET else 0
        made = head_of(term)
        prediction = source
        if made is not None and made.kind != NONE:
            output = Row(widths(target), bins)
            prediction = self.builder.add(
                Predict(inputs=(source,), head=head, kind=made.kind, layers=made.layers, output=output)
            )
        rows = (
            [prediction]
            if entry.unary
            else [prediction, self._row(target, TARGET, bins, number_of(term, SMOOTHING, 0))]
        )
        return self.builder.add(self._compare(number, term, rows))

    def _compare(self, number: int, term: Comparison, inputs: list[int]) -> Compare:
        entry = operators[term.operator]
        self._draws += entry.draws
        elsewhere = (DECAY, SMOOTHING) if entry.sets is Sets.DATA_TARGET else (DECAY,)
        options = tuple(
            (each.name, float(number_of(term, each.name)))
            for each in entry.options
            if each.name not in elsewhere and (each.needs is not Needs.NEGATIVES or term.against_batch)
        )
        return Compare(
            inputs=tuple(inputs),
            term=number,
            operator=term.operator,
            against_batch=term.against_batch,
            options=options,
            draw=self._draws if entry.draws else 0,
        )

    def _head(self, term: Comparison) -> int:
        """The number of a term's head: that of the first term that names it, if it has a name."""
        head = head_of(term)
        if head is None or head.kind == NONE:
            return -1
        if head.name in self._shared:
            return self._shared[head.name]
        number = self._heads
        self._heads += 1
        if head.name:
            self._shared[head.name] = number
        return number

    def _row(self, items: tuple[Item, ...], side: str, bins: int, smoothing: float = 0) -> int:
        parts = []
        for item in items:
            part = self._item(item, side)
            if bins:
                kind = type_of(item)
                low, high = NATURAL_RANGES[kind]
                spread = Spread(
                    inputs=(part,),
                    bins=bins,
                    low=low,
                    high=high,
                    symlog=kind in _SYMLOG,
                    smoothing=smoothing,
                )
                part = self.builder.add(spread)
            parts.append(part)
        return self.builder.add(Concat(inputs=tuple(parts)))

    def _item(self, item: Item, side: str) -> int:
        match item:
            case Element():
                return self._element(item, side)
            case Return():
                return self._return(item)
            case Rollout():
                raise TypeError("a rollout is several items, one a step")

    def _element(self, element: Element, side: str) -> int:
        add = self.builder.add
        value = add(Sample(stream=element.stream, offset=element.offset))
        if element.stream is not Stream.STATE:
            return value
        seen = value
        for call in explicit_calls(element, side):
            match functions[call.name].kind:
                case Kind.VIEW:
                    self._draws += 1
                    augment = Augment(inputs=(value,), view=call.name, draw=self._draws, numbers=call.numbers)
                    value = seen = add(augment)
                case Kind.ENCODER:
                    value = add(Encode(inputs=(value,), encoder=call.name))
                case Kind.NORMALISER:
                    value = add(Normalise(inputs=(value,), name=call.name, numbers=call.numbers))
                case Kind.ESTIMATE:
                    done = add(Sample(stream=Stream.DONE, offset=element.offset))
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

    def _rollout(self, item: Rollout) -> list[int]:
        """The latents of the steps; normalisers around the start are applied after every step, too."""
        add = self.builder.add
        latent, found = self._element(item.start, SOURCE), list[int]()
        after = [each for each in explicit_calls(item.start, SOURCE) if _normalises(each)]
        for offset in range(item.first, item.first + item.length):
            action = add(Sample(stream=Stream.ACTION, offset=offset))
            latent = add(Transition(inputs=(latent, action)))
            for call in after:
                latent = add(Normalise(inputs=(latent,), name=call.name, numbers=call.numbers))
            found.append(latent)
        return found


def _normalises(call: Call) -> bool:
    return functions[call.name].kind is Kind.NORMALISER

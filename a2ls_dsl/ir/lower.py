"""From the tree to the representation, naively: one sample and one encode an element. Passes do the rest."""

from __future__ import annotations

from a2ls_dsl.ir.nodes import (
    Augment,
    Builder,
    Compare,
    Concat,
    Encode,
    Predict,
    Program,
    Row,
    Sample,
    WeightedSum,
)
from a2ls_dsl.lang.ast import Comparison, Element, Loss, Stream
from a2ls_dsl.lang.canonical import comparisons


def lower(loss: Loss) -> Program:
    """The program of a canonical loss: for each term ``op(h(g(source)), g'(target))`` (He et al. 2022)."""
    builder = Builder()
    draws = 0
    results = []
    terms = comparisons(loss)
    for term, (_, comparison) in enumerate(terms):
        sides = []
        for elements, target in ((comparison.source, False), (comparison.target, True)):
            parts = []
            for element in elements:
                draws += element.view is not None
                parts.append(_element(builder, element, target, draws))
            sides.append(builder.add(Concat(inputs=tuple(parts))))
        results.append(_compare(builder, term, comparison, sides[0], sides[1]))
    builder.add(WeightedSum(inputs=tuple(results), weights=tuple(weight for weight, _ in terms)))
    return builder.program()


def row_of(elements: tuple[Element, ...]) -> Row:
    """What a set's row is made of."""
    count = {stream: sum(element.stream is stream for element in elements) for stream in Stream}
    return Row(count[Stream.STATE], count[Stream.ACTION], count[Stream.REWARD])


def _element(builder: Builder, element: Element, target: bool, draw: int) -> int:
    value = builder.add(Sample(stream=element.stream, offset=element.offset))
    if element.view is not None:
        value = builder.add(Augment(inputs=(value,), view=element.view, draw=draw))
    if element.stream is Stream.STATE:
        value = builder.add(Encode(inputs=(value,), target=target))
    return value


def _compare(builder: Builder, term: int, comparison: Comparison, source: int, target: int) -> int:
    prediction = builder.add(Predict(inputs=(source,), term=term, output=row_of(comparison.target)))
    return builder.add(
        Compare(
            inputs=(prediction, target),
            term=term,
            operator=comparison.operator,
            against_batch=comparison.against_batch,
        )
    )

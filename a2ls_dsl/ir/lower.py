"""From the tree to the representation, naively: one sample and one encode an element. Passes do the rest."""

from __future__ import annotations

from collections.abc import Iterator

from a2ls_dsl.diagnostics import A2lError
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
from a2ls_dsl.lang.ast import (
    Call,
    Comparison,
    Element,
    Item,
    Loss,
    Schedule,
    Stream,
    Weight,
    elements_of,
)
from a2ls_dsl.lang.canonical import comparisons
from a2ls_dsl.lang.operators import PAPER_OPERATORS
from a2ls_dsl.lang.printer import print_item, print_option, print_weight

VIEWS = ("crop",)
"""The views that a program can hold."""


def lower(loss: Loss) -> Program:
    """The program of a canonical loss: for each term ``op(h(g(source)), g'(target))`` (He et al. 2022).

    Raises `A2lError` for a loss that `supported_terms` refuses.
    """
    builder = Builder()
    draws = 0
    results = []
    terms = supported_terms(loss)
    for term, (_, comparison) in enumerate(terms):
        sides = []
        for items, target in ((comparison.source, False), (comparison.target, True)):
            parts = []
            for element in elements_of(items):
                draws += bool(element.calls)
                parts.append(_element(builder, element, target, draws))
            sides.append(builder.add(Concat(inputs=tuple(parts))))
        results.append(_compare(builder, term, comparison, sides[0], sides[1]))
    builder.add(WeightedSum(inputs=tuple(results), weights=tuple(weight for weight, _ in terms)))
    return builder.program()


# The one place that knows what can't be compiled yet: everything behind the language asks here for the terms
# of a loss. It goes away with the constructs that it refuses.
def supported_terms(loss: Loss) -> tuple[tuple[float, Comparison], ...]:
    """The weights and comparisons of a canonical loss.

    Raises `A2lError` for what the compiler does not do: all but the five operators of He et al. 2022 over
    s, a and r, with `crop` as the only function, without options and with constant weights.
    """
    terms: list[tuple[float, Comparison]] = []
    for weight, term in comparisons(loss):
        refused = next(iter(_unsupported(weight, term)), None)
        if refused is not None or isinstance(weight, Schedule):
            raise A2lError(
                f"{refused} can be checked, formatted and shown, but not yet compiled or trained with",
                f"the compiler takes {', '.join(PAPER_OPERATORS)} over s, a, r and crop(s[...])",
            )
        terms.append((weight, term))
    return tuple(terms)


def _unsupported(weight: Weight, term: Comparison) -> Iterator[str]:
    if isinstance(weight, Schedule):
        yield f"the weight `{print_weight(weight)}`"
    if term.operator not in PAPER_OPERATORS:
        yield f"the operator `{term.operator}`"
    for item in term.items:
        plain = isinstance(item, Element) and item.stream in (Stream.STATE, Stream.ACTION, Stream.REWARD)
        if not plain or (isinstance(item, Element) and item.calls and item.calls not in _CALLS):
            yield f"`{print_item(item)}`"
    for option in term.options:
        yield f"the option `{print_option(option)}`"


_CALLS = tuple((Call(view),) for view in VIEWS)


def row_of(items: tuple[Item, ...]) -> Row:
    """What a set's row is made of."""
    count = {stream: sum(element.stream is stream for element in elements_of(items)) for stream in Stream}
    return Row(count[Stream.STATE], count[Stream.ACTION], count[Stream.REWARD])


def _element(builder: Builder, element: Element, target: bool, draw: int) -> int:
    value = builder.add(Sample(stream=element.stream, offset=element.offset))
    for call in element.calls:
        value = builder.add(Augment(inputs=(value,), view=call.name, draw=draw))
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

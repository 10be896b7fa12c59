"""From trees back to text. The print of a canonical loss is its identity."""

from __future__ import annotations

from collections.abc import Iterable

from a2ls_dsl.lang.ast import Comparison, Element, Loss, Ref, Stream, Weighted

RUN_LENGTH = 3
"""From this many steps in a row on, elements print as a run."""


def print_loss(loss: Loss) -> str:
    """A loss on one line: `mse({ s[t] } -> { s[t+1] })`, `1.0 * curl + 0.1 * mse(...)`."""
    if len(loss.terms) == 1 and loss.terms[0].weight == 1.0:
        return print_term(loss.terms[0].term)
    return " + ".join(print_weighted(weighted) for weighted in loss.terms)


def print_weighted(weighted: Weighted) -> str:
    return f"{float(weighted.weight)!r} * {print_term(weighted.term)}"


def print_term(term: Comparison | Ref) -> str:
    if isinstance(term, Ref):
        return term.name
    negatives = " against batch" if term.against_batch else ""
    return f"{term.operator}({print_set(term.source)} -> {print_set(term.target)}){negatives}"


def print_set(elements: Iterable[Element]) -> str:
    """`{ s[t], a[t..t+2] }`; elements must be in canonical order for runs to be found."""
    return "{ " + ", ".join(text for _, text in print_runs(elements)) + " }"


def print_runs(elements: Iterable[Element]) -> list[tuple[Stream, str]]:
    """The items of a set with their streams, elements in a row joined into runs."""
    groups: list[list[Element]] = []
    for element in elements:
        if groups and _follows(groups[-1][-1], element):
            groups[-1].append(element)
        else:
            groups.append([element])
    items = []
    for group in groups:
        pieces = [group] if len(group) >= RUN_LENGTH else [[element] for element in group]
        items += [(piece[0].stream, _item(piece[0], piece[-1])) for piece in pieces]
    return items


def print_step(offset: int) -> str:
    """`t`, `t+3`."""
    return f"t+{offset}" if offset else "t"


def _follows(before: Element, after: Element) -> bool:
    same = (before.stream, before.view) == (after.stream, after.view)
    return same and after.offset == before.offset + 1


def _item(first: Element, last: Element) -> str:
    steps = print_step(first.offset) + (f"..{print_step(last.offset)}" if last is not first else "")
    text = f"{first.stream}[{steps}]"
    return f"{first.view}({text})" if first.view else text

"""The options of a comparison as backends read them, with the defaults filled in."""

from __future__ import annotations

from dataclasses import dataclass

from a2ls_dsl.lang.ast import Call, Comparison
from a2ls_dsl.words.language import HEAD, PREDICTOR
from a2ls_dsl.words.registry import operators


@dataclass(frozen=True)
class Head:
    """The learned map from the source row onto the target row.

    kind: one of `words.registry.heads`. layers: the widths of its hidden layers. name: heads of one
    name in one loss are one module; None if the head is the term's own.
    """

    kind: str
    layers: tuple[int, ...] = ()
    name: str | None = None


def head_of(term: Comparison) -> Head | None:
    """The head of a comparison; None for an operator that has none."""
    if not operators[term.operator].head:
        return None
    for option in term.options:
        if option.name == HEAD and isinstance(option.value, Call):
            return Head(option.value.name, tuple(map(int, option.value.numbers)), option.shared)
    return Head(PREDICTOR)


def number_of(term: Comparison, name: str, otherwise: float | None = None) -> float:
    """The value of a numeric option, given or by default; `otherwise` where the operator has no such option.

    Raises KeyError where it has none and nothing else is asked for.
    """
    option = operators[term.operator].option(name)
    if option is None:
        if otherwise is None:
            raise KeyError(name)
        return otherwise
    given = (each.value for each in term.options if each.name == name)
    return next((value for value in given if not isinstance(value, Call)), option.default)

"""Computes the entries of the language: the package's own and those that users have registered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from a2ls_dsl.words import FILES
from a2ls_dsl.words.draws import Draws, MemberDraws
from a2ls_dsl.words.entry import Function, Negatives
from a2ls_dsl.words.registry import functions, heads, operators

TORCH: Mapping[str, object] = MappingProxyType({"torch": torch, "F": F, "nn": nn, "Tensor": Tensor})
"""The names that formulas may read, in the package's files and in exported ones."""

for _file in FILES:
    vars(_file).update(TORCH)


def view(name: str, numbers: Sequence[float], x: Tensor, draws: Draws) -> Tensor:
    """A view of observations; a view that doesn't handle stacks is called member by member."""
    entry = functions[name]
    if entry.stacks or not isinstance(draws, MemberDraws):
        return _call(entry, x, draws, *numbers)
    return torch.stack([_call(entry, member, draws.member(i), *numbers) for i, member in enumerate(x)])


def normaliser(name: str, numbers: Sequence[float], x: Tensor) -> Tensor:
    """Latents (..., D) under a normaliser."""
    return _call(functions[name], x, *numbers)


def compare(
    operator: str,
    against_batch: bool,
    rows: Sequence[Tensor],
    matrix: Tensor | None = None,
    options: Mapping[str, float] = MappingProxyType({}),
    draws: Draws | None = None,
) -> Tensor:
    """The loss of one term, (...), of rows (..., B, D).

    matrix: (..., D, D), for an operator that has one; draws: for an operator that draws random numbers.
    """
    entry = operators[operator]
    given: dict[str, object] = dict(options)
    if entry.negatives is Negatives.ON_REQUEST:
        given["against_batch"] = against_batch
    if entry.matrix:
        if matrix is None:
            raise ValueError(f"the operator {operator} needs its matrix")
        given["matrix"] = matrix
    if entry.draws:
        given["draws"] = draws
    if entry.stacks or rows[0].dim() == 2:
        loss: Tensor = entry.formula(*rows, **given)
        return loss
    members = range(len(rows[0]))
    return torch.stack([entry.formula(*(row[i] for row in rows), **_of_member(given, i)) for i in members])


def make_head(kind: str, inputs: int, outputs: int, layers: Sequence[int], hidden: bool = False) -> nn.Module:
    """The module of a head, or its `hidden` layers alone."""
    entry = heads[kind]
    if entry.formula is None:
        raise TypeError(f"`{kind}` is not a module")
    module: nn.Module = entry.formula(inputs, outputs, *([list(layers)] if entry.layers else []))
    return nn.Sequential(*list(module.children())[:-1]) if hidden else module


def _call(entry: Function, *arguments: object) -> Tensor:
    if entry.formula is None:
        raise TypeError(f"`{entry.name}` belongs to the agent and has no formula")
    result: Tensor = entry.formula(*arguments)
    return result


def _of_member(given: Mapping[str, object], index: int) -> dict[str, object]:
    """The arguments of one member of a stack."""
    return {
        name: value[index]
        if isinstance(value, Tensor)
        else value.member(index)
        if isinstance(value, MemberDraws)
        else value
        for name, value in given.items()
    }

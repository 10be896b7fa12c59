"""Computes the entries of the language: the package's own and those that users have registered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.words import FILES
from a2ls_dsl.words.draws import Draws, MemberDraws
from a2ls_dsl.words.entry import Function, Negatives
from a2ls_dsl.words.registry import functions, heads, is_own, operators

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
    Raises `A2lError` if a user's operator gives something else.
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
        return _shaped("operator", operator, entry.formula(*rows, **given), rows[0].shape[:-2])
    members = range(len(rows[0]))
    losses = [entry.formula(*(row[i] for row in rows), **_of_member(given, i)) for i in members]
    return torch.stack([_shaped("operator", operator, loss, rows[0].shape[1:-2]) for loss in losses])


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
    rows = arguments[0]
    return _shaped("function", entry.name, result, rows.shape) if isinstance(rows, Tensor) else result


def _shaped(kind: str, name: str, result: Tensor, shape: Sequence[int]) -> Tensor:
    """What a formula gave. Raises `A2lError` where a user's gave anything but a tensor of this shape."""
    if not is_own(name) or (isinstance(result, Tensor) and result.shape == tuple(shape)):
        return result
    given = f"a tensor of the shape {tuple(result.shape)}" if isinstance(result, Tensor) else repr(result)
    asked = f"a tensor of the shape {tuple(shape)}" if shape else "a tensor that is a single number"
    raise A2lError(f"the {kind} {name} gave {given}", f"let it return {asked}")


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

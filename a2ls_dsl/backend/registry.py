"""What computes the names of the language: the built-in functions, and those that a program has registered.

`lang/registry.py` says what a name means to files, this table what it means to tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from a2ls_dsl.backend import functions as f
from a2ls_dsl.backend import operators as o
from a2ls_dsl.backend.functions import Draws
from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.lang.functions import FUNCTIONS, Kind
from a2ls_dsl.lang.operators import OPERATORS, Negatives
from a2ls_dsl.lang.registry import functions, operators


@runtime_checkable
class MemberDraws(Draws, Protocol):
    """The draws of several members at once."""

    def member(self, index: int) -> Draws:
        """Those of one of them."""


View = Callable[..., Tensor]
Normaliser = Callable[..., Tensor]
Operator = Callable[..., Tensor]

VIEWS: Mapping[str, View] = MappingProxyType(
    {"shift": f.shift, "intensity": f.intensity, "noise": f.noise, "mask": f.mask}
)
"""The built-in views but `crop`, which cuts out of what the agent does not see: windows hold its draws."""

NORMALISERS: Mapping[str, Normaliser] = MappingProxyType({"l2": f.l2, "avgl1": f.avgl1, "simnorm": f.simnorm})

CROP = "crop"

_own_views: dict[str, View] = {}
_own_normalisers: dict[str, Normaliser] = {}
_own_operators: dict[str, Operator] = {}


def register_view(name: str, function: View) -> None:
    """Compute a view of your own by `function(x, draws, *numbers)`.

    x: observations (B, ...), as the encoder takes them; draws: random numbers, `draws.uniform(x, *shape)` and
    `draws.normal(x, *shape)`; numbers: those of the call. It gives observations like x. The name has been
    registered with the language; raises `A2lError` where it wasn't.
    """
    _register(name, Kind.VIEW, function, _own_views)


def register_normaliser(name: str, function: Normaliser) -> None:
    """Compute a normaliser of your own by `function(x, *numbers)` of latents (..., D): as `register_view`."""
    _register(name, Kind.NORMALISER, function, _own_normalisers)


def register_operation(name: str, function: Operator) -> None:
    """Compute an operator of your own by `function(y, z, **options)`, of one set by `function(y, **options)`.

    Rows y and z are (B, D), the result a scalar. options: the numbers of the entry by name, `against_batch`
    where the entry takes negatives on request. Raises `A2lError` where the language doesn't know the name.
    """
    if name in OPERATORS or name not in operators:
        raise _unknown(name, "operator", name in OPERATORS)
    _own_operators[name] = function


def view(name: str, numbers: tuple[float, ...], x: Tensor, draws: Draws) -> Tensor:
    """A view of observations; one of a user's is called member by member."""
    function = _found(name, VIEWS, _own_views)
    if name in VIEWS or not isinstance(draws, MemberDraws):
        return function(x, draws, *numbers)
    return torch.stack([function(each, draws.member(i), *numbers) for i, each in enumerate(x)])


def normaliser(name: str, numbers: tuple[float, ...], x: Tensor) -> Tensor:
    """Latents under a normaliser."""
    return _found(name, NORMALISERS, _own_normalisers)(x, *numbers)


def is_own(name: str) -> bool:
    """Whether a name is no built-in one."""
    return name not in FUNCTIONS and name not in OPERATORS


def takes_negatives(operator: str) -> bool:
    """Whether an operator is told if it stands against the batch."""
    return operators[operator].negatives is Negatives.ON_REQUEST


def function_of(name: str) -> Callable[..., Tensor]:
    """The registered function of a name that is no built-in one. Raises `A2lError` where there is none."""
    for table in (_own_views, _own_normalisers, _own_operators):
        if name in table:
            return table[name]
    raise A2lError(
        f"nothing computes `{name}`: the language knows it, the compiler doesn't",
        "call register_view, register_normaliser or register_operation of a2ls_dsl.backend.registry",
    )


def compare(
    operator: str,
    against_batch: bool,
    rows: list[Tensor],
    bilinear: Tensor | None = None,
    options: Mapping[str, float] = MappingProxyType({}),
) -> Tensor:
    """The loss of one term, (...), of rows (..., B, D): see `operators.py`.

    bilinear: the (..., D, D) matrix of that operator.
    """
    y, *rest = rows
    temperature = options.get("temperature", 1.0)
    match operator:
        case "mse":
            return o.distance(y, rest[0], against_batch)
        case "nmse":
            return o.distance(o.normalise(y), o.normalise(rest[0]), against_batch)
        case "inner":
            return o.similarity(y @ rest[0].mT / temperature, against_batch)
        case "cosine":
            return o.similarity(o.normalise(y) @ o.normalise(rest[0]).mT / temperature, against_batch)
        case "infonce":
            return o.similarity(o.normalise(y) @ o.normalise(rest[0]).mT / temperature, True)
        case "bilinear":
            if bilinear is None:
                raise ValueError("the bilinear operator needs its matrix")
            return o.similarity(rest[0] @ bilinear @ y.mT / temperature, against_batch)
        case "huber":
            return o.huber(y, rest[0])
        case "ce":
            return o.cross_entropy(y, rest[0], int(options["bins"]))
        case "variance":
            return o.variance(y)
        case "covariance":
            return o.covariance(y)
        case "barlow":
            return o.barlow(y, rest[0], options["redundancy"])
        case "mico":
            return o.mico(y, rest[0], rest[1], options["discount"])
        case "bisim":
            return o.bisim(y, rest[0], rest[1], options["discount"])
    return _own(operator, against_batch, rows, options)


def _own(operator: str, against_batch: bool, rows: list[Tensor], options: Mapping[str, float]) -> Tensor:
    """A registered operator, member by member."""
    given = dict[str, float | bool](options)
    if takes_negatives(operator):
        given["against_batch"] = against_batch
    function = function_of(operator)
    if rows[0].dim() == 2:
        return function(*rows, **given)
    return torch.stack([function(*each, **given) for each in zip(*rows, strict=True)])


def _found(name: str, built_in: Mapping[str, Callable[..., Tensor]], own: Mapping[str, View]) -> View:
    return built_in[name] if name in built_in else own[name] if name in own else function_of(name)


def _register(name: str, kind: Kind, function: View, table: dict[str, View]) -> None:
    if name in FUNCTIONS or name not in functions or functions[name].kind is not kind:
        raise _unknown(name, kind.value, name in FUNCTIONS)
    table[name] = function


def _unknown(name: str, kind: str, built_in: bool) -> A2lError:
    if built_in:
        return A2lError(f"`{name}` belongs to the language", "register a name of your own")
    return A2lError(
        f"the language knows no {kind} `{name}`", "register its entry first, see docs/language.md"
    )

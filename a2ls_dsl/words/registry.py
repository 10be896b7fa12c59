"""Registration of entries: decorators that make a plain torch function an operator, a view or a head.

Files only name entries, so they can't run code. The package's own entries are registered here too.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Sequence
from types import MappingProxyType
from typing import Any, TypeVar

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.words.entry import Formula, Function, Head, Kind, Needs, Negatives, Number, Operator, Sets
from a2ls_dsl.words.language import BINS, DECAY, KEYWORDS, NONE, SCHEDULE, SPREAD, Stream
from a2ls_dsl.words.maps import MAPS
from a2ls_dsl.words.numbers import POSITIVE_SHARE

_operators: dict[str, Operator] = {}
_functions: dict[str, Function] = {}
_heads: dict[str, Head] = {}
_contrasts: dict[str, str] = {}
_built_in: set[str] = set()

operators = MappingProxyType(_operators)
"""Every operator that a file may use, by name."""

functions = MappingProxyType(_functions)
"""Every function that a file may call, by name."""

heads = MappingProxyType(_heads)
"""Every head that a file may name, by name."""

contrasts = MappingProxyType(_contrasts)
"""The contrast of an operator that has one, by name: see `Operator.contrast_of`."""

Made = TypeVar("Made", bound=Formula)
Entry = TypeVar("Entry", Operator, Function, Head)

_DECAY = Number(
    DECAY, 1, POSITIVE_SHARE, "the i-th step of a rollout counts decay^i, from i = 0", Needs.ROLLOUT
)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RESERVED = (*MAPS, DECAY, "against_batch", "matrix", "draws")


def operator(summary: str, **traits: Any) -> Callable[[Made], Made]:
    """Make a function an operator of its name: `formula(y, z)`, or `formula(y)` for one set.

    Rows y (prediction) and z (target) are (B, D), the result is a scalar; with `sets=Sets.TRANSITION` it is
    `formula(y, reward, z)`. Options are passed by name, as are arguments that traits ask for:
    `against_batch: bool` if negatives are taken on request, `matrix` (D, D) with `matrix=True`, `draws` with
    `draws=True`. With `stacks=True` rows are (..., B, D) and the result (...). traits: the fields of
    `Operator`. An operator of two sets over single samples gets the option `decay` automatically. Raises
    `A2lError` if the function doesn't fit.
    """

    def decorate(formula: Made) -> Made:
        entry = Operator(formula.__name__, summary, formula, **traits)
        if not entry.unary and not entry.pairwise and entry.sets is not Sets.TRANSITION:
            entry = Operator(formula.__name__, summary, formula, **traits | {"options": _with_decay(entry)})
        _check_operator(entry)
        _add(entry, _operators)
        if entry.contrast_of:
            _contrasts[entry.contrast_of] = entry.name
        return formula

    return decorate


def view(summary: str, *, example: str = "", **traits: Any) -> Callable[[Made], Made]:
    """Make a function a view of its name: `formula(x, draws, *numbers)`.

    x: observations (B, ...), as the encoder takes them; draws: random numbers, `draws.uniform(x, *shape)` and
    `draws.normal(x, *shape)`; numbers: those of the call. It returns observations like x. With `stacks=True`
    x has a leading dimension for the members of a stack if frames have more than four dimensions or vectors
    more than two. traits: the fields of `Function`. Raises `A2lError` if the function doesn't fit.
    """
    return _function(Kind.VIEW, summary, example, traits)


def normaliser(summary: str, *, example: str = "", **traits: Any) -> Callable[[Made], Made]:
    """Make a function a normaliser of its name: `formula(x, *numbers)` of latents (..., D). See `view`."""
    return _function(Kind.NORMALISER, summary, example, {"stacks": True} | traits)


def head(summary: str, **traits: Any) -> Callable[[Made], Made]:
    """Make a function a head of its name: `formula(inputs, outputs)` returns an `nn.Module`.

    With `layers=True` it is `formula(inputs, outputs, layers)`, the widths of the hidden layers last. Stacks
    support `nn.Sequential`, `Linear`, `BatchNorm1d`, `LayerNorm`, `ReLU`, `ELU` and `Mish`. traits:
    the fields of `Head`.
    """

    def decorate(formula: Made) -> Made:
        entry = Head(formula.__name__, summary, formula, **traits)
        _check_signature(formula, ("inputs", "outputs", *(["layers"] if entry.layers else [])), {})
        _add(entry, _heads)
        return formula

    return decorate


def forget(name: str) -> None:
    """Remove an entry of your own. Raises `A2lError` if there is none of that name."""
    table = next((table for table in (_operators, _functions, _heads) if name in table), None)
    if table is None or name in _built_in:
        raise A2lError(f"`{name}` was not registered", "entries of the language can't be removed")
    del table[name]
    for other in [other for other, contrast in _contrasts.items() if contrast == name]:
        del _contrasts[other]


def is_own(name: str) -> bool:
    """Whether a name is a user's entry."""
    return name not in _built_in


def what_is(name: str) -> str:
    """What a name already means, in words; empty if it is free."""
    if name in _operators:
        return "an operator"
    if name in _functions:
        return "a function"
    if name in list(Stream):
        return "a stream"
    taken = (
        *KEYWORDS,
        "t",
        NONE,
        *_heads,
        *([SCHEDULE] if _built_in else []),
    )  # a head is called `linear` too
    return "a word of the language" if name in taken else ""


def seal(agent: Iterable[Function], kinds: Sequence[Kind]) -> None:
    """Add the agent's own functions and sort all by nesting; all entries so far belong to the language."""
    entries = sorted([*_functions.values(), *agent], key=lambda entry: kinds.index(entry.kind))
    _functions.clear()
    _functions.update({entry.name: entry for entry in entries})
    default, *others = _heads.values()
    none = Head(NONE, "no head: the rows themselves are compared, so they are alike", example=NONE)
    _heads.clear()
    _heads.update({entry.name: entry for entry in (default, none, *others)})
    _built_in.update(_operators, _functions, _heads)


def _function(kind: Kind, summary: str, example: str, traits: dict[str, Any]) -> Callable[[Made], Made]:
    def decorate(formula: Made) -> Made:
        name = formula.__name__
        entry = Function(name, kind, summary, example or f"{name}(s[t])", formula=formula, **traits)
        _check_numbers(name, entry.parameters)
        names = [number.name for number in entry.parameters]
        before = {Kind.VIEW: ["x", "draws"]}.get(kind, ["x"]) + ["whole"] * entry.uncropped
        _check_signature(formula, (*before, *names), {})
        if entry.uncropped and any(other.uncropped for other in _functions.values()):
            raise A2lError(
                f"`{name}` would crop frames that the agent doesn't see",
                "only one view may: the language's own, whose draws an agent's replay keeps",
            )
        _add(entry, _functions)
        return formula

    return decorate


def _with_decay(entry: Operator) -> tuple[Number, ...]:
    return entry.options if entry.option(DECAY) else (*entry.options, _DECAY)


def _check_operator(entry: Operator) -> None:
    name = entry.name
    if entry.unary and (entry.head or entry.needs_head):
        raise A2lError(f"the operator `{name}` takes one set and a head", "pass head=False, or take two sets")
    if entry.sets is Sets.TRANSITION and entry.head:
        raise A2lError(f"the operator `{name}` takes a transition and a head", "pass head=False")
    if entry.sets is Sets.DATA_TARGET and not entry.option(BINS):
        raise A2lError(
            f"the operator `{name}` predicts numbers of a known range, and has no option `{BINS}`",
            f"each number of its target is spread over bins: give it the option `{BINS}`",
        )
    for option in entry.options:
        if option.name in _RESERVED and (option != _DECAY or entry.unary):
            raise A2lError(
                f"the operator `{name}` can't have the option `{option.name}`", "give it another name"
            )
    _check_numbers(name, entry.options)
    # The compiler handles the steps of a rollout and the bins of a target.
    spread = SPREAD[1:] if entry.sets is Sets.DATA_TARGET else ()
    named = [option.name for option in entry.options if option != _DECAY and option.name not in spread]
    named += ["against_batch"] * (entry.negatives is Negatives.ON_REQUEST)
    named += ["matrix"] * entry.matrix + ["draws"] * entry.draws
    rows = ("y",) if entry.unary else ("y", "reward", "z") if entry.sets is Sets.TRANSITION else ("y", "z")
    _check_signature(entry.formula, rows, dict.fromkeys(named))


def _check_signature(formula: Formula, rows: Sequence[str], named: dict[str, Any]) -> None:
    """Check the arguments of a formula when it is registered, rather than in the midst of training."""
    try:
        inspect.signature(formula).bind(*rows, **named)
    except TypeError as error:
        call = f"{formula.__name__}({', '.join([*rows, *(f'{name}=...' for name in named)])})"
        raise A2lError(
            f"`{formula.__name__}` is called as {call}: {error}", "give it these arguments"
        ) from None


def _check_numbers(name: str, numbers: Iterable[Number]) -> None:
    names = [number.name for number in numbers]
    for number in numbers:
        if not _NAME.fullmatch(number.name) or names.count(number.name) > 1:
            raise A2lError(
                f"`{name}` has a number called `{number.name}`", "each needs a name of its own, as in Python"
            )
        if not number.range.holds(number.default):
            raise A2lError(
                f"the default of `{number.name}` of `{name}` is {number.default}",
                f"it must be {number.range}",
            )


def _add(entry: Entry, table: dict[str, Entry]) -> None:
    """Add an entry. One that equals a user's replaces it: a notebook cell may have run again."""
    if table.get(entry.name) == entry and is_own(entry.name):
        table[entry.name] = entry
        return
    if not _NAME.fullmatch(entry.name):
        raise A2lError(f"`{entry.name}` is not a name", "use letters, digits and _, a letter first")
    if meaning := what_is(entry.name):
        raise A2lError(f"the name `{entry.name}` is taken by {meaning}", "choose another name")
    table[entry.name] = entry

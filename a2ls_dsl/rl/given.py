"""Settings given by name, in files and on command lines: typed as their fields are, near names told."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Mapping
from typing import Any, get_args, get_origin

from a2ls_dsl.diagnostics import A2lError, unknown

_WORDS = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "a text",
    dict: "a table",
    list[str]: "a list of texts",
    tuple[str, ...]: "a list of texts",
}


def checked(where: str, name: str, value: object, kind: Any) -> Any:
    """The value, as a field of this type takes it. Raises `A2lError` where it is of another type."""
    if not fits(value, kind):
        raise A2lError(
            f"{where}: `{name}` is {value!r}", f"it has to be {_WORDS.get(kind, 'of another type')}"
        )
    return value


def settings(where: str, given: Mapping[str, Any], kinds: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as their classes take them. Raises `A2lError` for an unknown one or another type."""
    for name, value in given.items():
        if name not in kinds:
            raise unknown(f"setting in {where}", name, kinds)
        checked(where, name, value, kinds[name])
    return {name: _tuples(value) for name, value in given.items()}


def assigned(option: str, texts: Iterable[str], kinds: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that texts `NAME=VALUE` of an option give, values as in TOML, plain words as texts."""
    given: dict[str, Any] = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not (name and equals and value):
            raise A2lError(f"{option} {text} gives nothing a value", f"write {option} NAME=VALUE")
        if name in given:
            raise A2lError(f"{option} gives `{name}` twice", "give it once")
        try:
            given[name] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            given[name] = value
    return settings(option, given, kinds)


def fits(value: object, kind: Any) -> bool:
    """Whether a value of a TOML file may stand for a field of this type: a whole number for a number, a list
    for a tuple, a text for a choice; true and false are no numbers."""
    if get_origin(kind) is list:
        return isinstance(value, list) and all(fits(element, *get_args(kind)) for element in value)
    if get_origin(kind) is tuple:
        kinds = get_args(kind)
        if not isinstance(value, list | tuple):
            return False
        if kinds[-1] is Ellipsis:
            return all(fits(element, kinds[0]) for element in value)
        return len(value) == len(kinds) and all(map(fits, value, kinds))
    if get_origin(kind) is not None:  # one of several types
        return any(fits(value, choice) for choice in get_args(kind))
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, str if issubclass(kind, str) else kind)


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value

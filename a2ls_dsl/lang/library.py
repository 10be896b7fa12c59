"""Where the shipped losses and loss grammars lie: inside an installed package, or beside it in a checkout."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

_PACKAGE = Path(__file__).resolve().parent.parent


def folder(name: str) -> Path:
    """The folder `losses` or `grammars`."""
    inside = _PACKAGE / name
    return inside if inside.is_dir() else _PACKAGE.parent / name


@cache
def shipped(kind: str, suffix: str) -> Mapping[str, Path]:
    """The shipped files of a kind by plain name, e.g. `shipped("losses", ".a2l")["curl"]`."""
    return MappingProxyType({path.stem: path for path in sorted(folder(kind).glob(f"*{suffix}"))})

"""Users used to register entries here; an error says what to call instead."""

from __future__ import annotations

from a2ls_dsl.diagnostics import A2lError


def __getattr__(name: str) -> object:
    if name.startswith("__"):
        raise AttributeError(name)
    raise A2lError(
        f"a2ls_dsl.backend.registry.{name} was removed: one decorator now declares an entry and computes it",
        "put @a2l.operator(...), @a2l.view(...) or @a2l.normaliser(...) before your function: "
        "docs/language.md, Operators and functions of your own",
    )

"""Write, compile, search for and trust auxiliary losses for reinforcement-learning agents.

A loss in your own agent, in five lines::

    import a2ls_dsl as a2l

    loss = a2l.load("losses/a2_winner.a2l")
    module = a2l.compile(loss, observation=24, action=6, features=50)
    window = a2l.Window(observation, action, reward)  # (B, steps, 24), (B, steps, 6), (B, steps)
    module(encoder, target_encoder, window).backward()  # encoders: (B, 24) -> (B, 50)

`module` is an `nn.Module`: give its parameters and your encoder's to an optimizer, and sample windows of
`module.horizon + 1` steps that don't cross the end of an episode.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from a2ls_dsl.api import compile as compile
    from a2ls_dsl.api import load as load
    from a2ls_dsl.api import loads as loads
    from a2ls_dsl.backend.module import CompiledLoss as CompiledLoss
    from a2ls_dsl.backend.window import Window as Window
    from a2ls_dsl.diagnostics import A2lError as A2lError
    from a2ls_dsl.rl.policies.policy import Policy as Policy
    from a2ls_dsl.rl.policies.policy import load_policy as load_policy
    from a2ls_dsl.search.asking import open_study as open_study
    from a2ls_dsl.words.entry import Needs as Needs
    from a2ls_dsl.words.entry import Negatives as Negatives
    from a2ls_dsl.words.entry import Number as Number
    from a2ls_dsl.words.entry import Sees as Sees
    from a2ls_dsl.words.entry import Sets as Sets
    from a2ls_dsl.words.numbers import Range as Range
    from a2ls_dsl.words.registry import forget as forget
    from a2ls_dsl.words.registry import head as head
    from a2ls_dsl.words.registry import normaliser as normaliser
    from a2ls_dsl.words.registry import operator as operator
    from a2ls_dsl.words.registry import view as view

_ENTRIES = ("Needs", "Negatives", "Number", "Sees", "Sets")
_DOORS = ("forget", "head", "normaliser", "operator", "view")

_HOMES = {
    "A2lError": "a2ls_dsl.diagnostics",
    "CompiledLoss": "a2ls_dsl.backend.module",
    "Policy": "a2ls_dsl.rl.policies.policy",
    "Window": "a2ls_dsl.backend.window",
    "compile": "a2ls_dsl.api",
    "load": "a2ls_dsl.api",
    "load_policy": "a2ls_dsl.rl.policies.policy",
    "loads": "a2ls_dsl.api",
    "open_study": "a2ls_dsl.search.asking",
    "Range": "a2ls_dsl.words.numbers",
    **dict.fromkeys(_ENTRIES, "a2ls_dsl.words.entry"),
    **dict.fromkeys(_DOORS, "a2ls_dsl.words.registry"),
}
"""Where each public name lives."""

__all__ = [
    "A2lError",
    "CompiledLoss",
    "Needs",
    "Negatives",
    "Number",
    "Policy",
    "Range",
    "Sees",
    "Sets",
    "Window",
    "compile",
    "forget",
    "head",
    "load",
    "load_policy",
    "loads",
    "normaliser",
    "open_study",
    "operator",
    "view",
]


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])


def __getattr__(name: str) -> object:
    """Import public names on first use: the package itself must not import torch."""
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

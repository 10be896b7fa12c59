"""What the words of the language mean: operators, functions, heads, streams.

An operator, a view, a normaliser or a head is one entry: a plain torch function behind a decorator of
`registry.py` that states what the language, the compiler and the editor need to know about it. Files in the
folders `operators`, `views`, `normalisers` and `heads` are imported automatically, in alphabetical order;
users call the same decorators.

The language never computes, and torch takes a second to import, so these files import torch only under
`TYPE_CHECKING`; `backend/formulas.py` supplies it at run time.
"""

from __future__ import annotations

import importlib
import os
from types import ModuleType

from a2ls_dsl.words import agent, registry
from a2ls_dsl.words.entry import KINDS


def _modules(folder: str) -> list[ModuleType]:
    files = sorted(os.listdir(os.path.join(os.path.dirname(__file__), folder)))
    names = [name.removesuffix(".py") for name in files if name.endswith(".py") and name != "__init__.py"]
    return [importlib.import_module(f"{__name__}.{folder}.{name}") for name in names]


FILES: tuple[ModuleType, ...] = (
    *_modules("operators"),
    *_modules("views"),
    *_modules("normalisers"),
    *_modules("heads"),
)
"""The files of the package's own entries."""

registry.seal(agent.FUNCTIONS, KINDS)

PAPER_OPERATORS = tuple(entry.name for entry in registry.operators.values() if entry.form is not None)
"""The operators of He et al. 2022; each also stands with `against batch`: ten in all."""

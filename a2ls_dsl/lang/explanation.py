"""The shape of what `a2l explain` says about a code."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Explanation:
    """Behind a rule: `wrong` is a whole file that breaks it and nothing else, `right` the same file mended.

    Both are None where the smallest example is too large to show, or takes several files.
    """

    why: str
    wrong: str | None = None
    right: str | None = None

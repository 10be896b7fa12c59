"""Counts in sentences."""

from __future__ import annotations


def count(number: int, noun: str, plural: str = "") -> str:
    """A number and its noun: `1 seed`, `1,200 seeds`. plural: where it isn't the noun with an s."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"

"""Checks of the inputs of an environment pool: seeds, actions, masks."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from a2ls_dsl.diagnostics import A2lError


def read_seeds(given: ArrayLike) -> NDArray[np.uint64]:
    """Seeds as whole numbers from 0. Raises `A2lError` for anything else."""
    seeds = np.asarray(given)
    if not np.issubdtype(seeds.dtype, np.integer) or (seeds.size and seeds.min() < 0):
        raise A2lError(f"seeds must be integers from 0, got {seeds.dtype} {seeds.tolist()}")
    return seeds.astype(np.uint64)


def read_numbers(task: str, given: ArrayLike, count: int) -> NDArray[np.int64]:
    """Actions as numbers from 0 to `count` - 1. Raises `A2lError` for anything else."""
    actions = np.asarray(given)
    whole = np.issubdtype(actions.dtype, np.integer)
    if not whole or (actions.size and not 0 <= actions.min() <= actions.max() < count):
        numbers = f"{actions.min()} to {actions.max()}" if whole else f"numbers of the type {actions.dtype}"
        raise A2lError(f"actions of {task} must be whole numbers from 0 to {count - 1}, got {numbers}")
    return actions.astype(np.int64)


def check_shape(what: str, shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
    """Raise `A2lError` unless an array has the expected shape."""
    if shape != expected:
        raise A2lError(f"{what} must have the shape {expected}, a row per environment, got {shape}")

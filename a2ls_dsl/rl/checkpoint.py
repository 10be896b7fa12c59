"""Checkpoints: named arrays and JSON values in one `.npz` file. Reading one runs no code."""

from __future__ import annotations

import json
import os
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.lang.files import unwritable

_VALUES = "values.json"
_BROKEN = (zipfile.BadZipFile, zlib.error)


def save(path: Path, arrays: Mapping[str, NDArray[np.generic]], values: Mapping[str, object]) -> None:
    """Write a checkpoint; an earlier one at `path` survives until the new one is complete."""
    text = np.frombuffer(json.dumps(values).encode(), dtype=np.uint8)
    temporary = path.with_suffix(".partial")
    try:
        with temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **{**arrays, _VALUES: text})
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise unwritable(path, error) from None


def load(path: Path) -> tuple[dict[str, NDArray[np.generic]], dict[str, Any]]:
    """Read a checkpoint: its arrays and its JSON values. Raises `A2lError` for any other file."""
    try:
        with zipfile.ZipFile(path):  # a lone array is a file that numpy would read, too
            pass
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        if strange := [name for name, array in arrays.items() if not isinstance(array, np.ndarray)]:
            raise ValueError(f"{strange[0]} is no array")  # numpy gives other members as bytes
        values: dict[str, Any] = json.loads(arrays.pop(_VALUES).tobytes())
    except (OSError, EOFError, ValueError, KeyError, RuntimeError, MemoryError, *_BROKEN) as error:
        raise A2lError(
            f"{path} is not a checkpoint that can be read: {error}",
            "delete it to start again, or use another --out",
        ) from None
    return arrays, values

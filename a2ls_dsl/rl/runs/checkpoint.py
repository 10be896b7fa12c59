"""Checkpoints: named arrays and JSON values in one `.npz` file, and when to write one.

Reading one runs no code.
"""

from __future__ import annotations

import json
import math
import os
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.lang.files import unwritable
from a2ls_dsl.rl.replay.rings import Appended, clean, read

_VALUES, _RINGS = "values.json", "rings"
_BROKEN = (
    *(OSError, EOFError, ValueError, LookupError, TypeError, RuntimeError, MemoryError),
    *(zipfile.BadZipFile, zlib.error),
)


class Pace:
    """When a long run stores its state: every `seconds`, but so seldom that this costs a twentieth at most.

    hours: after which the run is to stop, a little sooner so that it can store its state; by default never.
    Raises `A2lError` for what is no time: it would never come.
    """

    def __init__(self, seconds: float = 60.0, hours: float | None = None) -> None:
        for given, unit in ((seconds, "seconds"), (hours, "hours")):
            if given is not None and math.isnan(given):
                raise A2lError(f"{given} {unit} are no time", "give a number, or leave it out")
        self.seconds = seconds
        self._limit = None if hours is None else 3600 * hours
        self._cost = 0.0
        self._begun = self._stored = time.perf_counter()

    @property
    def affordable(self) -> bool:
        """Whether the state may be stored again."""
        return time.perf_counter() - self._stored >= 20 * self._cost

    @property
    def due(self) -> bool:
        """Whether it is time to do so."""
        return self.affordable and time.perf_counter() - self._stored >= self.seconds

    @property
    def over(self) -> bool:
        """Whether it is time to stop."""
        if self._limit is None:
            return False
        reserve = max(min(60.0, self._limit / 10), 3 * self._cost)
        return time.perf_counter() - self._begun >= self._limit - reserve

    @contextmanager
    def storing(self) -> Iterator[None]:
        """The state is stored inside."""
        begin = time.perf_counter()
        yield
        self._stored = time.perf_counter()
        self._cost = self._stored - begin


def prefixed(name: str, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Arrays as parts of a whole: each called NAME/ITS NAME."""
    return {f"{name}/{key}": array for key, array in arrays.items()}


def without_prefix(name: str, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The part of a whole that `prefixed` called so."""
    start = f"{name}/"
    return {key.removeprefix(start): array for key, array in arrays.items() if key.startswith(start)}


def save(path: Path, arrays: Mapping[str, Any], values: Mapping[str, object]) -> None:
    """Write a checkpoint; an earlier one at `path` survives until the new one is complete.

    What is new in rings among the arrays is written to a folder beside it.
    """
    folder, temporary = rows_of(path), path.with_suffix(".partial")
    try:
        rings = {
            name: array.append(folder, name) for name, array in arrays.items() if isinstance(array, Appended)
        }
        text = np.frombuffer(json.dumps({**values, _RINGS: rings}).encode(), dtype=np.uint8)
        arrays = {name: array for name, array in arrays.items() if name not in rings}
        with temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **{**arrays, _VALUES: text})
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        clean(folder, rings)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise unwritable(path, error) from None


def load(
    path: Path, wanted: Callable[[str], bool] = lambda name: True
) -> tuple[dict[str, NDArray[np.generic]], dict[str, Any]]:
    """Read a checkpoint: its arrays, or those that are wanted, and its JSON values.

    Raises `A2lError` for any other file.
    """
    try:
        with zipfile.ZipFile(path):  # a lone array is a file that numpy would read, too
            pass
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files if name == _VALUES or wanted(name)}
        if strange := [name for name, array in arrays.items() if not isinstance(array, np.ndarray)]:
            raise ValueError(f"{strange[0]} is not an array")  # numpy gives other members as bytes
        values: dict[str, Any] = json.loads(arrays.pop(_VALUES).tobytes())
        rings = values.pop(_RINGS, {}) if isinstance(values, dict) else {}
        arrays |= {name: read(rows_of(path), ring) for name, ring in rings.items() if wanted(name)}
    except (
        OSError,
        EOFError,
        ValueError,
        LookupError,
        TypeError,
        RuntimeError,
        MemoryError,
        *_BROKEN,
    ) as error:
        raise A2lError(
            f"{path} is not a checkpoint that can be read: {error}",
            "delete it to start again, or use another folder",
        ) from None
    return arrays, values


def remove(path: Path) -> None:
    """Delete a checkpoint, if there is one, with all that lies beside it."""
    path.unlink(missing_ok=True)
    clean(rows_of(path), {})


def rows_of(path: Path) -> Path:
    """Where the rows of rings lie beside a checkpoint."""
    return path.with_suffix(".rows")


def shape(path: Path, name: str) -> tuple[int, ...]:
    """The shape of an array of a checkpoint that was read before; the array itself is not read."""
    with np.load(path, allow_pickle=False) as arrays:
        rings = json.loads(arrays[_VALUES].tobytes()).get(_RINGS, {})
    if name in rings:
        return tuple(rings[name]["shape"])
    with zipfile.ZipFile(path) as file, file.open(f"{name}.npy") as member:
        version = np.lib.format.read_magic(member)
        read = (
            np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        )
        return read(member)[0]


@contextmanager
def fitting(path: Path, of: str) -> Iterator[None]:
    """Take over what was loaded from `path` inside; raises `A2lError` where it is of another run."""
    try:
        yield
    except (RuntimeError, LookupError, ValueError, TypeError, AttributeError):
        raise A2lError(
            f"{path} is not a checkpoint of this {of}", "delete it to start again, or use another folder"
        ) from None

"""Long rings beside a checkpoint: what is new in them is appended, where all else is written anew each time.

Frames are nearly all that a stack from pixels stores, and a row that is written once stays as it is until
its ring has gone around. So each checkpoint writes the rows since the last one to a file of its own, and
tells in which files the rows of each member lie. A file whose rows have all been overwritten is deleted once
the checkpoint that does without it is complete.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Known = Mapping[int, tuple[int, int]]
"""Of each member that has stored rows the number of its ring's life, and of its newest row."""

Told = dict[str, Any]
"""A ring in a checkpoint, as JSON values: `shape`, `dtype`, and in `files` which rows each of them holds."""


@dataclass
class Memory:
    """What a ring has stored where: of a folder the newest row of each member, and the files."""

    newest: dict[Path, Known] = field(default_factory=dict)
    files: dict[Path, list[dict[str, Any]]] = field(default_factory=dict)

    @property
    def known(self) -> Known:
        """What is stored of a ring that is stored in one folder alone."""
        return next(iter(self.newest.values()), {})


@dataclass(frozen=True)
class Rows:
    """Rows of a ring of this `shape`: of whom they are, in `pieces` one behind the other.

    newest: of every member, what is known once these are.
    """

    shape: tuple[int, ...]
    parts: list[dict[str, int]]
    pieces: list[NDArray[np.generic]]
    newest: Known

    @property
    def number(self) -> int:
        """How many there are."""
        return sum(len(piece) for piece in self.pieces)

    def still_there(self, parts: Sequence[dict[str, int]]) -> list[dict[str, int]]:
        """Of the parts of a file those that hold rows of the ring as it is now."""
        lives = {member: life for member, (life, _) in self.newest.items()}
        oldest = {member: max(0, row + 1 - self.shape[1]) for member, (_, row) in self.newest.items()}
        return [
            part
            for part in parts
            if part["life"] == lives[part["member"]] and part["first"] + part["rows"] > oldest[part["member"]]
        ]


class Appended(ABC):
    """An array of a checkpoint of which only what is new is written; `since` says what that is.

    memory: kept by whoever stores the same ring again.
    """

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    @abstractmethod
    def since(self, known: Known) -> Rows:
        """The rows behind those that are known."""

    def append(self, folder: Path, name: str) -> Told:
        """Write the rows that aren't in the folder yet; raises OSError."""
        memory = self._memory
        rows = self.since(memory.newest.get(folder, {}))
        kept = [
            {"file": piece["file"], "parts": held}
            for piece in memory.files.get(folder, [])
            if (held := rows.still_there(piece["parts"]))
        ]
        stem = name.replace("/", "-")
        # Also files of which this ring doesn't know: the last checkpoint may be another process'.
        number = max((int(path.name.split(".")[-2]) for path in folder.glob(f"{stem}.*.npy")), default=0) + 1
        file = f"{stem}.{number:06}.npy"
        _write(folder / file, (rows.number, *rows.shape[2:]), rows.pieces)
        files = [*kept, {"file": file, "parts": rows.parts}]
        memory.files[folder], memory.newest[folder] = files, rows.newest
        return {"shape": list(rows.shape), "dtype": str(rows.pieces[0].dtype), "files": files}


class Ring(Appended):
    """The rows of a ring a member, (members, capacity, ...); as an array all of them.

    newest: the number of the row that each member writes last, from 0 on, as yet incomplete; lives: another
    number where a ring was emptied.
    """

    def __init__(self, rows: Tensor, newest: Sequence[int], lives: Sequence[int], memory: Memory) -> None:
        super().__init__(memory)
        self._rows, self._newest, self._lives = rows, newest, lives

    def __array__(self, *_: object, **__: object) -> NDArray[np.generic]:
        return np.asarray(self._rows.detach().cpu().numpy())

    def since(self, known: Known) -> Rows:
        """The rows behind those that are known, copied from the ring's device."""
        capacity = self._rows.shape[1]
        parts, pieces, offset = list[dict[str, int]](), list[NDArray[np.generic]](), 0
        for member, (life, newest) in enumerate(zip(self._lives, self._newest, strict=True)):
            oldest = max(0, newest + 1 - capacity)
            before, last = known.get(member, (life, oldest))
            # The newest row is not complete yet: it is stored once more the next time.
            first = max(oldest, last) if before == life else oldest
            places = np.arange(first, newest + 1) % capacity
            cut = int(places.argmin())  # where the ring begins anew
            for run in (places[:cut], places[cut:]):
                if len(run):
                    part = self._rows[member, int(run[0]) : int(run[-1]) + 1]
                    pieces.append(part.detach().cpu().numpy())
            parts.append(
                {"member": member, "life": life, "first": first, "rows": len(places), "offset": offset}
            )
            offset += len(places)
        newest_rows = dict(enumerate(zip(self._lives, self._newest, strict=True)))
        return Rows(tuple(self._rows.shape), parts, pieces, newest_rows)


class Sent(Appended):
    """A ring of another process, of which the rows came here that `Memory.known` did not know."""

    def __init__(self, rows: Rows, memory: Memory) -> None:
        super().__init__(memory)
        self._sent = rows

    def since(self, known: Known) -> Rows:
        """What came."""
        return self._sent


def _write(path: Path, shape: tuple[int, ...], pieces: Iterable[NDArray[np.generic]]) -> None:
    """Pieces of rows as one array file, without a copy of all of them."""
    path.parent.mkdir(exist_ok=True)
    with path.open("wb") as file:
        for number, piece in enumerate(pieces):
            if number == 0:
                header: dict[str, Any] = {"descr": np.lib.format.dtype_to_descr(piece.dtype)}
                np.lib.format.write_array_header_1_0(file, header | {"fortran_order": False, "shape": shape})
            file.write(np.ascontiguousarray(piece).data)
        file.flush()
        os.fsync(file.fileno())


def read(folder: Path, stored: Told) -> NDArray[np.generic]:
    """A ring of a checkpoint, all rows in their places. Raises OSError, ValueError, LookupError."""
    ring: NDArray[Any] = np.zeros(stored["shape"], np.dtype(stored["dtype"]))
    for piece in stored["files"]:
        if Path(piece["file"]).name != piece["file"]:
            raise ValueError(f"{piece['file']} is not a file of its folder")
        rows = np.load(folder / piece["file"], mmap_mode="r", allow_pickle=False)
        for part in piece["parts"]:
            numbers = np.arange(part["first"], part["first"] + part["rows"])
            own = rows[part["offset"] : part["offset"] + part["rows"]]
            ring[part["member"], numbers % ring.shape[1]] = own
    return ring


def clean(folder: Path, rings: Mapping[str, Told]) -> None:
    """Delete the files that no ring needs, and with the last one the folder."""
    needed = {piece["file"] for ring in rings.values() for piece in ring["files"]}
    for path in folder.glob("*.npy"):
        if path.name not in needed:
            path.unlink(missing_ok=True)
    if not needed and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()

"""One process at a time: a lock file, whose lock ends with the process however that ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.lang.files import unwritable


@contextmanager
def held(path: Path, what: str, fix: str) -> Iterator[None]:
    """Hold the lock at `path`. Raises `A2lError` (`what` is in use by process N, `fix`) if another does.

    Also where the lock file can't be written, or its file system has no locks.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise unwritable(path, error) from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
            raise A2lError(f"{what} is in use by process {owner}", fix) from None
        except OSError as error:
            raise A2lError(
                f"{what} can't be locked: {error.strerror}",
                "some network file systems have no locks: keep it on a disk of this machine",
            ) from None
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)

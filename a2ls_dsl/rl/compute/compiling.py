"""Whether torch.compile works on this machine: asked before training begins, not in the midst of it."""

from __future__ import annotations

import getpass
import os
import shutil
import tempfile
from pathlib import Path

from a2ls_dsl.diagnostics import A2lError, reason

CACHE = "TORCHINDUCTOR_CACHE_DIR"
_ROOM = 16 * 2**20
"""Bytes that must fit into the cache: what one stack compiles takes a few of them."""


def cache_folder() -> Path:
    """Where torch keeps what it has compiled."""
    default = f"{tempfile.gettempdir()}/torchinductor_{getpass.getuser()}"
    return Path(os.environ.get(CACHE) or default)


def require_tools() -> None:
    """Raises `A2lError` where the compiler or room in the cache is missing that torch.compile needs."""
    compiler = os.environ.get("CXX", "g++")
    if shutil.which(compiler) is None:
        raise A2lError(
            f"torch.compile needs a C++ compiler, and there is no `{compiler}`",
            "apt-get install g++, or name another one with CXX=",
        )
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(_ROOM))
    except OSError as error:
        raise A2lError(
            f"torch.compile can't write to its cache {folder}: {error.strerror}",
            f"free some space, or name another folder with {CACHE}=",
        ) from None


def require_compile(device: str) -> None:
    """Compile something small. Raises `A2lError` where torch can't."""
    import torch

    require_tools()
    try:
        torch.compile(_small, fullgraph=True)(torch.ones(8, device=device))
    # Whatever stands behind it fails in its own ways: compilers, headers, Triton, the driver.
    except Exception as error:  # noqa: BLE001
        raise A2lError(f"torch.compile doesn't work here: {reason(error)}", "leave it out") from None


def _small(x: object) -> object:
    return x.sin() + 1  # type: ignore[attr-defined]

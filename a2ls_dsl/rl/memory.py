"""How much memory is free, before a replay buffer takes it; and what becomes of memory that is freed."""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress
from pathlib import Path

import torch

from a2ls_dsl.diagnostics import A2lError

_LIMITS = (
    (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")),
    (
        Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
        Path("/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ),
)


# Parameters of glibc's mallopt, from its <malloc.h>.
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
_ANOTHER_LIBRARY = (AttributeError, OSError, TypeError)


def keep_freed_memory() -> None:
    """Let this process keep the memory that it frees, until `free_bytes` looks at what is free.

    An update on the CPU frees what the next one asks for again, and between them the C library gives it back
    to the system, which clears it page by page. For glibc; elsewhere nothing changes.
    """
    with suppress(*_ANOTHER_LIBRARY):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_MAX, 0)  # no piece, however large, has pages of its own
        mallopt(_M_TRIM_THRESHOLD, -1)


def _give_back() -> None:
    """Give the system the memory that this process has kept."""
    with suppress(*_ANOTHER_LIBRARY):
        ctypes.CDLL(None).malloc_trim(0)


def check_memory(needed: int, members: int, device: str) -> None:
    """Raise A2lError where a replay of `needed` bytes for so many members doesn't fit into free memory."""
    free = free_bytes(device)
    if needed > free:
        fitting = int(free * members // needed)
        fewer = f"train at most {fitting} members together, or " if fitting else ""
        raise A2lError(
            f"the replay of {members} member{'s' * (members > 1)} takes {needed / 1e9:.1f} GB, "
            f"{needed / members / 1e9:.2f} GB each, but {free / 1e9:.1f} GB are free on {device}",
            f"{fewer}store fewer agent steps (replay_capacity)",
        )


def free_bytes(device: str) -> int:
    """Free bytes of a device's memory; for the CPU also within the limit of a container.

    What this process has freed and kept counts: it is given back first.
    """
    if device != "cpu":
        return torch.cuda.mem_get_info(device)[0]
    _give_back()
    free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        free = 1024 * int(lines["MemAvailable"].split()[0])
    except (OSError, KeyError, ValueError):  # Another system: all there is.
        pass
    for limit, used in _LIMITS:
        try:
            free = min(free, int(limit.read_text()) - int(used.read_text()))
        except (OSError, ValueError):  # Another system, or `max`: no limit.
            continue
    return max(free, 0)

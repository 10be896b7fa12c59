"""How much memory is free, before anything takes it; and what becomes of memory that is freed."""

from __future__ import annotations

import ctypes
import gc
import os
import resource
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

# Parameters of glibc's mallopt, from its <malloc.h>.
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
_ANOTHER_LIBRARY = (AttributeError, OSError, TypeError)


def keep_freed_memory() -> None:
    """Let this process keep the memory that it frees, until `give_back`.

    An update on the CPU frees what the next one asks for again, and between them the C library gives it back
    to the system, which clears it page by page. For glibc; elsewhere nothing changes.
    """
    with suppress(*_ANOTHER_LIBRARY):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_MAX, 0)  # no piece, however large, has pages of its own
        mallopt(_M_TRIM_THRESHOLD, -1)


def give_back(device: str = "cpu") -> None:
    """Collect garbage, then give the memory that this process has freed and kept back to the system.

    On a GPU also what torch has kept there, once all that was launched has ended.
    """
    gc.collect()
    if device != "cpu":
        import torch  # here, as pools of environments ask for memory, too

        torch.cuda.synchronize(device)
        torch.cuda.empty_cache()
    trim()


def trim() -> None:
    """Give the memory that this process has freed and kept back to the system, without a look for garbage."""
    with suppress(*_ANOTHER_LIBRARY):
        ctypes.CDLL(None).malloc_trim(0)


def free_bytes(device: str) -> int:
    """Free bytes of a device's memory; for the CPU also within the limits of this process and its container.

    Without what this process has freed and kept: see `give_back`.
    """
    if device == "cpu":
        return min(free_of_machine(), free_of_process())
    import torch

    return torch.cuda.mem_get_info(device)[0]


def free_of_machine() -> int:
    """Bytes that this process and its workers may take together, of the machine and of their container."""
    free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with suppress(OSError, KeyError, ValueError):  # Another system: all there is.
        free = _table("/proc/meminfo")["MemAvailable"]
    groups = list[int]()
    with suppress(OSError, ValueError):
        groups += free_of_groups(Path("/proc/self/cgroup").read_text(), Path("/sys/fs/cgroup"))
    return max(min([free, *groups]), 0)


def free_of_process() -> int:
    """Bytes that this process may still take by its own limits (`ulimit -v`, `ulimit -d`)."""
    free = [2**63 - 1]
    with suppress(OSError, KeyError, ValueError):
        used = _table("/proc/self/status")
        for kind, name in ((resource.RLIMIT_AS, "VmSize"), (resource.RLIMIT_DATA, "VmData")):
            limit = resource.getrlimit(kind)[0]
            free += [limit - used[name]] if limit != resource.RLIM_INFINITY else []
    return max(min(free), 0)


def memory_of(process: int) -> int:
    """Bytes that a process holds alone; 0 where the system doesn't tell."""
    with suppress(OSError, KeyError, ValueError):
        return _table(f"/proc/{process}/status")["RssAnon"]
    return 0


def free_of_groups(groups: str, root: Path) -> Iterator[int]:
    """What control groups and those around have left. groups: /proc/self/cgroup; root: where they lie."""
    for line in groups.splitlines():
        _, kinds, place = line.split(":", 2)
        if not kinds:  # version 2
            yield from _free_of_group(root, place, "memory.max", "memory.current", "inactive_file")
        elif "memory" in kinds.split(","):
            names = "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
            yield from _free_of_group(root / "memory", place, *names)


def _free_of_group(root: Path, place: str, limit: str, used: str, cached: str) -> Iterator[int]:
    """Of a group and of all around it. In a container its own group is often seen as the root."""
    group = root / place.lstrip("/")
    for folder in (group, *(parent for parent in group.parents if parent.is_relative_to(root))):
        with suppress(OSError, ValueError):  # `max`: no limit
            most, now = int((folder / limit).read_text()), int((folder / used).read_text())
            yield most - now + _files(folder / "memory.stat", cached)


def _files(path: Path, name: str) -> int:
    """Bytes of files that the kernel keeps as long as nobody needs the room."""
    with suppress(OSError, ValueError):
        for line in path.read_text().splitlines():
            if line.startswith(f"{name} "):
                return int(line.split()[1])
    return 0


def _table(path: str) -> dict[str, int]:
    """The sizes in a file of the kernel's, in bytes by name."""
    lines = (line.split() for line in Path(path).read_text().splitlines())
    return {line[0].rstrip(":"): 1024 * int(line[1]) for line in lines if len(line) == 3 and line[2] == "kB"}

"""Processes of this one, for tests that kill them."""

from __future__ import annotations

import os
from pathlib import Path


def environment_workers() -> list[int]:
    """The environment workers that this process started. Linux."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return [int(pid) for pid in children if "envs.worker" in Path(f"/proc/{pid}/cmdline").read_text()]

"""Searches in processes of their own, which tests wait for or stop."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess

from forked import Started

SEARCH = (
    "evolve",
    "--env",
    "cartpole-swingup",
    "--population",
    "2",
    "--generations",
    "1",
    "--frames",
    "160",
    *("--set", "random_steps=16", "--set", "hidden=8", "--set", "batch_size=4"),
)


def wait(process: Started, ready: Callable[[], bool]) -> None:
    """Wait until something is so, while a process runs; a test's timeout bounds it."""
    while process.poll() is None:
        try:
            if ready():
                return
        except sqlite3.OperationalError:  # not made yet
            pass
        time.sleep(0.02)
    raise AssertionError("the process ended before its time")


def ends(process: BaseProcess) -> None:
    """Wait for the end of a process, which has to be a good one."""
    process.join()
    assert process.exitcode == 0

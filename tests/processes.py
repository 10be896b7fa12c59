"""Processes of this one, for tests that kill them."""

from __future__ import annotations

from forked_workers import Worker


def environment_workers() -> list[int]:
    """The environment workers of this process that live."""
    return [worker.pid for worker in Worker.all if worker.returncode is None]

"""Tests of environments have the worker processes that a user has."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _started(started_workers: None) -> None:
    """See `started_workers`."""

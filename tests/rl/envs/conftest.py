"""Tests of environments have the worker processes that a user has, and environments of a user's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from a2ls_dsl.rl.envs.facts import facts_of


@pytest.fixture(autouse=True)
def _started(started_workers: None) -> None:
    """See `started_workers`."""


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The folder of `my_env.py` is the working folder."""
    monkeypatch.chdir(Path(__file__).parent)
    facts_of.cache_clear()
    yield
    facts_of.cache_clear()

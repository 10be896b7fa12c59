"""Studies of searches that were played through; tests change copies alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from report.made import CASCADE, make

from a2ls_dsl.search.study.records import Records


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("studies") / "made")


@pytest.fixture(scope="session")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("studies") / "other", replace(CASCADE, seed=1))


@pytest.fixture
def records(made: Path) -> Iterator[Records]:
    with Records(made) as opened:
        yield opened

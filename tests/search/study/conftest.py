"""What tests of studies share: a study with a population that waits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from search.study.small_study import GRAMMAR, SETTINGS, propose

from a2ls_dsl.search.study.study import Study


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "study"


@pytest.fixture
def study(folder: Path) -> Iterator[Study]:
    with Study(folder, SETTINGS, GRAMMAR) as opened:
        propose(opened)
        yield opened

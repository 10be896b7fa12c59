"""What tests of searches share: a search without interruption."""

from __future__ import annotations

from pathlib import Path

import pytest
from search.search_processes import ends
from search.tiny_search import start


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The search without interruption. Those of other tests have its settings and seed, and its results."""
    folder = tmp_path_factory.mktemp("search") / "whole"
    ends(start(folder))
    return folder

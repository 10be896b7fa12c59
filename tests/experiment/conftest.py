"""Small experiments, trained and not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from experiment.small_experiment import SMALL, TRAINED, written

from a2ls_dsl.experiment.plan import Experiment, read
from a2ls_dsl.experiment.run import run


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return written(tmp_path, SMALL)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an experiment that was trained without interruption; tests work on copies."""
    folder = tmp_path_factory.mktemp("experiments") / "trained"
    assert run(read(written(folder, TRAINED)), workers=1)
    return folder


@pytest.fixture
def complete(trained: Path, tmp_path: Path) -> Experiment:
    """A copy of the trained experiment."""
    return read(shutil.copytree(trained, tmp_path / "complete") / "small.toml")

"""What all tests share: golden files, and property tests that repeat, without a clock.

`pytest --update-golden` rewrites the golden files; read the difference before committing it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

# Tests and the commands they start share the cores; torch's threads would only wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# What a change must pass answers the same twice; `pytest --hypothesis-profile explore` draws other examples.
settings.register_profile("repeat", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None)
settings.load_profile("repeat")

LONGEST = (
    "search/test_run.py",
    "search/test_going_on.py",
    "search/test_ray.py",
    "rl/compute/test_capture.py",
    "search/test_pixels.py",
    "rl/runs/test_train_command.py",
    "rl/envs/test_rendering.py",
    "experiment/test_experiment.py",
    "rl/slots/test_slots.py",
    "rl/slots/test_stacks.py",
    "rl/runs/test_arms.py",
    "backend/test_export.py",
    "backend/test_export_alone.py",
    "rl/rainbow/test_training.py",
    "examples/test_notebook.py",
    "rl/envs/test_own_env.py",
    "lang/test_robustness.py",
    "lang/grammar/test_recorded.py",
    "rl/bench/test_command.py",
    "rl/envs/test_failures.py",
    "rl/slots/test_poison.py",
    "examples/test_run.py",
    "rl/envs/test_pool.py",
    "test_tutorial.py",
)
"""The files that take longest, in this order."""

Golden = Callable[[Path, str], None]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files begin first: a process takes one at a time, and none should be alone at the end."""
    place = {name: number for number, name in enumerate(LONGEST)}
    root = Path(__file__).parent
    items.sort(key=lambda item: place.get(item.path.relative_to(root).as_posix(), len(place)))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Environment workers are forked, if any test may ask for them; see `forked_workers.py`."""
    if "a2ls_dsl.rl.envs.pool" in sys.modules and not session.config.option.collectonly:
        import forked_workers

        forked_workers.begin()


@pytest.fixture
def started_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Environment workers are processes that were started, as outside of tests."""
    monkeypatch.delenv("A2L_TEST_WORKERS", raising=False)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write golden files instead of comparing")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """`golden(path, text)` compares a text with the file that pins it."""
    update = request.config.getoption("--update-golden")

    def compare(path: Path, text: str) -> None:
        if update:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert path.is_file(), f"{path} is missing: pytest --update-golden writes it"
        assert text == path.read_text(encoding="utf-8")

    return compare

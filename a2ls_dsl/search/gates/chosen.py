"""The gates that a search's settings name, in the state that its study left them in."""

from __future__ import annotations

from collections.abc import Callable

from a2ls_dsl.search.candidates import Status, parsed, references
from a2ls_dsl.search.gates.batch import BatchGate, Gate
from a2ls_dsl.search.gates.duplicates import DuplicateGate
from a2ls_dsl.search.settings import SearchSettings
from a2ls_dsl.search.strategies.proposals import training_of
from a2ls_dsl.search.study.study import Study


def gates_of(study: Study, settings: SearchSettings) -> list[Gate]:
    """The gates, in the order in which candidates meet them."""
    gates: dict[str, Callable[[], Gate]] = {
        "duplicates": lambda: _duplicates(study, settings),
        "batch": lambda: BatchGate(settings.task, settings.agent, settings.seed),
    }
    return [gates[name]() for name in settings.gates]


def _duplicates(study: Study, settings: SearchSettings) -> DuplicateGate:
    """The gate with the references and all losses that passed it before the search was interrupted."""
    stopped = f"{DuplicateGate.name}: "
    asked = [candidate for candidate in study.candidates() if candidate.status is not Status.QUEUED]
    passed = [parsed(candidate.text) for candidate in asked if not candidate.reason.startswith(stopped)]
    frames = not training_of(settings).sees_vectors
    return DuplicateGate(frames, [*(parsed(reference.text) for reference in references()), *passed])

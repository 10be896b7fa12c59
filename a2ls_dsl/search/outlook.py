"""How much a search has left to train, in frames."""

from __future__ import annotations

from collections.abc import Iterable

from a2ls_dsl.search.candidates import Run, Status, references
from a2ls_dsl.search.finals import fresh_runs
from a2ls_dsl.search.settings import SearchSettings
from a2ls_dsl.search.study.reader import StudyReader


def frames_left(
    study: StudyReader,
    settings: SearchSettings,
    training: Iterable[tuple[Run, int]] = (),
    expected: float | None = None,
) -> float:
    """Frames to be trained until the search ends.

    training: runs, and the frames that they have trained so far. expected: what a search run takes until it
    ends, by default all of its frames; a run past that takes all of them, as runs with fresh seeds do.
    """
    whole = float(settings.frames)
    expected = whole if expected is None else expected

    def left(run: Run, trained: int) -> float:
        ends = expected if run.seed == settings.seed and trained < expected else whole
        return max(ends - trained, 0.0)

    now = sum(left(run, trained) for run, trained in training)
    queued = sum(left(run, 0) for run in study.runs(Status.QUEUED))
    counts = study.counts()
    proposed = sum(counts.values()) - counts[Status.REJECTED]
    to_propose = max(settings.searched + len(references()) - proposed, 0)
    to_come = max(fresh_runs(settings) - study.fresh_runs(), 0)
    return now + queued + to_propose * expected + to_come * whole

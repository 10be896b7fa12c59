"""What is in a study, in figures: its candidates, gates, slots, cost, and where the best comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from a2ls_dsl.report.standing import BOARD
from a2ls_dsl.search.candidates import Candidate, Status
from a2ls_dsl.search.rungs import RungState
from a2ls_dsl.search.settings import SearchSettings
from a2ls_dsl.search.study.records import LoggedEvent, Records
from a2ls_dsl.search.study.rows import Part


@dataclass(frozen=True)
class Gate:
    """What a gate or rung did. frames: those that the candidates it stopped would still have trained."""

    name: str
    passed: int
    stopped: int
    frames: int

    @property
    def share(self) -> float:
        """The share of candidates that it stopped."""
        return self.stopped / max(self.passed + self.stopped, 1)


@dataclass(frozen=True)
class Cost:
    """What was spent: frames in all, and seconds in the sessions that came to an end.

    The time of a killed session is unknown; `sessions` counts all that began, `timed` those of known time.
    """

    frames: int
    seconds: float
    sessions: int
    timed: int


@dataclass(frozen=True)
class Summary:
    """A study in figures. board: the best hundred and the references. occupied: share of the slots' time in
    which a run trained; None if unknown."""

    settings: SearchSettings
    version: str
    parts: tuple[Part, ...]
    counts: dict[Status, int]
    references: int
    gates: tuple[Gate, ...]
    rungs: tuple[RungState, ...]
    cost: Cost
    slots: int
    occupied: float | None
    board: tuple[Candidate, ...]
    lineage: tuple[Candidate, ...]
    began: str
    ended: str

    @property
    def best(self) -> Candidate | None:
        """The first candidate on the board; None if none has a score."""
        return next((candidate for candidate in self.board if not candidate.is_reference), None)

    @property
    def complete(self) -> bool:
        """Whether nothing is in training or queued."""
        return not (self.counts[Status.QUEUED] or self.counts[Status.RUNNING])

    @property
    def candidates(self) -> int:
        """How many losses were proposed, references aside."""
        return sum(self.counts.values()) - self.references

    @property
    def trained(self) -> int:
        """How many candidates and references trained, to their end or until they were stopped."""
        return sum(self.counts[status] for status in (Status.SCORED, Status.CULLED, Status.FAILED))


def summarise(study: Records) -> Summary:
    """All of a study's figures, read at one moment."""
    with study.still():
        board = study.leaderboard(BOARD)
        best = next((candidate for candidate in board if not candidate.is_reference), None)
        references = [candidate for candidate in study.candidates(limit=50) if candidate.is_reference]
        events = study.events()
        slots, occupied = _occupied(study)
        return Summary(
            study.settings,
            study.version,
            study.parts,
            study.counts(),
            len(references),
            tuple(Gate(name, *did) for name, did in study.gates().items()),
            tuple(study.rungs()),
            _cost(study.frames(), events),
            slots,
            occupied,
            tuple(board),
            tuple(study.ancestors(best.key)) if best else (),
            events[0].time if events else "",
            events[-1].time if events else "",
        )


def distances(lineage: Sequence[Candidate]) -> dict[str, int]:
    """The largest number of moves between each loss of a lineage (parents before children) and its last."""
    moves: dict[str, int] = {}
    for candidate in reversed(lineage):
        own = moves.setdefault(candidate.key, 0)
        for parent in candidate.parents:
            moves[parent] = max(moves.get(parent, 0), own + 1)
    keys = {candidate.key for candidate in lineage}
    return {key: distance for key, distance in moves.items() if key in keys}


def _occupied(study: Records) -> tuple[int, float | None]:
    """The number of slots, and the share of their time in which a run trained, from first to last tick."""
    slots, busy, first, last = set[int](), 0, None, 0
    for run in study.run_records():
        if run.slot is None or run.began is None or run.ended is None:
            continue
        slots.add(run.slot)
        busy += run.ended - run.began
        first = run.began if first is None else min(first, run.began)
        last = max(last, run.ended)
    if first is None or last <= first:
        return len(slots), None
    return len(slots), min(busy / (len(slots) * (last - first)), 1.0)


def _cost(frames: int, events: Sequence[LoggedEvent]) -> Cost:
    sessions = sum(event.kind in ("started", "resumed") for event in events)
    timed = [float(event.detail["seconds"]) for event in events if "seconds" in event.detail]
    return Cost(frames, sum(timed), sessions, len(timed))

"""What a study knows, for strategies: see `strategies.Knowledge`."""

from __future__ import annotations

from collections.abc import Sequence

from a2ls_dsl.lang.grammar import Grammar
from a2ls_dsl.search.candidates import Candidate, Status, levels_of, references
from a2ls_dsl.search.finals import scored_losses
from a2ls_dsl.search.strategies.proposals import FROM_OUTSIDE
from a2ls_dsl.search.strategies.registry import Scored
from a2ls_dsl.search.study.study import Study


class StudyKnowledge:
    """Reads a study. The conductor keeps `taken` and `free` up to date."""

    def __init__(self, study: Study, grammar: Grammar) -> None:
        self._study, self._grammar = study, grammar
        self.taken = study.keys() | {reference.key for reference in references()}
        self.free = 1
        self._contained: dict[str, bool] = {}  # losses from outside the grammar, by key

    @property
    def proposed(self) -> int:
        """See `Knowledge`."""
        return sum(self._study.counts().values()) - (len(references()) if self.newest else 0)

    @property
    def newest(self) -> int:
        """See `Knowledge`."""
        return self._study.generations

    @property
    def waiting(self) -> bool:
        """See `Knowledge`."""
        counts = self._study.counts()
        return bool(counts[Status.QUEUED] + counts[Status.RUNNING])

    def generation(self, number: int) -> Sequence[Scored]:
        """See `Knowledge`."""
        return self._scored(self._study.candidates(number, Status.SCORED))

    def latest(self, number: int) -> Sequence[Scored]:
        """See `Knowledge`."""
        return self._scored(self._study.latest(number))

    def _scored(self, candidates: Sequence[Candidate]) -> Sequence[Scored]:
        raced = any(candidate.fresh for candidate in candidates)
        levels = levels_of(self._study.leaderboard(0)) if raced else {}
        return scored_losses(candidates, levels, self._inside)

    def _inside(self, candidate: Candidate) -> bool:
        """Whether the grammar holds a loss; only losses from outside have to be looked up."""
        if candidate.origin not in FROM_OUTSIDE or candidate.loss is None:
            return True
        if candidate.key not in self._contained:
            self._contained[candidate.key] = self._grammar.contains(candidate.loss)
        return self._contained[candidate.key]

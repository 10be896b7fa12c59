"""How a search ends: a race of its best over fresh seeds (`race.py`), then what was asked to be confirmed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from a2ls_dsl.search import race
from a2ls_dsl.search.candidates import Candidate, Status, levels_of, references
from a2ls_dsl.search.settings import SearchSettings
from a2ls_dsl.search.strategies.calls import ranked
from a2ls_dsl.search.strategies.registry import Scored, Strategy
from a2ls_dsl.search.study.study import Study


class Finals:
    """Queues the runs with fresh seeds, round by round. The references run with all seeds of any."""

    def __init__(self, settings: SearchSettings, study: Study, strategy: Strategy) -> None:
        self._settings, self._study, self._strategy = settings, study, strategy

    def queue(self) -> bool:
        """Queue what is to run next, now that nothing runs or waits; False if all has run.

        Belongs to the decision that the study is at.
        """
        settings = self._settings
        if not (settings.race_runs or settings.confirm):
            return False
        scored = self._study.candidates(status=Status.SCORED)
        ranking = self._ranking(scored)
        finalists = ranking[: race.finalists(settings.race_runs)]
        (first,) = settings.fresh_seeds(1)
        by_number = [
            {seed - first: score for seed, score in finalist.fresh.items()} for finalist in finalists
        ]
        lap = race.standing([finalist.score or 0.0 for finalist in finalists], by_number, settings.race_runs)
        wanted = {finalists[place].id: seeds for place, seeds in lap.missing.items()}
        if lap.ended and settings.confirm:
            ordered = [*(finalists[place] for place in lap.order), *ranking[len(finalists) :]]
            wanted = dict.fromkeys(
                (candidate.id for candidate in ordered[: settings.confirm]), settings.confirm_seeds
            )
        if wanted:
            most = max(wanted.values())
            wanted |= {candidate.id: most for candidate in scored if candidate.is_reference}
        queued = [self._confirm(number, seeds) for number, seeds in wanted.items()]
        return any(queued)

    def _ranking(self, scored: Sequence[Candidate]) -> list[Candidate]:
        """All that is scored, the best first as the strategy believes when it is first asked.

        Stored, as who is in the race must not change as its runs end; made anew once more is scored. A study
        with fresh runs and none stored is of a version that ranked by the search's runs alone.
        """
        by_id = {candidate.id: candidate for candidate in scored if not candidate.is_reference}
        ranking = self._study.ranking()
        if set(ranking) != by_id.keys():
            ids = {loss: candidate.id for candidate in by_id.values() if (loss := candidate.loss) is not None}
            known = scored if ranking else [replace(candidate, fresh={}) for candidate in scored]
            losses = ranked(self._strategy, self._settings.strategy, scored_losses(known, levels_of(known)))
            ranking = [ids[loss] for loss in losses]
            self._study.rank(ranking)
        return [by_id[number] for number in ranking]

    def _confirm(self, candidate: int, seeds: int) -> bool:
        """Queue the runs of a candidate with the first so many fresh seeds, as far as there are none yet."""
        trained = {run.seed for run in self._study.runs(candidate=candidate)}
        missing = [seed for seed in self._settings.fresh_seeds(seeds) if seed not in trained]
        self._study.confirm(candidate, missing)
        return bool(missing)


def fresh_runs(settings: SearchSettings) -> int:
    """How many runs with fresh seeds a search ends with, at most: of its finalists and of the references."""
    number = race.finalists(settings.race_runs)
    seeds = race.seeds_by_place(number, settings.race_runs)
    seeds += [0] * (min(settings.confirm, settings.searched) - number)
    confirmed = [max(seed, settings.confirm_seeds) for seed in seeds[: settings.confirm]]
    seeds[: settings.confirm] = confirmed
    return sum(seeds) + len(references()) * max(seeds, default=0)


def scored_losses(
    candidates: Iterable[Candidate],
    levels: Mapping[int | None, float],
    inside: Callable[[Candidate], bool] = lambda candidate: True,
) -> list[Scored]:
    """What strategies see of candidates: losses with their means over that many runs, references aside.

    levels: those of the references, with which `Candidate.mean` is made.
    """
    return [
        Scored(loss, candidate.mean(levels), candidate.runs, inside(candidate))
        for candidate in candidates
        if not candidate.is_reference and (loss := candidate.loss) is not None
    ]

"""A study that is asked what to train and told how good it was: for training that happens elsewhere.

The strategy, the race and everything stored are those of a search. One process at a time has a study.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, fields
from functools import reduce
from operator import or_
from pathlib import Path
from types import TracebackType
from typing import Any, Self, get_type_hints

from a2ls_dsl.diagnostics import A2lError, unknown
from a2ls_dsl.lang.syntax.printer import print_loss
from a2ls_dsl.lang.syntax.tree import Loss
from a2ls_dsl.rl.agents import ALGORITHMS
from a2ls_dsl.rl.given import checked
from a2ls_dsl.rl.given import settings as given_settings
from a2ls_dsl.rl.slots.evaluation import Score
from a2ls_dsl.search.candidates import Candidate, Run
from a2ls_dsl.search.conductor import Conductor
from a2ls_dsl.search.settings import SearchSettings, default_operator
from a2ls_dsl.search.strategies.evolution import Origin, Proposal
from a2ls_dsl.search.strategies.proposals import check_several, loss_of, texts_of
from a2ls_dsl.search.study.hall_of_fame import write_hall_of_fame
from a2ls_dsl.search.study.study import Study

FAILED = "no score: its training failed, as was told"


@dataclass(frozen=True)
class Trial:
    """What to train next: a loss (None: no auxiliary loss), and the seed to train it with.

    number, slot: by which the study identifies it.
    """

    loss: Loss | None
    seed: int
    number: int
    slot: int

    @property
    def text(self) -> str:
        """The loss in the language; `none` without one."""
        return print_loss(self.loss) if self.loss else "none"


class AskedStudy:
    """A study for `ask` and `tell`; made by `open_study`. A context manager."""

    def __init__(self, folder: Path, settings: SearchSettings) -> None:
        grammar = settings.space()
        with ExitStack() as opening:
            self._study = opening.enter_context(Study(folder, settings, grammar))
            # Trials that were asked for but not told before are given again.
            self._conductor = Conductor(settings, grammar, self._study, repeat=False, failure=FAILED)
            self._conductor.begin()
            self._open = opening.pop_all()
        self._frames, self._closed, self._opened = settings.frames, False, time.perf_counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the study; everything told is stored. Closing it again does nothing."""
        if not self._closed:
            self._closed = True
            with self._open:
                seconds = round(time.perf_counter() - self._opened, 1)
                self._study.log("finished" if self.finished else "stopped", {"seconds": seconds})

    @property
    def finished(self) -> bool:
        """Whether the whole budget, race included, was asked for and told."""
        return self._conductor.finished

    def ask(self, loss: Loss | str | None = None) -> Trial | None:
        """What to train next: what the strategy proposes, or the given loss, whatever the strategy.

        None: nothing now. Either the study is `finished`; or the strategy or the race waits for trials that
        were asked for but not told yet; or this loss was asked for before. Raises `A2lError` for a text that
        is not a loss, and for a loss that can't be trained on the task.
        """
        if self._closed:
            raise A2lError(
                "the study is closed, so nothing can be asked for", "open it again: open_study(...)"
            )
        conductor, taken = self._conductor, self._conductor.training
        slot = next(place for place in range(len(taken) + 1) if place not in taken)
        tick = conductor.stored // 2 + 1
        if loss is None:
            filled = conductor.fill(tick, [slot])
        else:
            filled = conductor.place(tick, slot, Proposal(loss_of(loss, "ask"), Origin.GIVEN))
        return next((Trial(run.loss, run.seed, run.id, slot) for slot, run in filled), None)

    def tell(self, trial: Trial, score: float | None) -> Candidate:
        """Store the score of a trial, higher is better; None or NaN: its training failed. Returns its
        candidate.

        Raises `A2lError` for a trial that was not asked for, or was told before, and for what is no score.
        """
        run: Run | None = self._conductor.training.get(trial.slot)
        if run is None or run.id != trial.number:
            raise A2lError(
                f"trial {trial.number} was told before, or another process asked for it",
                "tell every trial once, to the study that gave it",
            )
        try:
            value = math.nan if score is None else float(score)
        except (TypeError, ValueError, RuntimeError):
            raise A2lError(
                f"the score of trial {trial.number} is {score!r}", "tell a number, or None if training failed"
            ) from None
        failed = not math.isfinite(value)
        result = Score(self._frames, (0.0 if failed else value,), math.nan, trial.slot, 0, {}, failed)
        _, ended = self._conductor.score((self._conductor.stored + 1) // 2, [result])
        write_hall_of_fame(self._study)
        return ended[0].candidate

    def best(self, number: int = 10) -> list[Candidate]:
        """The best candidates: by the means of their fresh seeds, then by their first scores."""
        return [candidate for candidate in self._study.leaderboard(number) if not candidate.is_reference]


def open_study(folder: Path | str, env: str, **settings: Any) -> AskedStudy:
    """A study in `folder`, made or continued, for training that happens elsewhere.

    env: the name of the task; settings: any others of `SearchSettings`. By default 100 candidates of the
    grammar a2ls (`population` 10 times `generations` 10), proposed by `model`. `start_from` takes losses or
    their texts. Raises `A2lError`.
    """
    names = [field.name for field in fields(SearchSettings)]
    for name in settings:
        if name not in names:
            raise unknown("setting of a study", name, names)
    start: Iterable[Loss | str] = settings.pop("start_from", ())
    check_several(start, "start_from")
    checked("open_study", "env", env, str)
    agents: Any = reduce(or_, (algorithm.settings for algorithm in ALGORITHMS.values()))
    settings = given_settings("open_study", settings, get_type_hints(SearchSettings) | {"agent": agents})
    grammar = settings.get("grammar", "a2ls")
    usual: dict[str, Any] = {
        "strategy": "model",
        "population": 10,
        "generations": 10,
        "operator": default_operator(grammar),
    }
    losses = texts_of(loss_of(loss, "start_from") for loss in start)
    return AskedStudy(Path(folder), SearchSettings(env, **usual | settings, start_from=losses))

"""Trains to a plan and keeps what comes of it: stored now and then, it can be stopped at any step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from a2ls_dsl.rl.runs.checkpoint import Pace
from a2ls_dsl.rl.runs.trainer import Evaluation, Progress, Ticked, Trainer
from a2ls_dsl.rl.slots.slots import Replaced


class Keeper(ABC):
    """Where training is kept, so that a later process goes on with it."""

    @abstractmethod
    def record(self, evaluation: Evaluation) -> None:
        """Take in an evaluation."""

    @abstractmethod
    def save(self) -> None:
        """Store the state of the trainer and what was recorded."""


@dataclass(frozen=True)
class Stored:
    """The state is stored: after a stop, training goes on from `frames`."""

    frames: int


Event: TypeAlias = Progress | Evaluation | Replaced | Stored


def train(
    trainer: Trainer,
    keeper: Keeper,
    on_event: Callable[[Event], None] = lambda event: None,
    stopping: Callable[[], bool] = lambda: False,
    pace: Pace | None = None,
) -> bool:
    """Train to the end of the plan; False if it was stopped before.

    The state is stored when the pace says so, and after an evaluation once that is affordable. stopping:
    asked after every step; once it returns True, or the pace's time is over, the state is stored and training
    ends.
    """
    pace, fresh = pace or Pace(), False
    for event in trainer.run():
        if not isinstance(event, Ticked):
            if isinstance(event, Evaluation):
                keeper.record(event)
                fresh = True
            on_event(event)
        elif not trainer.finished:
            stop = stopping() or pace.over
            if stop or pace.due or (fresh and pace.affordable):
                with pace.storing():
                    keeper.save()
                fresh = False
                on_event(Stored(event.frames))
            if stop:
                return False
    return True

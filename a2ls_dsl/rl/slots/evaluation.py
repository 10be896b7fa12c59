"""Scores the policies of a stack while it trains on: frozen copies play in environments of their own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from a2ls_dsl.backend.counter_rng import Purpose
from a2ls_dsl.rl.envs.played import Arrays
from a2ls_dsl.rl.envs.pool import EnvPool
from a2ls_dsl.rl.envs.tasks import suite_of
from a2ls_dsl.rl.replay.observations import History
from a2ls_dsl.rl.runs.checkpoint import prefixed, without_prefix
from a2ls_dsl.rl.runs.curve import Point
from a2ls_dsl.rl.slots.learner import Learner

STEPS = 2**24
"""More than the steps of any episode: each episode of each evaluation has numbers of its own."""

_OF_MEMBERS = ("_playing", "_total", "_step")


@dataclass(frozen=True)
class Score(Point):
    """One member's evaluation.

    metrics: means of its learner's figures by name; diverged: its policy is no longer finite (see
    `Suite.diverged_return`).
    """

    member: int
    number: int
    metrics: dict[str, float]
    diverged: bool

    @property
    def point(self) -> Point:
        """The point of the member's learning curve."""
        return Point(self.frames, self.returns, self.training_return)


@dataclass
class _Open:
    """An evaluation that has begun: what is known since then, and the returns so far."""

    score: Score
    returns: list[float] = field(default_factory=list)


class Evaluator:
    """At most one evaluation a member at a time: `episodes` episodes by its deterministic policy.

    `begin` freezes a policy; then `start` and `wait` play one agent step of every member that is being
    evaluated, with time for something else in between. What comes out depends on the frozen policy, the
    member's seed and the evaluation's number alone, so neither the pace nor an interruption changes a score.
    """

    def __init__(self, pool: EnvPool, learner: Learner, episodes: int) -> None:
        self.pool, self.learner, self.episodes = pool, learner, episodes
        self._open: dict[int, _Open] = {}
        self._history = History(pool.size, learner.observations)
        self._playing = np.zeros(pool.size, np.bool_)  # whose episode goes on
        self._stepping = np.zeros(pool.size, np.bool_)  # who takes the step that has begun
        self._total = np.zeros(pool.size)
        self._step = np.zeros(pool.size, np.int64)  # which one it is among the steps of all evaluations

    @property
    def running(self) -> bool:
        """Whether any evaluation has begun and not ended."""
        return bool(self._open)

    def begin(self, member: int, number: int, frames: int, training_return: float, diverged: bool) -> None:
        """Evaluate a member's policy as it is now, after `frames` frames; `number` were before it.

        diverged: whether the policy isn't finite.
        """
        self.learner.freeze([member])
        metrics = self.learner.pop_metrics(member)
        self._open[member] = _Open(Score(frames, (), training_return, member, number, metrics, diverged))

    def cancel(self, member: int) -> None:
        """Forget a member's evaluation, if one is running."""
        self._open.pop(member, None)
        self._playing[member] = False

    def start(self, only: NDArray[np.bool_] | None = None) -> None:
        """Let every member that is evaluated, or those in the mask, take a step; returns at once."""
        chosen = np.ones(self.pool.size, np.bool_) if only is None else only
        self._begin_episodes(chosen)
        self._stepping = self._playing & chosen
        action = self.learner.act_frozen(self._history.seen, self._step)
        self.pool.start(as_played(self.pool, action), self._stepping)

    def wait(self) -> list[Score]:
        """Collect the step that `start` began; the evaluations that it ended."""
        result = self.pool.wait()
        self._total += np.where(self._stepping, result.reward, 0.0)
        self._history.push(result.observation, self._stepping)
        self._step += self._stepping
        over = self._stepping & result.last
        ended = np.flatnonzero(over)
        self._playing &= ~over
        return [score for member in ended if (score := self._end_episode(int(member)))]

    def step(self, only: NDArray[np.bool_] | None = None) -> list[Score]:
        """`start` and `wait`."""
        self.start(only)
        return self.wait()

    def finish(self, only: Iterable[int] | None = None) -> list[Score]:
        """Play what is left of all evaluations that are running, or of these members' alone."""
        asked = range(self.pool.size) if only is None else list(only)
        scores: list[Score] = []
        while left := [member for member in asked if member in self._open]:
            scores += self.step(np.isin(np.arange(self.pool.size), left))
        return scores

    def state(self) -> tuple[Arrays, list[dict[str, Any]]]:
        """All that is known so far, as arrays and JSON values."""
        arrays = {name: getattr(self, name) for name in _OF_MEMBERS} | {"seen": self._history.stacked}
        arrays |= prefixed("played", self.pool.played.state(self._playing))
        return arrays, [asdict(begun.score) | {"returns": begun.returns} for begun in self._open.values()]

    def restore(self, arrays: Mapping[str, NDArray[Any]], values: Iterable[Mapping[str, Any]]) -> None:
        """Take over what `state` of an equal evaluator returned; the learner holds the frozen policies."""
        for name in _OF_MEMBERS:
            getattr(self, name)[:] = arrays[name]
        self._history.stacked[:] = arrays["seen"]
        self.pool.restore(without_prefix("played", arrays))
        self._open = {}
        for stored in values:
            score = Score.of({**stored, "returns": ()})
            self._open[score.member] = _Open(score, [float(value) for value in stored["returns"]])

    def _begin_episodes(self, chosen: NDArray[np.bool_]) -> None:
        """Start the next episode of those in the mask that have just begun, or ended one."""
        numbers = np.zeros(self.pool.size, np.int64)
        waiting = np.zeros(self.pool.size, np.bool_)
        for member, running in self._open.items():
            if chosen[member] and not self._playing[member]:
                waiting[member] = True
                numbers[member] = running.score.number * self.episodes + len(running.returns)
        if waiting.any():
            seeds = self.learner.episode_seeds(Purpose.EVALUATION, numbers)
            self._history.begin(self.pool.reset_where(waiting, seeds), waiting)
            self._playing |= waiting
            self._total[waiting] = 0.0
            self._step[waiting] = numbers[waiting] * STEPS

    def _end_episode(self, member: int) -> Score | None:
        known = self._open[member]
        # Without numbers there are no actions. Where 0 may be a good score it is played all the same.
        lost = suite_of(self.pool.task).diverged_return if known.score.diverged else None
        known.returns.append(float(self._total[member]) if lost is None else lost)
        if len(known.returns) < self.episodes:
            return None
        del self._open[member]
        return Score.of({**vars(known.score), "returns": known.returns})


def as_played(pool: EnvPool, action: NDArray[np.float32]) -> NDArray[Any]:
    """A learner's actions (members, action) as a pool takes them: of one-hot vectors their numbers."""
    return action.argmax(axis=1) if pool.discrete else action

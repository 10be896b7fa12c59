"""Scores the policies of a stack while it trains on: frozen copies play in environments of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from a2ls_dsl.backend.counter_rng import Purpose
from a2ls_dsl.rl.envs.pool import EnvPool
from a2ls_dsl.rl.learner import Learner
from a2ls_dsl.rl.observations import History


@dataclass(frozen=True)
class Evaluation:
    """The policies' scores after `frames` frames of training.

    returns: (members, episodes), undiscounted; training_return: (members,) mean over the training episodes
    since the last evaluation (NaN without any); metrics: means of the learner's figures by name, (members,);
    diverged: (members,) whether a member's parameters are no longer finite (its returns then count as 0).
    """

    frames: int
    returns: NDArray[np.float64]
    training_return: NDArray[np.float64]
    metrics: dict[str, list[float]]
    diverged: NDArray[np.bool_]

    @property
    def mean_return(self) -> NDArray[np.float64]:
        """(members,)"""
        return np.asarray(self.returns.mean(axis=1))


@dataclass
class _Open:
    """An evaluation that has begun: all but the returns is as it was then."""

    number: int
    frames: int
    training_return: NDArray[np.float64]
    metrics: dict[str, list[float]]
    diverged: NDArray[np.bool_]
    returns: list[NDArray[np.float64]]


class Evaluator:
    """One evaluation after the other: `episodes` episodes of every member, by the deterministic policies.

    `begin` freezes the policies; then `start` and `wait` play one agent step of every member, with time for
    something else in between. What comes out depends on the frozen policies and on the evaluation's number
    alone, so neither the pace nor an interruption changes a score.
    """

    def __init__(self, pool: EnvPool, learner: Learner, episodes: int) -> None:
        self.pool, self.learner, self.episodes = pool, learner, episodes
        self.count = 0
        self._open: _Open | None = None
        self._history = History(pool.size, learner.observations)
        self._playing = np.zeros(pool.size, np.bool_)  # members whose episode still counts
        self._seeds = np.zeros(pool.size, np.int64)
        self._total = np.zeros(pool.size)

    @property
    def running(self) -> bool:
        """Whether an evaluation has begun and not ended."""
        return self._open is not None

    def begin(self, frames: int, training_return: NDArray[np.float64]) -> None:
        """Evaluate the policies as they are now, after `frames` frames; none may be running."""
        self.learner.freeze()
        diverged, metrics = ~self.learner.finite(), self.learner.pop_metrics()
        self._open = _Open(self.count, frames, training_return, metrics, diverged, [])
        self.count += 1

    def start(self) -> None:
        """Let every member take a step; returns at once."""
        if not self._playing.any():
            self._begin_episode()
        self.pool.start(self.learner.act_frozen(self._history.seen))

    def wait(self) -> Evaluation | None:
        """Collect the step that `start` began; the evaluation, if that was its last."""
        result = self.pool.wait()
        self._total += np.where(self._playing, result.reward, 0.0)
        self._playing &= ~result.last
        if not self._playing.any():
            return self._end_episode()
        self._history.push(result.observation)
        if result.last.any():
            # A lane that is done goes on in an episode that no longer counts.
            self._history.begin(self.pool.reset_where(result.last, self._seeds), result.last)
        return None

    def finish(self) -> Evaluation | None:
        """Play what is left of the running evaluation."""
        found = None
        while self.running:
            self.start()
            found = self.wait()
        return found

    def state(self) -> dict[str, Any]:
        """What is known so far, as JSON values; episodes that have not ended are played again."""
        if self._open is None:
            return {"count": self.count, "open": None}
        arrays = {
            name: np.asarray(value).tolist() if name != "metrics" else value
            for name, value in vars(self._open).items()
        }
        return {"count": self.count, "open": arrays}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` of an equal evaluator returned; the learner holds the frozen policies."""
        self.count, opened = int(state["count"]), state["open"]
        self._playing[:] = False
        self._open = None
        if opened is not None:
            self._open = _Open(
                number=int(opened["number"]),
                frames=int(opened["frames"]),
                training_return=np.array(opened["training_return"], np.float64),
                metrics=dict(opened["metrics"]),
                diverged=np.array(opened["diverged"], np.bool_),
                returns=[np.array(each, np.float64) for each in opened["returns"]],
            )

    def _begin_episode(self) -> None:
        assert self._open is not None
        number = self._open.number * self.episodes + len(self._open.returns)
        members = self.pool.size
        self._seeds = self.learner.episode_seeds(Purpose.EVALUATION, np.full(members, number))
        self._playing, self._total = np.ones(members, np.bool_), np.zeros(members)
        self._history.begin(self.pool.reset(self._seeds), self._playing)

    def _end_episode(self) -> Evaluation | None:
        assert self._open is not None
        self._open.returns.append(np.where(self._open.diverged, 0.0, self._total))
        if len(self._open.returns) < self.episodes:
            return None
        done, self._open = self._open, None
        returns = np.stack(done.returns, axis=1)
        return Evaluation(done.frames, returns, done.training_return, done.metrics, done.diverged)

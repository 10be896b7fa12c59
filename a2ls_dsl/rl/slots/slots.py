"""The engine of all training: members flow through the slots of one stack, on one task.

All slots take an agent step at each tick: the policies act, physics runs in worker processes while the
learner updates, evaluations of frozen policies are played on the side. A slot that becomes free takes another
member at once, and no neighbour notices: a member's results are a function of its loss, its seed and the
settings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from a2ls_dsl.backend.counter_rng import Purpose
from a2ls_dsl.lang.load import loads
from a2ls_dsl.lang.syntax.printer import print_loss
from a2ls_dsl.lang.syntax.tree import Loss
from a2ls_dsl.rl.replay.observations import History
from a2ls_dsl.rl.replay.windows import check_windows
from a2ls_dsl.rl.runs.checkpoint import prefixed, without_prefix
from a2ls_dsl.rl.runs.training import Member, TrainedNetworks, Training
from a2ls_dsl.rl.slots.clock import Clock
from a2ls_dsl.rl.slots.evaluation import Evaluator, Score, as_played
from a2ls_dsl.rl.slots.learner_state import Arrays
from a2ls_dsl.rl.slots.parts import Parts, Running
from a2ls_dsl.rl.slots.tally import Tally


@dataclass(frozen=True)
class Replaced:
    """A process that was lost has a successor; `text` is a sentence on it."""

    text: str


class Slots:
    """Slots for members that train alike. `tick` by `tick`, members that `fill` put in train to their end.

    A context manager that ends the worker processes; raises `A2lError` if one of them dies, or where the
    members don't fit into memory.
    """

    def __init__(
        self, training: Training, members: Sequence[Member | None], running: Running | None = None
    ) -> None:
        running = running or Running()
        check_windows(training, [member.loss for member in members if member])
        self.training, self.exact, self.clock = training, running.exact, Clock()
        self.members = list(members)
        self.parts = Parts(training, members, running)
        self.pool, self.learner = self.parts.pool, self.parts.learner
        self.memory_bytes = self.parts.memory_bytes
        # Learning begins at update 0 for members that are there from the first tick on.
        self.learner.skip(-training.settings.random_steps * training.settings.updates_per_step)
        self.evaluator = Evaluator(self.parts.evaluation_pool, self.learner, training.evaluation.episodes)
        playing = training.evaluation.episodes * training.task.episode_steps
        self._pace = -(-playing // training.task.frames_to_steps(training.evaluation.every_frames))
        self._history = History(len(members), self.parts.observations)
        self._waiting: dict[int, Member] = {}
        self.tally = Tally([member is not None for member in members])
        for slot in np.flatnonzero(~self.tally.busy):
            self.learner.deactivate(int(slot))

    def close(self) -> None:
        """End the worker processes."""
        self.parts.close()

    def __enter__(self) -> Slots:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def frames(self) -> NDArray[np.int64]:
        """(slots,) environment frames that each member has trained so far."""
        steps = self.training.task.steps_to_frames(1) * self.tally.step
        return np.asarray(np.minimum(steps, self.training.frames))

    @property
    def busy(self) -> NDArray[np.bool_]:
        """(slots,) whose members take steps."""
        return self.tally.busy

    @property
    def last_return(self) -> NDArray[np.float64]:
        """(slots,) returns of the last episodes that ended in training; NaN before the first."""
        return self.tally.last_return

    def free(self) -> list[int]:
        """The slots that can be filled."""
        return [slot for slot, member in enumerate(self.members) if member is None]

    def lost(self) -> list[int]:
        """The slots whose members were lost: none, as long as this process lives."""
        return []

    @property
    def evaluating(self) -> bool:
        """Whether any evaluation has begun and not ended."""
        return self.evaluator.running

    @property
    def replaced(self) -> list[str]:
        """A sentence for every worker process that was replaced so far."""
        return self.pool.replaced

    def trained(self, slot: int) -> TrainedNetworks:
        """What acted in the last evaluation of a slot, until another member takes it."""
        shape, action = self.pool.observation_shape, self.pool.action_size
        return TrainedNetworks(shape, action, int(self.tally.evaluations[slot]), self.learner.policy(slot))

    def fill(self, slot: int, member: Member) -> None:
        """Give a free slot to a member; it begins at the next tick, or at one soon after."""
        self.members[slot] = self._waiting[slot] = member

    def clear(self, slot: int) -> None:
        """Take a member out, whatever it is doing; the slot is free."""
        self.members[slot] = None
        self._waiting.pop(slot, None)
        self.evaluator.cancel(slot)
        self.learner.deactivate(slot)
        self.tally.clear(slot)

    def state(self) -> tuple[Arrays, dict[str, object]]:
        """Everything that a later process needs to go on with the same members, as arrays and JSON values."""
        learner = self.learner
        arrays = learner.state() | self.tally.state()
        arrays["seen"] = self._history.stacked
        arrays |= prefixed("played", self.pool.played.state(self.tally.in_game))
        playing, values = self.evaluator.state()
        return arrays | prefixed("evaluator", playing), {
            "losses": [_text(loss) for loss in learner.losses],
            "seeds": learner.seeds,
            "held": learner.roster.slots,
            "taken": [slot for slot, member in enumerate(self.members) if member],
            "waiting": [[slot, _text(member.loss), member.seed] for slot, member in self._waiting.items()],
            "frames": self.training.frames,
            "finished": self.tally.finished,
            "evaluator": values,
        }

    def restore(self, arrays: Mapping[str, NDArray[Any]], values: Mapping[str, Any]) -> None:
        """Take over a state that `state` of equal slots returned, with the members that were in it."""
        losses, seeds = [_loss(text) for text in values["losses"]], list[int](values["seeds"])
        self._waiting = {slot: Member(_loss(text), seed) for slot, text, seed in values["waiting"]}
        self.members = [None] * len(losses)
        for slot in values["taken"]:
            self.members[slot] = self._waiting.get(slot) or Member(losses[slot], seeds[slot])
        held = values.get("held", range(len(losses)))  # versions before held them all
        self.learner.hold({slot: losses[slot] for slot in held}, fresh=held)
        self.learner.refill(losses, seeds)
        self.learner.restore(arrays)
        self.tally.restore(arrays, values["finished"])
        self._history.stacked[:] = arrays["seen"]
        self.pool.restore(without_prefix("played", arrays))
        self.evaluator.restore(without_prefix("evaluator", arrays), values["evaluator"])
        if values["frames"] < self.training.frames:
            self._train_on(int(values["frames"]))

    def _train_on(self, frames: int) -> None:
        """Who had ended after so many frames trains on; so does who diverged before, to be found so again."""
        for slot, member in enumerate(self.members):
            if member is not None and not self.busy[slot] and slot not in self._waiting:
                self.tally.step[slot] = self.training.task.frames_to_steps(frames)
                self.tally.busy[slot] = True
                self.learner.activate(slot)

    def tick(self) -> list[Score]:
        """One agent step and one update of every member that has begun; gives the evaluations that ended.

        A member whose last evaluation is given has ended: its slot is free.
        """
        self._begin_members()
        self._begin_episodes()
        scores = self._step()
        scores += self._evaluate_due()
        for score in scores:
            if score.frames == self.training.frames:
                self.clear(score.member)
        return sorted(scores, key=lambda score: score.member)

    def evaluate(self) -> list[Score]:
        """One step of the evaluations alone; gives those that ended."""
        return self.evaluator.step()

    def _begin_members(self) -> None:
        """Let waiting members in at a tick from which their updates are in step with the stack's."""
        settings = self.training.settings
        before = settings.random_steps * settings.updates_per_step
        if (self.learner.updates + before) % settings.cycle == 0:
            self._narrow()
            for slot, member in self._waiting.items():
                self.learner.reset(slot, member.loss, member.seed)
                self.tally.begin(slot)
            self._waiting.clear()

    def _narrow(self) -> None:
        """Let the learner compute the slots that are taken alone, where that is faster."""
        if self.learner.narrows and any(self.members):
            losses = {slot: member.loss for slot, member in enumerate(self.members) if member}
            self.learner.hold(losses, fresh=self._waiting)

    def _begin_episodes(self) -> None:
        """Start the next episode of some members; it is a function of a member's seed and its number.

        After a lost life it begins where the game is.
        """
        tally = self.tally
        where = tally.busy & ~tally.running
        if where.any():
            seeds = self.learner.episode_seeds(Purpose.EPISODE, tally.episode)
            first = self.pool.reset_where(where & ~tally.in_game, seeds)
            self._history.begin(first, where)
            self.learner.begin(first, where)
            tally.episode += where & ~tally.in_game

    def _step(self) -> list[Score]:
        """Act and update; physics and a step of the evaluations run beside the update."""
        settings = self.training.settings
        random_steps, updates = settings.random_steps, settings.updates_per_step
        busy, step = self.tally.busy, self.tally.step
        for slot in np.flatnonzero(busy & (step == random_steps)):
            self.learner.activate(int(slot))
        learning = busy & (step >= random_steps)
        clock = self.clock
        with clock.part("acting"):
            action = self.learner.act(self._history.seen, step, step < random_steps)
            self.pool.start(as_played(self.pool, action), busy)
        evaluating = self.evaluator.running
        if evaluating:
            with clock.part("evaluation"):
                self.evaluator.start()
        with clock.part("update"):
            if learning.any():
                for _ in range(updates):
                    self.learner.update()
            else:
                self.learner.skip(updates)
        with clock.part("environments"):
            result = self.pool.wait()
        with clock.part("storing"):
            self.learner.append(action, result.reward, result.terminated, result.observation, result.last)
            self._history.push(result.observation)
        self.tally.count(result)
        if not evaluating:
            return []
        with clock.part("evaluation"):
            scores = self.evaluator.wait()
            for _ in range(self._pace - 1):
                if self.evaluator.running:
                    scores += self.evaluator.step()
            return scores

    def _evaluate_due(self) -> list[Score]:
        """Begin the evaluations that are due now; one that is still running is played to its end first.

        A member whose policy turns out not to be finite neither acts nor learns from then on.
        """
        frames, every = self.frames, self.training.evaluation.every_frames
        is_due = self.busy & ((frames % every == 0) | (frames == self.training.frames))
        due = [int(slot) for slot in np.flatnonzero(is_due)]
        # Of these alone: when the evaluations of others end must not depend on them.
        scores = self.evaluator.finish(due)
        diverged = ~self.learner.finite(due) if due else np.zeros(0, np.bool_)
        for slot, sick in zip(due, diverged.tolist(), strict=True):
            now, number = int(frames[slot]), int(self.tally.evaluations[slot])
            self.evaluator.begin(slot, number, now, self.tally.take_returns(slot), sick)
            self.tally.evaluations[slot] += 1
            if sick or now == self.training.frames:
                self.learner.deactivate(slot)
                self.tally.busy[slot] = False
        return scores


def _text(loss: Loss | None) -> str | None:
    return None if loss is None else print_loss(loss)


def _loss(text: str | None) -> Loss | None:
    return None if text is None else loads(f"loss member = {text}")["member"]

"""Runs a search on this machine: lets candidates flow through the slots of one stack, and tells what happens.

It shows nothing. Commands hand in a function that is called with every event.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.lang.grammar import Grammar
from a2ls_dsl.rl.compute.device import choose_device, make_deterministic
from a2ls_dsl.rl.policies.policy import Trained
from a2ls_dsl.rl.replay.windows import check_windows
from a2ls_dsl.rl.runs.checkpoint import Pace
from a2ls_dsl.rl.runs.training import Member
from a2ls_dsl.rl.settings import Computation
from a2ls_dsl.rl.slots.evaluation import Score
from a2ls_dsl.rl.slots.parts import Running
from a2ls_dsl.rl.slots.slot_sets import SlotSet
from a2ls_dsl.rl.slots.slots import Replaced
from a2ls_dsl.rl.slots.stacks import Stacks
from a2ls_dsl.search.candidates import Status, references
from a2ls_dsl.search.conductor import Conductor, Ended
from a2ls_dsl.search.events import (
    OnEvent,
    Placed,
    Progress,
    RunsEnded,
    SearchStarted,
    SpaceExhausted,
    StudyBusy,
)
from a2ls_dsl.search.expected import expected_losses
from a2ls_dsl.search.gates.chosen import gates_of
from a2ls_dsl.search.outlook import frames_left
from a2ls_dsl.search.price import Price, price
from a2ls_dsl.search.scale_out import Cluster, RayStacks
from a2ls_dsl.search.settings import SearchSettings
from a2ls_dsl.search.standing import Standing
from a2ls_dsl.search.strategies.proposals import training_of
from a2ls_dsl.search.study.hall_of_fame import write_hall_of_fame
from a2ls_dsl.search.study.study import Study

PROGRESS_SECONDS = 0.5
SAVE_SECONDS = 60.0
BOARD = 20
"""How many of the best an event carries."""


def evolve(
    settings: SearchSettings,
    folder: Path,
    on_event: OnEvent = lambda event: None,
    workers: int | None = None,
    device: str | None = None,
    stopping: Callable[[], bool] = lambda: False,
    cluster: Cluster | None = None,
    save_seconds: float = SAVE_SECONDS,
    hours: float | None = None,
    capture: bool = True,
) -> bool:
    """Run a search to its end, from wherever the study in `folder` stands; False if it was stopped before.

    workers: processes of physics, by default one a core; device: of the learner, by default CUDA if there.
    stopping: asked at every tick; once it says so, or before so many hours are over, the search is left, and
    where its slots stand is stored, as it is every `save_seconds`. cluster: let stacks train on a Ray
    cluster, on whose machines the other arguments are meant. capture: see `Computation`. Raises `A2lError`;
    whatever it raises, all that was scored is stored.
    A deterministic search sets torch to one thread and deterministic algorithms for the whole process.
    """
    grammar = settings.space()
    _check_horizons(settings, grammar)
    if cluster is not None and settings.deterministic:
        raise A2lError("a search on a cluster does not repeat bit for bit", "leave out --deterministic")
    chosen = choose_device(device) if cluster is None else "cuda" if cluster.gpus else "cpu"
    if settings.deterministic:
        make_deterministic(chosen)
    with Study(folder, settings, grammar, lambda: on_event(StudyBusy())) as study:
        pace = Pace(save_seconds, hours)
        search = _Search(settings, grammar, study, on_event, workers, chosen, cluster, pace, capture)
        try:
            ended = search.run(stopping)
        except KeyboardInterrupt:
            study.log("interrupted", {})
            raise
        study.log("finished" if ended else "stopped", search.cost())
        write_hall_of_fame(study)
    return ended


def _check_horizons(settings: SearchSettings, grammar: Grammar) -> None:
    """Raise `A2lError` where losses of the grammar look further ahead than anything that is sampled."""
    try:
        check_windows(training_of(settings), grammar.largest())
    except A2lError as error:
        raise A2lError(
            f"in the grammar {grammar.name} {error.message}", f"{error.fix}, by a grammar of shorter horizons"
        ) from None


class _Search:
    def __init__(
        self,
        settings: SearchSettings,
        grammar: Grammar,
        study: Study,
        on_event: OnEvent,
        workers: int | None,
        device: str,
        cluster: Cluster | None,
        pace: Pace,
        capture: bool,
    ) -> None:
        self.cluster, self.pace = cluster, pace
        self.settings, self.grammar, self.study = settings, grammar, study
        self.tell, self.workers, self.device, self.capture = on_event, workers, device, capture
        self.task = settings.task
        self.total = settings.searched + len(references())
        stacks = cluster.stacks if cluster else 1
        self.stack = min(settings.stack, -(-self.total // stacks))
        self.slots = self.stack * stacks
        self.ticks = self.busy_ticks = 0
        self.replaced = 0  # processes, of which was told
        self.began = self._told = time.perf_counter()

    def run(self, stopping: Callable[[], bool]) -> bool:
        """True when the search has come to its end."""
        settings = self.settings
        repeat = self.cluster is None
        conductor = Conductor(settings, self.grammar, self.study, gates_of(self.study, settings), repeat)
        try:
            with self._stacks() as slots:
                self._started(slots)
                return self._loop(conductor, slots, stopping)
        except torch.OutOfMemoryError:
            raise A2lError(
                f"a stack of {self.stack} members does not fit into the memory of {self.device}",
                f"run the same command with --stack {max(1, self.stack // 2)}; scores so far are kept",
            ) from None

    def cost(self) -> dict[str, object]:
        """What was spent, for the study's log."""
        seconds = time.perf_counter() - self.began
        return {"seconds": round(seconds, 1), "slots": self.slots, "utilisation": self._utilisation()}

    def _stacks(self) -> SlotSet:
        settings = self.settings
        training = replace(training_of(settings), computation=Computation(capture=self.capture))
        expected = expected_losses(self.grammar, settings.seed, self.slots)
        exact = settings.deterministic and self.cluster is None
        running = Running(self.device, self.workers, exact, refill=True, expected=tuple(expected))
        if self.cluster is not None:
            return RayStacks(training, self.stack, self.cluster, running)
        return Stacks(training, [None] * self.slots, running)

    def _loop(self, conductor: Conductor, slots: SlotSet, stopping: Callable[[], bool]) -> bool:
        standing = Standing(self.study, conductor, slots)
        tick, stored = standing.take_up(), conductor.stored
        stop = False
        while True:
            # What is taken up again is not a new run.
            placed = conductor.fill(tick, slots.free())
            for slot, run in placed:
                slots.fill(slot, Member(run.loss, run.seed))
            if placed:
                self.tell(Placed(tuple(run for _, run in placed)))
            if conductor.finished:
                if conductor.known.proposed < self.settings.searched:
                    self.tell(SpaceExhausted(conductor.known.proposed))
                standing.forget()
                return True
            scores = slots.tick()
            self._tell_of_replaced(slots)
            conductor.lose(slots.lost())
            cleared, ended = conductor.score(tick, scores)
            for slot in cleared:
                slots.clear(slot)
            if ended:
                write_hall_of_fame(self.study, self._trained(ended, scores, slots))
                self.tell(RunsEnded(tuple(ended), tuple(self.study.leaderboard(BOARD))))
            self._count(conductor, slots, catching_up=conductor.busy and 2 * tick < stored)
            stop = stop or self.pace.over or stopping()
            if (stop or self.pace.due) and slots.rest():
                self._store(standing, tick, needed=stop)
                if stop:
                    return False
            tick += 1

    def _trained(self, ended: Sequence[Ended], scores: Sequence[Score], slots: SlotSet) -> dict[str, Trained]:
        """What the search's own runs have trained that came to their end, by candidates' keys."""
        last = {score.member: score for score in scores}
        return {
            end.candidate.key: Trained(
                f"candidate {end.candidate.key[:8]}",
                training_of(self.settings),
                end.run.seed,
                self.settings.frames,
                last[end.run.slot].mean_return,
                slots.trained(end.run.slot),
            )
            for end in ended
            if end.status is Status.SCORED and end.run.seed == self.settings.seed
            if end.run.slot in last and not end.candidate.is_reference
        }

    def _tell_of_replaced(self, slots: SlotSet) -> None:
        new = slots.replaced[self.replaced :]
        self.replaced += len(new)
        for text in new:
            self.study.log("replaced", {"text": text})
            self.tell(Replaced(text))

    def _store(self, standing: Standing, tick: int, needed: bool) -> None:
        """Store where the slots stand. A search goes on without that where it isn't needed: scores count."""
        with self.pace.storing():
            try:
                standing.save(tick)
            except A2lError as error:
                if needed:
                    raise
                self.study.log("not stored", {"reason": error.message})

    def _price(self) -> Price | None:
        """Of a run, where it is from pixels and on this machine."""
        if self.settings.pixels is None or self.cluster is not None:
            return None
        losses = expected_losses(self.grammar, self.settings.seed, self.slots)
        typical = next(loss for loss in losses if loss is not None)
        return price(training_of(self.settings), typical, self.device, self.workers)

    def _started(self, slots: SlotSet) -> None:
        counts = self.study.counts()
        done = sum(counts.values()) - counts[Status.QUEUED] - counts[Status.RUNNING]
        self.tell(
            SearchStarted(
                self.settings,
                self.study.folder,
                self.study.resumed,
                done,
                self.total + counts[Status.REJECTED],
                self.slots,
                slots.memory_bytes,
                tuple(self.study.leaderboard(BOARD)),
                frames_left(self.study, self.settings, [(run, 0) for run in self.study.runs(Status.RUNNING)]),
                self._price(),
            )
        )

    def _count(self, conductor: Conductor, slots: SlotSet, catching_up: bool) -> None:
        """Count a tick, and now and then say where the search stands."""
        self.ticks += 1
        busy = int(slots.busy.sum())
        self.busy_ticks += busy
        now = time.perf_counter()
        if now - self._told < PROGRESS_SECONDS:
            return
        self._told = now
        self.study.check_there()
        counts = self.study.counts()
        random_steps = self.settings.agent.random_steps
        # Of this process: frames of all slots since it began.
        rate = self.task.steps_to_frames(self.busy_ticks) / (now - self.began)
        mean, ended = self.study.mean_frames()
        training = [(run, int(slots.frames[slot])) for slot, run in conductor.training.items()]
        frames = self.study.frames_of_ended() + sum(trained for _, trained in training)
        expected = mean if ended >= self.slots else None
        left = frames_left(self.study, self.settings, training, expected)
        self.tell(
            Progress(
                self.study.generations,
                counts,
                busy,
                self.slots,
                frames,
                rate,
                self._utilisation(),
                # Random steps before learning begins say nothing about its speed.
                left / rate if rate and self.ticks > 2 * random_steps else math.inf,
                catching_up,
                self.study.gates(),
                now - self.began,
                left,
            )
        )

    def _utilisation(self) -> float:
        return self.busy_ticks / (self.ticks * self.slots) if self.ticks else 0.0

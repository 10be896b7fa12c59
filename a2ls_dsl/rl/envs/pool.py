"""Many environments of one task, stepped side by side in worker processes.

Physics runs while the learner works: `start` sends the actions and returns, `wait` collects the results. The
results of a lane depend only on its seeds and actions, never on the number of workers.
"""

from __future__ import annotations

import json
import socket
import subprocess
import weakref
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.rl.envs.first import MEASURED, FirstEnvironments, make_first
from a2ls_dsl.rl.envs.inputs import check_shape, read_numbers, read_seeds
from a2ls_dsl.rl.envs.lanes import MAKE, MAP, RESET, STEP, Lanes, StepResult, shared_memory
from a2ls_dsl.rl.envs.played import Played
from a2ls_dsl.rl.envs.rendering import Rendering
from a2ls_dsl.rl.envs.task import Task, task_values
from a2ls_dsl.rl.envs.workers import LostError, Worker, close, launch, usable_cores

__all__ = ["EnvPool", "FirstEnvironments", "StepResult", "usable_cores"]

_DEATHS = 3  # of successive workers in one place before the pool gives up
_ANSWERING, _MAKING = 120.0, 600.0  # seconds; making includes the imports of environments
_STEADY = 100  # answers after which a worker's death is unrelated to earlier ones


class EnvPool:
    """`size` environments (lanes) of `task` in `workers` processes, by default one per usable core.

    With a `rendering`, observations are frames, otherwise vectors; those of games are always frames.
    life_loss: whether a lost life ends an episode of a game, as it does in training. beside: a pool whose
    processes this one shares (so `workers` are that pool's) until it is closed; work is done in the order in
    which it was begun. admit: called with the first environments before the others are made; it may raise.
    Use it as a context manager, or `close` it; it is also closed when garbage-collected and at exit. Workers
    end with this process, however it ends.

    A worker that dies, or is silent for `timeout` seconds while this process runs (by default two minutes,
    ten while it makes environments), is replaced. Its episodes are replayed to where they were, so results
    stay the same. If workers die one after another, or an environment fails, the pool closes and raises
    A2lError. Linux and macOS.
    """

    def __init__(
        self,
        task: Task,
        size: int,
        workers: int | None = None,
        timeout: float | None = None,
        rendering: Rendering | None = None,
        life_loss: bool = False,
        beside: EnvPool | None = None,
        admit: Callable[[FirstEnvironments], None] | None = None,
    ) -> None:
        if size < 1 or (workers is not None and workers < 1):
            raise A2lError("a pool needs at least one environment and one worker", "ask for one or more")
        self.task = task
        self.size = size
        self._timeout, self._patience = timeout or _ANSWERING, timeout or _MAKING
        self._pending = False
        self.played = Played(size)
        self.replaced: list[str] = []  # a sentence for every replaced worker
        if beside:
            beside._ready(pending=False)
            workers = beside.workers
        count = min(size, usable_cores() if workers is None else workers)
        self._bounds = [size * i // count for i in range(count + 1)]
        self._memory = shared_memory()
        self._about = {
            "size": size,
            "task": task_values(task),
            "rendering": asdict(rendering) if rendering else None,
            "life_loss": life_loss,
        }
        self._beside = beside  # kept: its processes end with it
        self._workers: list[Worker] = []
        self._closer = weakref.finalize(self, close, self._workers, self._memory, beside is None)
        try:
            for number in range(count):
                shared = beside._workers[number] if beside else None
                process, door = (shared.process, shared.door) if shared else launch()
                self._workers.append(Worker.open(self.task.name, process, door, self._memory))
            lanes = [self._range(lane, lane + 1) for lane in range(min(MEASURED, self._bounds[1]))]
            first = make_first(self._workers[0], lanes, self._patience)
            if admit is not None:
                admit(first)
            self.observation_shape, self.action_size = first.observation_shape, first.action_size
            self.discrete, self.episode_frames = first.discrete, first.episode_frames
            for number, worker in enumerate(self._workers):
                begin = first.made if number == 0 else self._bounds[number]
                if begin < self._bounds[number + 1]:
                    worker.send(MAKE, self._range(begin, self._bounds[number + 1]))
            for worker in self._workers:
                worker.receive(self._patience)
            self._lanes = Lanes.map(
                self._memory, size, self.observation_shape, self.action_size, self.discrete
            )
            for worker in self._workers:
                worker.send(MAP)
            for worker in self._workers:
                worker.receive(self._timeout)
        except LostError as lost:
            self.close()
            raise lost.error from None
        except BaseException:
            self.close()
            raise

    @property
    def workers(self) -> int:
        """The number of worker processes."""
        return len(self._workers)

    def reset(self, seeds: ArrayLike) -> NDArray[Any]:
        """Start an episode in every lane, with seeds (N,); returns the observations (N, ...)."""
        return self.reset_where(np.ones(self.size, np.bool_), seeds)

    def reset_where(self, mask: ArrayLike, seeds: ArrayLike) -> NDArray[Any]:
        """Start an episode in the lanes where `mask` (N,) is true, with `seeds` (N,).

        Returns the observations (N, ...); those of the other lanes are unchanged.
        """
        self._ready(pending=False)
        named, chosen = read_seeds(seeds), np.asarray(mask, np.bool_)
        check_shape("seeds", named.shape, (self.size,))
        check_shape("mask", chosen.shape, (self.size,))
        self._lanes.seed[:] = named
        self._lanes.chosen[:] = chosen
        if chosen.any():
            self.played.begin(chosen, named)
            self._tell(RESET)
            self._collect()
        return self._lanes.observation.copy()

    def start(self, actions: ArrayLike, mask: ArrayLike | None = None) -> None:
        """Begin one agent step of all lanes, or those of a mask (N,), with `actions` (N, act) in [-1, 1].

        Discrete actions are numbers (N,), from 0. Returns at once. Lanes outside the mask keep their last
        result.
        """
        self._ready(pending=False)
        given = (
            read_numbers(self.task.name, actions, self.action_size)
            if self.discrete
            else np.array(actions, np.float32)
        )
        check_shape("actions", given.shape, self._lanes.action.shape)
        chosen = np.ones(self.size, np.bool_) if mask is None else np.asarray(mask, np.bool_)
        check_shape("mask", chosen.shape, (self.size,))
        self._lanes.action[:] = given
        self._lanes.chosen[:] = chosen
        self._pending = True
        self.played.add(chosen, given)
        self._tell(STEP)

    def wait(self) -> StepResult:
        """Collect the step that `start` began."""
        self._ready(pending=True)
        self._collect()
        self._pending = False
        lanes = self._lanes
        self.played.end(lanes.chosen & lanes.last & ~lanes.life_lost)
        return lanes.result()

    def step(self, actions: ArrayLike) -> StepResult:
        """One agent step of every lane: `start` and `wait`."""
        self.start(actions)
        return self.wait()

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Restore lanes to their state when `played.state` of an equal pool returned `arrays`."""
        self._ready(pending=False)
        self.played.restore(arrays)
        self._play_again(range(self.workers))

    def close(self) -> None:
        """End the workers. Calling it again does nothing."""
        self._closer()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ready(self, pending: bool) -> None:
        if not self._closer.alive:
            raise A2lError("this environment pool is closed", "make a new one")
        if pending and not self._pending:
            raise A2lError("there is no step to wait for", "call start first")
        if self._pending and not pending:
            raise A2lError("a step has begun and was not collected", "call wait first")

    def _tell(self, kind: bytes) -> None:
        for number, worker in enumerate(self._workers):
            try:
                worker.send(kind)
            except LostError as lost:
                self._replace(number, lost.error)

    def _collect(self) -> None:
        """Receive an answer from every worker; if interrupted, close: pool and workers are out of step."""
        try:
            for number, worker in enumerate(self._workers):
                try:
                    worker.receive(self._timeout)
                except LostError as lost:
                    self._replace(number, lost.error)
        except BaseException:
            self.close()
            raise

    def _replace(self, number: int, error: A2lError) -> None:
        """Replace a worker by another process, with its environments in the same state.

        Their last request is then done as well. If one worker after another dies, raises the error of the
        last one.
        """
        try:
            while (lost := self._put(number, error)) is not None:
                error = lost
        except BaseException:
            self.close()
            raise

    def _put(self, number: int, error: A2lError) -> A2lError | None:
        """Put a successor in the place of a lost worker; returns its error if it is lost as well."""
        before = self._workers[number]
        deaths = 1 + (before.deaths if before.answers < _STEADY else 0)
        if deaths > _DEATHS:
            raise error
        before.channel.close()
        process, door = self._successor(number, error)
        worker = self._workers[number] = Worker.open(self.task.name, process, door, self._memory, deaths)
        self.replaced.append(f"{error.message}: another took its place, and results stay the same")
        try:
            for kind, text in ((MAKE, self._range(*self._bounds[number : number + 2])), (MAP, "")):
                worker.send(kind, text)
                worker.receive(self._patience)
            self._play_again([number])
        except LostError as lost:
            return lost.error
        return None

    def _successor(self, number: int, error: A2lError) -> tuple[subprocess.Popen[bytes], socket.socket]:
        """The process that replaces a worker: a new one, unless the pool beside has replaced it already."""
        old = self._workers[number]
        if self._beside:
            if self._beside._workers[number].process is old.process:
                self._beside._replace(number, error)
            new = self._beside._workers[number]
            return new.process, new.door
        old.door.close()
        old.process.kill()
        old.process.wait()
        return launch()

    def _play_again(self, numbers: Iterable[int]) -> None:
        """Replay the episodes in `played` in the environments of these workers, which are in no episode."""
        played, lanes = self.played, self._lanes
        workers = [self._workers[number] for number in numbers]
        mine = np.zeros(self.size, np.bool_)
        for number in numbers:
            mine[self._bounds[number] : self._bounds[number + 1]] = True
        chosen, steps = lanes.chosen.copy(), played.steps
        lanes.seed[mine] = played.seed[mine]
        for step in range(-1, int(steps[mine].max())):
            going = mine & played.going & (steps > step)
            lanes.chosen[mine] = going[mine]
            if step >= 0 and going.any():
                lanes.action[going] = played.actions(step, going)
            for worker in workers:
                worker.send(STEP if step >= 0 else RESET)
            for worker in workers:
                worker.receive(self._timeout)
        lanes.chosen[:] = chosen

    def _range(self, begin: int, end: int) -> str:
        """The message that tells a worker which lanes to make."""
        return json.dumps(self._about | {"begin": begin, "end": end})

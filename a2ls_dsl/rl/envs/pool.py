"""Many environments of one task, stepped side by side in worker processes.

Physics runs while the learner works: `start` hands the actions over and returns, `wait` collects. What a
lane gives depends on its seeds and actions only, never on the number of workers.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.rl.envs.lanes import (
    FAILED,
    MAKE,
    MAP,
    RESET,
    STEP,
    Lanes,
    receive,
    send,
    send_opening,
    shared_memory,
)
from a2ls_dsl.rl.envs.played import Played
from a2ls_dsl.rl.envs.rendering import Rendering
from a2ls_dsl.rl.envs.tasks import Game, Task
from a2ls_dsl.rl.memory import memory_of

_DEATHS = 3  # of workers in one place, one after the other, before the pool gives up
_STEADY = 100  # answers after which a worker's death has nothing to do with those before it

# A worker is one thread of physics: the libraries below it must not start their own.
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "LP_NUM_THREADS")


@dataclass(frozen=True)
class StepResult:
    """What one agent step gave, a row a lane; the arrays are the caller's own.

    `observation` (N, obs) float32, or frames (N, channels, size, size) uint8; `reward` (N,) float32,
    summed over the frames of the step; `terminated` (N,) bool, the task ended by its own rules (no
    bootstrapping); `last` (N,) bool, the episode is over: reset that lane before the next step, but not
    where `life_lost` (N,) bool: there the next episode begins with this observation, and the game goes on.
    """

    observation: NDArray[Any]
    reward: NDArray[np.float32]
    terminated: NDArray[np.bool_]
    last: NDArray[np.bool_]
    life_lost: NDArray[np.bool_]


@dataclass
class _Worker:
    """A process, the socket through which pools are opened there, and a pool's own.

    asked: whether it owes an answer; answers: that it gave; deaths: of those before it in the same place that
    had hardly begun.
    """

    process: subprocess.Popen[bytes]
    door: socket.socket
    channel: socket.socket
    asked: bool = False
    answers: int = 0
    deaths: int = 0


@dataclass(frozen=True)
class FirstEnvironments:
    """What is known before the others are made: the sizes, how many there are, and the bytes they take.

    environment: of one more; process: of a worker without any.
    """

    observation_shape: tuple[int, ...]
    action_size: int
    made: int
    environment: int
    process: int


class _LostError(Exception):
    """A worker is dead or silent; `error` is what there is to say of it."""

    def __init__(self, error: A2lError) -> None:
        super().__init__(error.message)
        self.error = error


class EnvPool:
    """`size` environments (lanes) of `task` in `workers` processes: by default one a usable core.

    With a `rendering` observations are frames, else vectors; those of games are always frames. life_loss:
    whether a lost life ends an episode of a game, as it does in training. beside: a pool whose processes
    this one shares (so `workers` are that one's), until it is closed; what is begun first is done first.
    admit: told of the first environments before the others are made; it may raise.
    Use it as a context manager, or `close` it; it is also closed when it is collected and at exit. Workers
    end with this process, however it ends.

    A worker that dies, or is silent for `timeout` seconds in which this process ran, is replaced, and its
    episodes are played again to where they were, so that results stay the same. Where workers die one after
    the other, or an environment fails, the pool closes and raises A2lError. Linux and macOS.
    """

    def __init__(
        self,
        task: Task,
        size: int,
        workers: int | None = None,
        timeout: float = 120.0,
        rendering: Rendering | None = None,
        life_loss: bool = False,
        beside: EnvPool | None = None,
        admit: Callable[[FirstEnvironments], None] | None = None,
    ) -> None:
        if size < 1 or (workers is not None and workers < 1):
            raise A2lError("a pool needs at least one environment and one worker", "ask for one or more")
        self.task = task
        self.size = size
        self._timeout = timeout
        self._pending = False
        self.played = Played(size)
        self.replaced: list[str] = []  # a sentence for every worker that was
        if beside:
            beside._ready(pending=False)
            workers = beside.workers
        count = min(size, usable_cores() if workers is None else workers)
        self._bounds = [size * i // count for i in range(count + 1)]
        self._memory = shared_memory()
        self._about = {
            "size": size,
            "task": asdict(task),
            "game": isinstance(task, Game),
            "rendering": asdict(rendering) if rendering else None,
            "life_loss": life_loss,
        }
        self._beside = beside  # kept: its processes end with it
        self._workers: list[_Worker] = []
        self._closer = weakref.finalize(self, _close, self._workers, self._memory, beside is None)
        try:
            for number in range(count):
                shared = beside._workers[number] if beside else None
                process, door = (shared.process, shared.door) if shared else _launch()
                self._workers.append(_open(process, door, self._memory))
            first = self._first()
            if admit is not None:
                admit(first)
            self.observation_shape, self.action_size = first.observation_shape, first.action_size
            shape = self.observation_shape
            for number, worker in enumerate(self._workers):
                begin = first.made if number == 0 else self._bounds[number]
                if begin < self._bounds[number + 1]:
                    self._send(worker, MAKE, self._range(begin, self._bounds[number + 1]))
            for worker in self._workers:
                self._receive(worker)
            self._lanes = Lanes.map(self._memory, size, shape, self.action_size, task.discrete)
            for worker in self._workers:
                self._send(worker, MAP)
            for worker in self._workers:
                self._receive(worker)
        except _LostError as lost:
            self.close()
            raise lost.error from None
        except BaseException:
            self.close()
            raise

    def _first(self) -> FirstEnvironments:
        """Make the first environment, and the second where one process has both, and see what they take."""
        worker, taken = self._workers[0], list[int]()
        made = min(2, self._bounds[1])
        for lane in range(made):
            self._send(worker, MAKE, self._range(lane, lane + 1))
            shape, action = json.loads(self._receive(worker))
            taken.append(memory_of(worker.process.pid))
        # Alone, one brings what all of its kind share: most of it.
        each = taken[1] - taken[0] if made > 1 else taken[0] // 4
        return FirstEnvironments(tuple(shape), int(action), made, each, taken[0] - each)

    @property
    def workers(self) -> int:
        """The number of worker processes."""
        return len(self._workers)

    def reset(self, seeds: ArrayLike) -> NDArray[Any]:
        """Start an episode in every lane, named by its seed (N,); gives the observations (N, ...)."""
        return self.reset_where(np.ones(self.size, np.bool_), seeds)

    def reset_where(self, mask: ArrayLike, seeds: ArrayLike) -> NDArray[Any]:
        """Start an episode in the lanes where `mask` (N,) is true, named by their `seeds` (N,).

        Gives the observations (N, ...); those of the other lanes are unchanged.
        """
        self._ready(pending=False)
        named, chosen = _seeds(seeds), np.asarray(mask, np.bool_)
        _check_shape("seeds", named.shape, (self.size,))
        _check_shape("mask", chosen.shape, (self.size,))
        self._lanes.seed[:] = named
        self._lanes.chosen[:] = chosen
        if chosen.any():
            self.played.begin(chosen, named)
            self._tell(RESET)
            self._collect()
        return self._lanes.observation.copy()

    def start(self, actions: ArrayLike, mask: ArrayLike | None = None) -> None:
        """Begin one agent step of all lanes, or those of a mask (N,), with `actions` (N, act) in [-1, 1].

        Those of games are (N,), the numbers of actions, from 0. Returns at once. Lanes outside the mask keep
        their last result.
        """
        self._ready(pending=False)
        given = self._numbers(actions) if self.task.discrete else np.array(actions, np.float32)
        _check_shape("actions", given.shape, self._lanes.action.shape)
        chosen = np.ones(self.size, np.bool_) if mask is None else np.asarray(mask, np.bool_)
        _check_shape("mask", chosen.shape, (self.size,))
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
        return StepResult(
            lanes.observation.copy(),
            lanes.reward.copy(),
            lanes.terminated.copy(),
            lanes.last.copy(),
            lanes.life_lost.copy(),
        )

    def step(self, actions: ArrayLike) -> StepResult:
        """One agent step of every lane: `start` and `wait`."""
        self.start(actions)
        return self.wait()

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Bring lanes to where they stood when `played.state` of an equal pool returned this."""
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

    def _numbers(self, actions: ArrayLike) -> NDArray[np.int64]:
        """Actions of games, which must be numbers of actions."""
        given = np.asarray(actions)
        whole = np.issubdtype(given.dtype, np.integer)
        if not whole or (given.size and not 0 <= given.min() <= given.max() < self.action_size):
            found = f"{given.min()} to {given.max()}" if whole else f"numbers of the type {given.dtype}"
            raise A2lError(
                f"actions of {self.task.name} must be whole numbers from 0 to {self.action_size - 1}, "
                f"got {found}"
            )
        return given.astype(np.int64)

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
                self._send(worker, kind)
            except _LostError as lost:
                self._replace(number, lost.error)

    def _collect(self) -> None:
        """An answer of every worker. Interrupted half-way, workers and pool are out of step: it closes."""
        try:
            for number, worker in enumerate(self._workers):
                try:
                    self._receive(worker)
                except _LostError as lost:
                    self._replace(number, lost.error)
        except BaseException:
            self.close()
            raise

    def _send(self, worker: _Worker, kind: bytes, text: str = "") -> None:
        try:
            send(worker.channel, kind, text)
        except OSError:
            raise _LostError(self._died(worker)) from None
        worker.asked = True

    def _receive(self, worker: _Worker) -> str:
        """What a worker answers, if it was asked. Raises A2lError where an environment failed."""
        if not worker.asked:
            return ""
        try:
            kind, text = receive(worker.channel, self._timeout)
        except TimeoutError:
            raise _LostError(
                A2lError(
                    f"an environment worker of {self.task.name} gave no answer in {self._timeout:g} s",
                    "the machine is overloaded or the worker was stopped; use fewer environments",
                )
            ) from None
        except (EOFError, OSError):
            raise _LostError(self._died(worker)) from None
        if kind == FAILED:
            lane, message, fix = json.loads(text)
            raise A2lError(f"environment {lane} of {self.task.name} failed: {message}", fix)
        worker.asked = False
        worker.answers += 1
        return text

    def _replace(self, number: int, error: A2lError) -> None:
        """Put another process in a worker's place, with its environments where they were.

        What they were asked to do last is done then, too. Raises the error, or that of a successor, where one
        after the other dies.
        """
        try:
            while (lost := self._put(number, error)) is not None:
                error = lost
        except BaseException:
            self.close()
            raise

    def _put(self, number: int, error: A2lError) -> A2lError | None:
        """Put a successor in the place of a worker that is lost; what there is to say if it is lost, too."""
        before = self._workers[number]
        deaths = 1 + (before.deaths if before.answers < _STEADY else 0)
        if deaths > _DEATHS:
            raise error
        before.channel.close()
        process, door = self._successor(number, error)
        worker = self._workers[number] = _open(process, door, self._memory, deaths)
        self.replaced.append(f"{error.message}: another took its place, and results stay the same")
        try:
            for kind, text in ((MAKE, self._range(*self._bounds[number : number + 2])), (MAP, "")):
                self._send(worker, kind, text)
                self._receive(worker)
            self._play_again([number])
        except _LostError as lost:
            return lost.error
        return None

    def _successor(self, number: int, error: A2lError) -> tuple[subprocess.Popen[bytes], socket.socket]:
        """The process that takes a worker's place: a new one, unless the pool beside has put one there."""
        old = self._workers[number]
        if self._beside:
            if self._beside._workers[number].process is old.process:
                self._beside._replace(number, error)
            new = self._beside._workers[number]
            return new.process, new.door
        old.door.close()
        old.process.kill()
        old.process.wait()
        return _launch()

    def _play_again(self, numbers: Iterable[int]) -> None:
        """Let environments of these workers, which are in no episode, play what `played` says."""
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
                self._send(worker, STEP if step >= 0 else RESET)
            for worker in workers:
                self._receive(worker)
        lanes.chosen[:] = chosen

    def _range(self, begin: int, end: int) -> str:
        """What a worker is told to make."""
        return json.dumps(self._about | {"begin": begin, "end": end})

    def _died(self, worker: _Worker) -> A2lError:
        """The error for a worker whose end of the socket is closed."""
        try:
            code: int | None = worker.process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            code = None
        fix = "see its message above; `a2l doctor` checks the environments"
        if code == -signal.SIGKILL:
            fix = "it was killed; if memory ran out (`dmesg` tells), use fewer environments"
        return A2lError(f"an environment worker of {self.task.name} died with exit code {code}", fix)


def _seeds(given: ArrayLike) -> NDArray[np.uint64]:
    seeds = np.asarray(given)
    if not np.issubdtype(seeds.dtype, np.integer) or (seeds.size and seeds.min() < 0):
        raise A2lError(f"seeds must be integers from 0, got {seeds.dtype} {seeds.tolist()}")
    return seeds.astype(np.uint64)


def _check_shape(what: str, found: tuple[int, ...], expected: tuple[int, ...]) -> None:
    if found != expected:
        raise A2lError(f"{what} must have the shape {expected}, a row an environment, got {found}")


def _open(process: subprocess.Popen[bytes], door: socket.socket, memory: int, deaths: int = 0) -> _Worker:
    """A pool's share in a process."""
    channel, theirs = socket.socketpair()
    with theirs, suppress(OSError):  # a process that has died is noticed when it does not answer
        send_opening(door, theirs, memory)
    return _Worker(process, door, channel, deaths=deaths)


def _launch() -> tuple[subprocess.Popen[bytes], socket.socket]:
    """Start a worker.

    A fresh interpreter, not `multiprocessing`: a fork would copy torch's threads and locks, and a spawned
    child would import the user's main module again, torch included.
    """
    door, theirs = socket.socketpair()
    path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
    environment = os.environ | dict.fromkeys(_ONE_THREAD, "1") | {"PYTHONPATH": path}
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "a2ls_dsl.rl.envs.worker", str(theirs.fileno())],
            pass_fds=(theirs.fileno(),),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # A library that prints must not spoil what the user pipes.
            env=environment,
            process_group=0,  # Ctrl-C in a terminal goes to the foreground group, so not to the workers.
        )
    return process, door


def _close(workers: Sequence[_Worker], memory: int, own: bool) -> None:
    """Give up lanes; with workers of one's own end their processes too."""
    os.close(memory)
    for worker in workers:
        worker.channel.close()
        if own:
            worker.door.close()
    for worker in workers if own else ():
        try:
            worker.process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            worker.process.kill()
            worker.process.wait()


def usable_cores() -> int:
    """The cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1

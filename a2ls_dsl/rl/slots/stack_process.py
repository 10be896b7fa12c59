"""A stack of slots in a process of its own, started by `Stacks`.

The two ends of a socket and what they say: the one asks, the other answers, in turns. The process ends when
the socket closes, however the asking one went away.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum, auto
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from a2ls_dsl import plugins
from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.rl.compute.device import make_deterministic
from a2ls_dsl.rl.runs.training import Member, Training
from a2ls_dsl.rl.slots.evaluation import Score
from a2ls_dsl.rl.slots.parts import Running
from a2ls_dsl.rl.slots.slots import Slots

_GONE = (EOFError, BrokenPipeError, ConnectionResetError)
_CLOSE_SECONDS = 10.0
_START = "import sys; from a2ls_dsl.rl.slots.stack_process import main; main(int(sys.argv[1]))"


class Ask(Enum):
    """What a stack's process is asked for."""

    START = auto()  # make the stack; gives its bytes of memory
    CLEAR = auto()  # take a member out
    FILL = auto()  # let a member in
    TICK = auto()  # gives a `Report`, as the next two
    EVALUATE = auto()
    LOOK = auto()
    TRAINED = auto()  # gives a member's networks
    STATE = auto()
    RESTORE = auto()  # gives the members


@dataclass(frozen=True)
class Report:
    """What a stack says after a tick: evaluations that ended, and the state of its slots."""

    scores: list[Score]
    busy: NDArray[np.bool_]
    frames: NDArray[np.int64]
    last_return: NDArray[np.float64]
    evaluating: bool
    replaced: list[str]


def report(slots: Slots, scores: list[Score]) -> Report:
    """Of a stack's slots, after what gave these scores."""
    last, replaced = slots.last_return.copy(), list(slots.replaced)
    return Report(scores, slots.busy.copy(), slots.frames, last, slots.evaluating, replaced)


class StackProcess:
    """The asking end: a stack's process, which starts at once. Closing it ends the process.

    Raises `A2lError` where the process has ended, and what a stack raises.
    """

    def __init__(
        self,
        threads: int,
        training: Training,
        members: Sequence[Member | None],
        running: Running,
        deterministic: bool,
    ) -> None:
        """threads: of torch."""
        here, there = socket.socketpair()
        with there:
            self._process = launch(there.fileno(), threads)
        self._channel = Connection(here.detach())
        self._waiting = list[tuple[Ask, tuple[Any, ...]]]()  # what needs no answer
        self.evaluating, self.replaced = False, list[str]()
        self.ask(Ask.START, training, members, running, deterministic, list(plugins.loaded()))

    def fill(self, place: int, member: Member) -> None:
        """Let a member in, before anything else is asked."""
        self._waiting.append((Ask.FILL, (place, member)))

    def clear(self, place: int) -> None:
        """Take a member out, before anything else is asked."""
        self._waiting.append((Ask.CLEAR, (place,)))

    def ask(self, what: Ask, *arguments: Any) -> None:
        """Ask for something, whose result `answer` waits for."""
        with self._alive():
            self._channel.send([*self._waiting, (what, arguments)])
        self._waiting.clear()

    def answer(self) -> Any:
        """What was asked for."""
        with self._alive():
            error, result = self._channel.recv()
        if error is not None:
            raise error(*result)
        return result

    def report(self) -> Report:
        """What was asked for, a report."""
        said: Report = self.answer()
        self.evaluating, self.replaced = said.evaluating, said.replaced
        return said

    def close(self) -> None:
        """End the process; what it was asked for is lost."""
        self._channel.close()
        try:
            self._process.wait(_CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @contextmanager
    def _alive(self) -> Iterator[None]:
        try:
            yield
        except _GONE:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_CLOSE_SECONDS)
            code = self._process.returncode
            how = "gives no answer" if code is None else f"ended with exit code {code}"
            if code is not None and code < 0:
                how = f"was killed by {signal.Signals(-code).name}"
            raise A2lError(
                f"the process {self._process.pid}, which trains a part of the members, {how}",
                "if memory ran out, train fewer members at once (`a2l evolve --stack`, `a2l train --seeds`); "
                "the same command continues from what was stored",
            ) from None


def launch(descriptor: int, threads: int) -> subprocess.Popen[bytes]:
    """Start a process that answers, with its socket and so many of torch's threads."""
    return subprocess.Popen(
        [sys.executable, "-c", _START, str(descriptor)],
        stdin=subprocess.DEVNULL,
        pass_fds=[descriptor],
        env=os.environ | {"OMP_NUM_THREADS": str(threads)},
    )


def main(descriptor: int) -> None:
    """The answering end, with its socket."""
    # How to stop is the business of the process that asks: it closes the socket.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    channel, stack = Connection(descriptor), _Stack()
    with suppress(*_GONE), stack:
        while True:
            asked = channel.recv()
            try:
                answer: tuple[type[Exception] | None, Any] = None, None
                for what, given in asked:
                    answer = None, stack.does(what, *given)
            except A2lError as error:
                answer = A2lError, (error.message, error.fix)
            except MemoryError as error:
                answer = MemoryError, (str(error),)
            except Exception as error:  # noqa: BLE001  (whatever it is, it is raised where the user looks)
                answer = RuntimeError, (f"{type(error).__name__}: {error}\n{traceback.format_exc()}",)
            channel.send(answer)


class _Stack:
    """The slots, once they are made."""

    _slots: Slots | None = None

    def __enter__(self) -> _Stack:
        return self

    def __exit__(self, *_: object) -> None:
        if self._slots is not None:
            self._slots.close()

    def does(self, what: Ask, *given: Any) -> Any:
        """What is asked for."""
        if what is Ask.START:
            return self._start(*given)
        slots = self._slots
        assert slots is not None, "a stack is started first"
        match what:
            case Ask.CLEAR:
                return slots.clear(*given)
            case Ask.FILL:
                return slots.fill(*given)
            case Ask.TICK:
                return report(slots, slots.tick())
            case Ask.EVALUATE:
                return report(slots, slots.evaluate())
            case Ask.LOOK:
                return report(slots, [])
            case Ask.TRAINED:
                return slots.trained(*given)
            case Ask.STATE:
                return slots.state()
            case Ask.RESTORE:
                slots.restore(*given)
                return slots.members

    def _start(
        self,
        training: Training,
        members: Sequence[Member | None],
        running: Running,
        deterministic: bool,
        own: Sequence[str],
    ) -> int:
        plugins.load(own)
        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
        if deterministic:
            make_deterministic(running.device)
        self._slots = Slots(training, members, running)
        return self._slots.memory_bytes

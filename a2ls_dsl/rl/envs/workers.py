"""The worker processes of environment pools, from the pool's side: start, ask, lose and end them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.rl.envs.lanes import FAILED, receive, send, send_opening

# A worker is one thread of physics: the libraries below it must not start their own.
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "LP_NUM_THREADS")


class LostError(Exception):
    """A worker is dead or silent; `error` describes it to the user."""

    def __init__(self, error: A2lError) -> None:
        super().__init__(error.message)
        self.error = error


@dataclass
class Worker:
    """A process, the socket through which it opens pools, and the socket of a pool.

    task: its name; asked: whether the process owes an answer; answers: how many it gave; deaths: of its
    predecessors in the same place that died early.
    """

    task: str
    process: subprocess.Popen[bytes]
    door: socket.socket
    channel: socket.socket
    asked: bool = False
    answers: int = 0
    deaths: int = 0

    @classmethod
    def open(
        cls, task: str, process: subprocess.Popen[bytes], door: socket.socket, memory: int, deaths: int = 0
    ) -> Worker:
        """A pool's share in a process; memory: the descriptor of the pool's lanes."""
        channel, theirs = socket.socketpair()
        with theirs, suppress(OSError):  # a process that has died is noticed when it does not answer
            send_opening(door, theirs, memory)
        return cls(task, process, door, channel, deaths=deaths)

    def send(self, kind: bytes, text: str = "") -> None:
        """Send a request. Raises `LostError` if the process is gone."""
        try:
            send(self.channel, kind, text)
        except OSError:
            raise LostError(self._died()) from None
        self.asked = True

    def receive(self, timeout: float) -> str:
        """The answer, if there was a request. Raises A2lError if an environment failed, and `LostError`."""
        if not self.asked:
            return ""
        try:
            kind, text = receive(self.channel, timeout)
        except TimeoutError:
            raise LostError(
                A2lError(
                    f"an environment worker of {self.task} gave no answer in {timeout:g} s",
                    "the machine is overloaded or the worker was stopped; use fewer environments",
                )
            ) from None
        except (EOFError, OSError):
            raise LostError(self._died()) from None
        if kind == FAILED:
            lane, message, fix = json.loads(text)
            raise A2lError(f"environment {lane} of {self.task} failed: {message}", fix)
        self.asked = False
        self.answers += 1
        return text

    def _died(self) -> A2lError:
        """The error for a worker whose end of the socket is closed."""
        try:
            code: int | None = self.process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            code = None
        fix = "see its message above; `a2l doctor` checks the environments"
        if code == -signal.SIGKILL:
            fix = "it was killed; if memory ran out (see `dmesg`), use fewer environments"
        return A2lError(f"an environment worker of {self.task} died with exit code {code}", fix)


def launch() -> tuple[subprocess.Popen[bytes], socket.socket]:
    """Start a worker's process, with the socket through which it opens pools.

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
            stdout=subprocess.DEVNULL,  # a library's prints must not mix with the command's output
            env=environment,
            process_group=0,  # Ctrl-C in a terminal reaches only the foreground group
        )
    return process, door


def close(workers: Sequence[Worker], memory: int, own: bool) -> None:
    """Close a pool's sockets and memory; if it owns its workers, end their processes too."""
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

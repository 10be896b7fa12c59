"""Environment workers that don't import DeepMind Control again: forked from a process that has.

That import is most of what a pool costs in a test. A worker here has its own folder, environment and status,
may be killed, and ends with who has its socket, as one that is started. One that renders is started, since
MuJoCo is imported in another way for that; so are all with the fixture `started_workers`.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from tempfile import mkdtemp
from typing import ClassVar
from weakref import WeakSet

from a2ls_dsl.rl.envs import pool
from a2ls_dsl.rl.envs.workers import launch as start

ADDRESS = "A2L_TEST_WORKERS"
"""The environment variable that names the socket of the process that forks; else workers are started."""

START = ("-P", "-m", "a2ls_dsl.rl.envs.worker")
_STATUS = struct.Struct("i")
_forking = list[subprocess.Popen[bytes]]()


class Worker:
    """A forked process, with what pools ask of `subprocess.Popen`."""

    all: ClassVar = WeakSet["Worker"]()

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self.all.add(self)
        self.pid = self._number()
        self.returncode: int | None = None

    def _number(self) -> int:
        status = self._line.recv(_STATUS.size, socket.MSG_WAITALL)
        number: int = _STATUS.unpack(status)[0] if status else -signal.SIGKILL
        return number

    def wait(self, timeout: float | None = None) -> int:
        """Its status, once it has ended."""
        if self.returncode is None:
            if not select.select([self._line], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("worker", timeout or 0.0)
            self.returncode = self._number()
            self._line.close()
        return self.returncode

    def kill(self) -> None:
        """End it at once."""
        if self.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)


def launch() -> tuple[Worker | subprocess.Popen[bytes], socket.socket]:
    """As `workers.launch`."""
    address = os.environ.get(ADDRESS)
    if address is None:
        return start()
    line = socket.socket(socket.AF_UNIX)
    line.connect(address)
    door, theirs = socket.socketpair()
    path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
    order = json.dumps([os.getcwd(), os.environ | {"PYTHONPATH": path}]).encode()
    with theirs:
        socket.send_fds(line, [struct.pack("i", len(order))], [theirs.fileno(), 2])
        line.sendall(order)
    return Worker(line), door


pool.launch = launch  # type: ignore[assignment]


def begin() -> None:
    """Start the process that forks. It ends with this one."""
    address = Path(mkdtemp()) / "workers"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(address))
    listener.listen(64)
    one_thread = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "LP")}
    with listener:
        # It reads from this process, and so learns of its end.
        _forking.append(
            subprocess.Popen(
                [sys.executable, "-m", "forked_workers", str(listener.fileno())],
                stdin=subprocess.PIPE,
                pass_fds=[listener.fileno()],
                env=os.environ | one_thread | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
        )
    os.environ[ADDRESS] = str(address)


def _serve(listener: socket.socket) -> None:
    """Fork whom anybody asks for, until the process that began ends."""
    from a2ls_dsl.rl.envs import worker

    with suppress(Exception):  # where DeepMind Control isn't installed, no test asks for it
        from a2ls_dsl.rl.envs.dmc import _without_renderer

        with _without_renderer():
            from dm_control import suite  # noqa: F401
    while True:
        ready = select.select([listener, sys.stdin], [], [])[0]
        if listener not in ready:
            address = Path(listener.getsockname())
            address.unlink()
            address.parent.rmdir()
            return
        line, _ = listener.accept()
        with line:
            head, (door, errors), *_ = socket.recv_fds(line, 4, 2)
            if os.fork() == 0:
                listener.close()
                _keep(line, head, door, errors, worker.main)
            os.close(door)
            os.close(errors)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def _keep(line: socket.socket, head: bytes, door: int, errors: int, main: object) -> None:
    """Fork the worker, tell its number, and in the end its status."""
    length = struct.unpack("i", head)[0]
    folder, variables = json.loads(line.recv(length, socket.MSG_WAITALL))
    worker = os.fork()
    if worker == 0:
        line.close()
        _work(folder, variables, door, errors, main)
    os.close(door)
    os.close(errors)
    with suppress(OSError):
        line.sendall(_STATUS.pack(worker))
    status = os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1])
    with suppress(OSError):
        line.sendall(_STATUS.pack(status))
    os._exit(0)


def _work(folder: str, variables: dict[str, str], door: int, errors: int, main: object) -> None:
    status = 1
    try:
        os.setpgid(0, 0)
        nothing = os.open(os.devnull, os.O_RDWR)
        for number, file in ((0, nothing), (1, nothing), (2, errors)):
            os.dup2(file, number)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(variables)
        sys.path[:] = variables["PYTHONPATH"].split(os.pathsep)
        if _renders(door):
            os.set_inheritable(door, True)
            os.execve(sys.executable, [sys.executable, *START, str(door)], variables)
        main([str(door)])  # type: ignore[operator]
        status = 0
    except BaseException:  # noqa: BLE001  (as an interpreter would)
        traceback.print_exc()
    finally:
        os._exit(status)


def _renders(door: int) -> bool:
    """Whether frames are to be rendered; what the pool asks for first is looked at, and stays to be read."""
    with socket.socket(fileno=os.dup(door)) as opening:
        # `recv_fds` doesn't hand its flags on.
        data, extra, *_ = opening.recvmsg(1, socket.CMSG_LEN(2 * 4), socket.MSG_PEEK)
    if not data:
        return False
    channel, memory = struct.unpack("ii", extra[0][2])
    os.close(memory)
    with socket.socket(fileno=channel) as pool_side:
        return '"rendering": {' in pool_side.recv(1 << 16, socket.MSG_PEEK).decode(errors="replace")


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as listener:
        _serve(listener)

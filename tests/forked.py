"""The command `a2l`, and scripts, in processes that don't import torch again: forked from one that has.

As one that a shell starts, a process here has its own arguments, folder, environment, streams and status, and
may be killed. What a command imports by itself is tested where that is the question (`cli/test_main.py`).
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryFile

import forked_workers as forked_workers  # also of the commands that run here

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(
    [
        "a2ls_dsl.cli.commands",
        "a2ls_dsl.rl.runs.trainer",
        "a2ls_dsl.search.run",
        "rich.table",
        "tensorboard.summary",
        "torch._dynamo",
    ]
)


def _serve(words: list[str], folder: Path, variables: dict[str, str], streams: list[Connection]) -> None:
    """What the forked process does in place of an interpreter's start and end."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables)
    with open(os.devnull) as nothing:
        os.dup2(nothing.fileno(), 0)
    for number, stream in enumerate(streams, start=1):
        os.dup2(stream.fileno(), number)
        stream.close()
    with (
        open(1, "w", closefd=False) as said,
        open(2, "w", 1, errors="backslashreplace", closefd=False) as errors,
    ):
        sys.argv, sys.stdout, sys.stderr = ["a2l", *words], said, errors
        from a2ls_dsl.cli import main

        try:
            if words[0] == "-c":
                sys.argv, sys.path[:0] = words[:1], [""]
                exec(compile(words[1], "<string>", "exec"), {"__name__": "__main__"})  # noqa: S102
            else:
                main()
        finally:
            atexit._run_exitfuncs()


class Started:
    """A running `a2l` or `-c TEXT`, with what `subprocess.Popen` offers; its stderr is read after its end."""

    def __init__(self, *words: object, cwd: Path | None = None, env: Mapping[str, str] = os.environ) -> None:
        reader, writer = os.pipe()
        self.stdout = os.fdopen(reader)
        self._errors = TemporaryFile()  # noqa: SIM115 (closed once it is read)
        streams = [Connection(number, readable=False) for number in (writer, os.dup(self._errors.fileno()))]
        given = (list(map(str, words)), cwd or Path.cwd(), dict(env), streams)
        self._process = CONTEXT.Process(target=_serve, args=given, daemon=True)
        self._process.start()
        for stream in streams:
            stream.close()

    @property
    def pid(self) -> int:
        """The number of the process."""
        assert self._process.pid is not None
        return self._process.pid

    def poll(self) -> int | None:
        """Its status; None while it runs, the negative signal that killed it."""
        return self._process.exitcode

    @property
    def returncode(self) -> int | None:
        """As `poll`."""
        return self.poll()

    def send_signal(self, sign: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, sign)

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

    def communicate(self) -> tuple[str, str]:
        """Wait for its end; what it printed to stdout and stderr."""
        with self.stdout, self._errors:
            said = self.stdout.read()
            self._process.join()
            self._errors.seek(0)
            return said, self._errors.read().decode()


class ForkedStack:
    """A stack's process, with what `stack_process.launch` gives."""

    def __init__(self, descriptor: int, threads: int) -> None:
        channel = Connection(os.dup(descriptor))
        self._process = CONTEXT.Process(target=_answer, args=(channel, threads), daemon=True)
        self._process.start()
        channel.close()
        assert self._process.pid is not None
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        """Its status; None while it runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """As `returncode`."""
        return self.returncode

    def wait(self, timeout: float | None = None) -> None:
        """Wait for its end."""
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired("stack", timeout or 0.0)

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()


def _answer(channel: Connection, threads: int) -> None:
    from a2ls_dsl.rl.slots.stack_process import main

    os.environ["OMP_NUM_THREADS"] = str(threads)
    main(channel.fileno())


def a2l(
    *words: object, cwd: Path | None = None, env: Mapping[str, str] = os.environ
) -> subprocess.CompletedProcess[str]:
    """Run `a2l WORDS` to its end; its status, and what it printed."""
    process = Started(*words, cwd=cwd, env=env)
    said, errors = process.communicate()
    assert process.returncode is not None
    return subprocess.CompletedProcess(words, process.returncode, said, errors)


def script(text: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run `python -c TEXT` to its end, in a folder; its status, and what it printed."""
    return a2l("-c", text, cwd=cwd)

"""The command `a2l`, from its start to its exit code."""

from __future__ import annotations

import errno
import io
import os
import signal
import sys

from a2ls_dsl.cli.application import app
from a2ls_dsl.diagnostics import A2lError


def main() -> None:
    """Entry point: every error that a user can fix is printed as a message, never as a traceback."""
    # Worker processes share the cores with torch's threads, and threads that busy-wait for each other take
    # the cores from them. Set before torch is imported; a user's own choice stands.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names of files may not fit the locale
    try:
        # A polite kill ends as Ctrl-C does: cleanly, with a note on how to resume.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        _register(sys.argv[1:2])
        try:
            app(prog_name="a2l")  # however it was started
        except OSError as error:
            if not _is_full_output(error):
                raise
            raise _unwritable(error) from None
        finally:
            _flush()  # here, as a failure at the end of the process could not be reported any more
    except A2lError as error:
        print(error.render(), file=sys.stderr)
        sys.exit(error.exit_code)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", "a2ls_dsl"):
            raise
        print(_missing(package).render(), file=sys.stderr)
        sys.exit(_missing(package).exit_code)
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        print(_OUT_OF_MEMORY.render(), file=sys.stderr)
        sys.exit(_OUT_OF_MEMORY.exit_code)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        _discard()  # the reader (`head`, a pager) went away
        sys.exit(1)


def _register(words: list[str]) -> None:
    """Import the commands: all of them, but for what is called often and takes less time than that."""
    match words:
        case ["check" | "fmt" | "show"]:
            from a2ls_dsl.cli import language as language
        case ["grammar"]:
            from a2ls_dsl.cli import grammar as grammar
        case _:
            from a2ls_dsl.cli import commands as commands


_OUT_OF_MEMORY = A2lError(
    "memory ran out, or a limit on this process was reached",
    "train fewer members at once (--stack, --seeds), or raise the limit (`ulimit -a` shows it); what was "
    "stored stays",
)


def _missing(package: str) -> A2lError:
    """The error for a required package, such as torch, in an install without its requirements."""
    return A2lError(
        f"this command needs the package {package}, which is not installed",
        "install a2ls-dsl with what it requires: in a clone, pip install -e . (without --no-deps)",
    )


def _is_out_of_memory(error: Exception) -> bool:
    """Whether Python, torch or the system ran out of memory or threads."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    signs = ("DefaultCPUAllocator", "can't start new thread", "can't allocate memory")
    return bool(kinds & {"MemoryError", "OutOfMemoryError"}) or any(sign in str(error) for sign in signs)


def _flush() -> None:
    """Write what stdout still holds. Raises `BrokenPipeError`, and `A2lError` if it can't be written."""
    if sys.stdout is None or sys.stdout.closed:  # `>&-`, or a server that closed it with its connection
        return
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise _unwritable(error) from None


def _is_full_output(error: OSError) -> bool:
    """Whether stdout is on a full disk; errors of other files name the file."""
    return error.errno == errno.ENOSPC and error.filename is None


def _unwritable(error: OSError) -> A2lError:
    from a2ls_dsl.lang.files import unwritable

    _discard()
    return unwritable("the output", error)


def _discard() -> None:
    """Point stdout elsewhere, so that the exit is quiet."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

"""The command line in this process: a new process would spend seconds on importing torch."""

from __future__ import annotations

import io
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from unittest.mock import patch

from a2ls_dsl.cli import main


@dataclass(frozen=True)
class Done:
    """The status and the output of a command."""

    returncode: int
    stdout: str
    stderr: str


def a2l(*arguments: object) -> Done:
    """Run `a2l ARGUMENTS` through the entry point that users run."""
    printed, errors, code = io.StringIO(), io.StringIO(), 0
    call = ["a2l", *map(str, arguments)]
    with patch.object(sys, "argv", call), redirect_stdout(printed), redirect_stderr(errors):
        try:
            main()
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 0
    return Done(code, printed.getvalue(), errors.getvalue())

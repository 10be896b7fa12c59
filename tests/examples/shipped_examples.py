"""The examples, and the commands that their docstrings give."""

from __future__ import annotations

import ast
import shlex
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"


def commands(script: Path) -> list[list[str]]:
    """The commands in an example's docstring: how to write the loss, and how to run the agent."""
    text = ast.get_docstring(ast.parse(script.read_text())) or ""
    return [shlex.split(line) for line in text.splitlines() if line.startswith("    ")]

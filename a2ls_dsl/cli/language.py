"""`a2l check`, `a2l fmt`, `a2l show`."""

from __future__ import annotations

from pathlib import Path

from a2ls_dsl.cli import app


@app.command()
def check(files: list[Path]) -> None:
    """Check loss files."""


@app.command()
def fmt(files: list[Path]) -> None:
    """Format loss files."""

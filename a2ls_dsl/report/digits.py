"""How the cells of tables are written, on a terminal and on a page alike."""

from __future__ import annotations

import math

from a2ls_dsl.report.tables import Cell, formatted

P_VALUES = {"p", "holm", "bh", "joint p", "joint holm"}
SIGNED = {"vs none", "vs none, one run", "difference", "joint"}
FINE = {"better than none"}


def cell_text(column: str, cell: Cell) -> str:
    """A cell as text, with the digits and signs of its column."""
    if column in P_VALUES and isinstance(cell, float):
        return "" if math.isnan(cell) else "<0.001" if cell < 0.001 else f"{cell:.3f}"
    return formatted(cell, 2 if column in FINE else 1, column in SIGNED)


def duration(seconds: float) -> str:
    """`42 s`, `3.5 min`, `5.2 h`."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:,.1f} h"

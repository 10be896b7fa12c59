"""Tables of an analysis on a terminal."""

from __future__ import annotations

from rich.table import Table as Drawn
from rich.text import Text

from a2ls_dsl.report.tables import Cell, Table, said

_SMALL = {"p", "holm", "bh", "joint p", "joint holm"}
"""p-values."""

_SIGNED = {"vs none", "difference", "joint"}


def drawn(table: Table) -> Drawn:
    """A table that fits the terminal: running text wraps, all else stays on its line."""
    shown = Drawn(box=None, pad_edge=False, header_style="bold")
    for place, name in enumerate(table.columns):
        words = any(isinstance(row[place], str) for row in table.rows)
        wraps = name in table.wide
        shown.add_column(
            name,
            justify="left" if words else "right",
            no_wrap=not wraps,
            overflow="fold" if wraps else "ellipsis",
        )
    for row in table.rows:
        shown.add_row(*(Text(cell_text(name, cell)) for name, cell in zip(table.columns, row, strict=True)))
    return shown


def cell_text(column: str, cell: Cell) -> str:
    """A cell as text, with the digits and signs of its column."""
    if column in _SMALL and isinstance(cell, float):
        return "" if cell != cell else "<0.001" if cell < 0.001 else f"{cell:.3f}"
    digits = 2 if column == "better than none" else 1
    return said(cell, digits, column in _SIGNED)

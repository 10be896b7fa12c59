"""Tables of an analysis on a terminal."""

from __future__ import annotations

from rich.table import Table as Drawn
from rich.text import Text

from a2ls_dsl.report.digits import cell_text
from a2ls_dsl.report.tables import Table


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

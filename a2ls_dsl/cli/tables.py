"""Tables of all commands: in full width in pipes and files, fitted to a terminal, stacked on a narrow one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderableType
from rich.table import Table as Drawn
from rich.text import Text

from a2ls_dsl.report.digits import cell_text
from a2ls_dsl.report.tables import Table

GAP = 2
LEAST = 16
"""On a terminal a column of running text has this many characters or more; where they don't fit, rows are
stacked."""


@dataclass(frozen=True)
class Column:
    """A named column. right: its cells are aligned right; wraps: it holds running text."""

    name: str
    right: bool = False
    wraps: bool = False


@dataclass(frozen=True)
class Fitted:
    """Rows under columns, to be shown with `show`, or within a live display.

    dim: rows in a quiet colour; cut: on a terminal, running text is cut to one line instead of wrapping.
    """

    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    dim: frozenset[int] = frozenset()
    cut: bool = False

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        if not console.is_terminal:
            yield from map(Text, self.lines())
        elif self._least_width() <= options.max_width:
            yield self._table()
        else:
            yield from self._stacked(options.max_width)

    def lines(self) -> Iterator[str]:
        """The lines of the table, with nothing wrapped or cut."""
        widths = self._widths()
        for row in (tuple(column.name for column in self.columns), *self.rows):
            cells = (
                cell.rjust(width) if column.right else cell.ljust(width)
                for cell, width, column in zip(row, widths, self.columns, strict=True)
            )
            yield (" " * GAP).join(cells).rstrip()

    def _widths(self) -> list[int]:
        rows = [[column.name for column in self.columns], *self.rows]
        return [max(map(len, cells)) for cells in zip(*rows, strict=True)]

    def _least_width(self) -> int:
        widths = (
            min(width, LEAST) if column.wraps else width
            for width, column in zip(self._widths(), self.columns, strict=True)
        )
        return sum(widths) + GAP * (len(self.columns) - 1)

    def _table(self) -> Drawn:
        shown = Drawn(box=None, pad_edge=False, header_style="bold", expand=self.cut)
        for column in self.columns:
            cut = self.cut and column.wraps
            shown.add_column(
                column.name,
                justify="right" if column.right else "left",
                no_wrap=cut or not column.wraps,
                overflow="ellipsis" if cut else "fold",
                ratio=1 if cut else None,
            )
        for place, row in enumerate(self.rows):
            # Text, as markup would eat `[t]`.
            shown.add_row(*map(Text, row), style="dim" if place in self.dim else "")
        return shown

    def _stacked(self, width: int) -> Iterator[RenderableType]:
        """One line per cell, with its column's name in front; long cells wrap."""
        label = min(max(len(column.name) for column in self.columns), width // 3)
        for place, row in enumerate(self.rows):
            if place:
                yield Text()
            shown = Drawn(box=None, pad_edge=False, show_header=False)
            shown.add_column(style="bold", width=label, overflow="fold")
            shown.add_column(overflow="fold")
            for column, cell in zip(self.columns, row, strict=True):
                if cell:
                    shown.add_row(column.name, Text(cell), style="dim" if place in self.dim else "")
            yield shown


def fitted(table: Table) -> Fitted:
    """A table of an analysis."""
    columns = tuple(
        Column(name, not any(isinstance(row[place], str) for row in table.rows), name in table.wide)
        for place, name in enumerate(table.columns)
    )
    rows = tuple(
        tuple(cell_text(name, cell) for name, cell in zip(table.columns, row, strict=True))
        for row in table.rows
    )
    return Fitted(columns, rows)


def show(console: Console, shown: RenderableType) -> None:
    """Print a table or a text: fitted to a terminal; elsewhere (a pipe, a log, a file) in whole lines."""
    console.print(shown, soft_wrap=not console.is_terminal)

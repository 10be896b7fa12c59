"""The pieces of a report's page: sections, figures in two widths, tables, and all of them as one document."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from a2ls_dsl.report.digits import cell_text
from a2ls_dsl.report.style import STYLE
from a2ls_dsl.report.tables import Table

WIDE, NARROW = 1180, 348


@dataclass(frozen=True)
class Section:
    """A part of the page: what links name it by, its title and its HTML."""

    name: str
    title: str
    body: str


def document(title: str, lead: str, top: str, sections: Sequence[Section], foot: str) -> str:
    """A whole page without external files. title, lead, foot: text; top, bodies of sections: HTML."""
    links = "".join(f'<a href="#{section.name}">{escape(section.title)}</a>' for section in sections)
    bodies = "".join(
        f'<section aria-labelledby="{section.name}"><h2 id="{section.name}">{escape(section.title)}</h2>'
        f"{section.body}</section>"
        for section in sections
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{escape(title)}</title><link rel="icon" href="data:,"><style>{STYLE}</style></head>\n'
        f'<body><header><h1>{escape(title)}</h1><p class="lead">{escape(lead)}</p>'
        f'<nav aria-label="Sections">{links}</nav></header>\n'
        f"<main>{top}{bodies}</main>\n<footer><p>{escape(foot)}</p></footer></body></html>\n"
    )


def figure(draw: Callable[[float], str], caption: str) -> str:
    """A chart drawn twice, for wide and for narrow screens; the style sheet shows the one that fits."""
    drawn = "".join(
        f'<div class="{kind}">{draw(width)}</div>' for kind, width in (("wide", WIDE), ("narrow", NARROW))
    )
    return f"<figure>{drawn}{_caption(caption)}</figure>"


def fixed(drawn: str, label: str, caption: str) -> str:
    """A chart of a fixed size, which scrolls in its box on narrower screens."""
    return f'<figure><div class="fixed">{scrolled(drawn, label)}</div>{_caption(caption)}</figure>'


def scrolled(inner: str, label: str) -> str:
    """A box that scrolls sideways, also with the keyboard."""
    return f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(label)}">{inner}</div>'


def paragraph(text: str, kind: str = "") -> str:
    """A paragraph of plain text."""
    return f"<p{f' class={kind}' if kind else ''}>{escape(text)}</p>"


def code(text: str) -> str:
    """A command or a loss on lines of its own."""
    return f'<pre tabindex="0">{escape(text)}</pre>'


def folded(summary: str, inner: str, kind: str = "", is_open: bool = False) -> str:
    """Content that a click unfolds. summary, inner: HTML."""
    head = f"<details{f' class={kind}' if kind else ''}{' open' if is_open else ''}>"
    return f"{head}<summary>{summary}</summary>{inner}</details>"


def table(shown: Table, notes: bool = True) -> str:
    """A table in its own scroll box, with its notes below."""
    numeric = [not any(isinstance(row[i], str) for row in shown.rows) for i in range(len(shown.columns))]
    head = "".join(
        f'<th scope="col"{" class=n" if n else ""}>{escape(name)}</th>'
        for name, n in zip(shown.columns, numeric, strict=True)
    )
    rows = []
    for row in shown.rows:
        cells = []
        for name, n, cell in zip(shown.columns, numeric, row, strict=True):
            text = escape(cell_text(name, cell))
            text = f"<code>{text}</code>" if name == "loss" else text
            kind = "loss" if name == "loss" else "w" if name in shown.wide else "n" if n else ""
            cells.append(f"<td{f' class={kind}' if kind else ''}>{text}</td>")
        rows.append(f"<tr>{''.join(cells)}</tr>")
    drawn = f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    remarks = "".join(paragraph(note, "note") for note in shown.notes) if notes else ""
    return (scrolled(drawn, shown.title) if shown.rows else "") + remarks


def tiles(figures: Sequence[tuple[str, str]]) -> str:
    """Large figures with their labels."""
    inner = "".join(
        f'<div class="tile"><b>{escape(value)}</b><span>{escape(name)}</span></div>'
        for value, name in figures
    )
    return f'<div class="tiles">{inner}</div>'


def _caption(caption: str) -> str:
    return f"<figcaption>{escape(caption)}</figcaption>" if caption else ""

"""`a2l report`: everything known about a study as one HTML file that opens anywhere, offline."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from a2ls_dsl import __version__
from a2ls_dsl.english import count
from a2ls_dsl.report import page, sections
from a2ls_dsl.report.gather import other
from a2ls_dsl.report.patterns import pattern_table
from a2ls_dsl.report.summary import Summary, summarise
from a2ls_dsl.report.tables import Table, gate_table, hall_table, patterns_table, validation_table
from a2ls_dsl.report.verdict import Claim, verdict
from a2ls_dsl.search.study.records import Records
from a2ls_dsl.search.study.validation import Validation, load

NAME = "report.html"


def report(folder: Path, against: Path | None = None) -> tuple[str, tuple[Claim, ...]]:
    """The page, and the claims at its top. against: a random search, by default the one beside the study.

    The same study gives the same page. Raises `A2lError`.
    """
    validation = load(folder)
    with Records(folder) as study, other(study, against) as random, study.still():
        claims = verdict(study, random, validation)
        summary = summarise(study)
        parts = _sections(study, summary, validation)
    title = f"Search on {summary.settings.where}"
    top = sections.verdict(claims) + sections.glance(summary)
    foot = f"Made by a2l report, a2ls_dsl {__version__}. Intervals are 95 % ones unless it says otherwise."
    return page.document(title, _lead(folder, summary), top, parts, foot), claims


def _sections(study: Records, summary: Summary, validation: Validation | None) -> list[page.Section]:
    rng = np.random.default_rng(0)
    patterns = pattern_table(study, rng)
    parts = [
        sections.over_time(study),
        sections.curves(study, rng),
        sections.hall(study, hall_table(study)),
        sections.lineage(summary),
    ]
    if validation and validation.scores:
        parts.append(sections.validated(validation, validation_table(validation)))
    return [
        *parts,
        sections.patterns(patterns, patterns_table(patterns)),
        sections.gates(study, summary, gate_table(summary)),
        sections.slots(study, summary),
        _settings(summary),
    ]


def _lead(folder: Path, summary: Summary) -> str:
    settings = summary.settings
    state = "" if summary.complete else " The search has not ended: this is what is known so far."
    return (
        f"Study {folder.resolve().name}: strategy {settings.strategy}, grammar {settings.grammar}, operator "
        f"{settings.operator}, {count(settings.generations, 'generation')} of "
        f"{count(settings.population, 'candidate')}, "
        f"{settings.frames:,} frames each.{state}"
    )


def _settings(summary: Summary) -> page.Section:
    values: dict[str, Any] = json.loads(summary.settings.to_json())
    rows = [("a2ls_dsl, when the study began", summary.version), ("a2ls_dsl, of this report", __version__)]
    rows += [
        (f"merged: {part.name}", f"{count(part.candidates, 'candidate')}, seed {part.seed}")
        for part in summary.parts
    ]
    rows += _flat(values)
    table = Table("settings", "Settings", ("setting", "value"), tuple(rows), wide=("value",))
    return page.Section("settings", "Settings and versions", page.folded("All settings", page.table(table)))


def _flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for name, value in values.items():
        if isinstance(value, dict):
            rows += _flat(value, f"{prefix}{name}.")
        else:
            rows.append((f"{prefix}{name}", str(value)))
    return rows

"""Everything known about a study, put together for tables and for the report."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.report.patterns import pattern_table
from a2ls_dsl.report.summary import summarise
from a2ls_dsl.report.tables import (
    Table,
    gate_table,
    hall_table,
    patterns_table,
    validation_table,
    verdict_table,
)
from a2ls_dsl.report.verdict import Claim, verdict
from a2ls_dsl.search.study.records import Records
from a2ls_dsl.search.study.store import DATABASE
from a2ls_dsl.search.study.validation import load


def tables(folder: Path, number: int = 10, against: Path | None = None) -> tuple[Table, ...]:
    """All tables of a study. against: a random search; by default the one that stands beside it."""
    validation = load(folder)
    rng = np.random.default_rng(0)
    with Records(folder) as study, other(study, against) as random:
        first = [verdict_table(verdict(study, random, validation)), hall_table(study, number)]
        first += [validation_table(validation)] if validation and validation.scores else []
        return (*first, gate_table(summarise(study)), patterns_table(pattern_table(study, rng)))


def validation_tables(folder: Path) -> tuple[Table, tuple[Claim, ...]]:
    """The table of a study's validation, and what the study claims with it. Raises `A2lError` without one."""
    validation = load(folder)
    if validation is None or not validation.scores:
        raise A2lError(f"the study {folder} is not validated", f"run `a2l validate {folder}` first")
    with Records(folder) as study, other(study, None) as random:
        return validation_table(validation), verdict(study, random, validation)


@contextmanager
def other(study: Records, against: Path | None) -> Iterator[Records | None]:
    """The random search to compare with: the named one, or what `a2l evolve` puts beside the study."""
    if against is not None and against.resolve() == study.folder.resolve():
        raise A2lError("a study can't be compared with itself", "name a random search beside it")
    folder = against or _beside(study)
    if folder is None:
        yield None
        return
    with Records(folder) as random:
        yield random


def _beside(study: Records) -> Path | None:
    """`NAME-random` beside `NAME` or `NAME-STRATEGY`."""
    folder = study.folder.resolve()
    name = folder.name.removesuffix(f"-{study.settings.strategy.replace(':', '-')}")
    sibling = folder.with_name(f"{name}-random")
    return sibling if sibling != folder and (sibling / DATABASE).is_file() else None

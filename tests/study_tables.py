"""What the tables of a study hold."""

from __future__ import annotations

import sqlite3
from pathlib import Path


def rows(folder: Path, sql: str) -> list[tuple[object, ...]]:
    """What a query gives; empty while there is no such table yet."""
    connection = sqlite3.connect(f"{(folder / 'study.db').as_uri()}?mode=ro", uri=True)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()

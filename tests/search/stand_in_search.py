"""Searches with curves that are made up in place of training."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from a2ls_dsl.lang.syntax.printer import print_loss
from a2ls_dsl.lang.syntax.tree import Loss
from a2ls_dsl.rl.settings import EvaluationSettings, SacSettings
from a2ls_dsl.search.conductor import Conductor
from a2ls_dsl.search.rehearsal import rehearse
from a2ls_dsl.search.rungs import Rungs
from a2ls_dsl.search.settings import SearchSettings
from a2ls_dsl.search.study.study import Study

SETTINGS = SearchSettings(
    "cartpole-swingup",
    race=0.0,
    population=8,
    generations=4,
    frames=8_000,
    stack=5,
    agent=SacSettings(random_steps=10),
    evaluation=EvaluationSettings(1_000, 1),
)
CASCADE = replace(SETTINGS, strategy="async", rungs=Rungs(grace=4), confirm=2, confirm_seeds=2)
RACED = replace(SETTINGS, race=0.25)
RACED_CASCADE = replace(CASCADE, race=0.4, confirm=3, confirm_seeds=4)
VARIANTS = [SETTINGS, replace(SETTINGS, strategy="random"), replace(SETTINGS, strategy="async"), CASCADE]
NAMED = ["paper", "random", "async", "cascade"]
TABLES = ("meta", "candidates", "runs", "curves", "gates")


def curve(loss: Loss | None, seed: int) -> Sequence[float]:
    """Rises to a height that the loss decides, with a little noise of the seed; one in twenty diverges."""
    text = print_loss(loss) if loss else "none"
    digits = hashlib.sha256(f"{text} {seed}".encode()).digest()
    height = int.from_bytes(hashlib.sha256(text.encode()).digest()[:2]) / 65.535 + digits[0] / 16
    returns = [height * (point + 1) / 8 for point in range(8)]
    if digits[1] < 13:
        returns[digits[2] % 8] = float("nan")
    return returns


class Even:
    """A gate with an opinion."""

    name = "even"

    def stops(self, loss: Loss | None) -> str:
        return "an odd number of characters" if len(print_loss(loss) if loss else "") % 3 == 1 else ""


def searched(
    settings: SearchSettings,
    folder: Path,
    ticks: int | None = None,
    curve: Callable[[Loss | None, int], Sequence[float]] = curve,
) -> None:
    grammar = settings.space()
    with Study(folder, settings, grammar) as study:
        gates = [Even()] if settings.rungs else []
        rehearse(Conductor(settings, grammar, study, gates), settings, settings.stack, curve, ticks=ticks)


def tables(folder: Path) -> dict[str, list[tuple[object, ...]]]:
    connection = sqlite3.connect(folder / "study.db")
    try:
        return {table: connection.execute(f"SELECT * FROM {table}").fetchall() for table in TABLES}
    finally:
        connection.close()

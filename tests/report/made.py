"""Studies of any size in moments: the real conductor and store, with computed learning curves."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from a2ls_dsl.lang.syntax.printer import print_loss
from a2ls_dsl.lang.syntax.tree import Loss
from a2ls_dsl.rl.settings import EvaluationSettings, SacSettings
from a2ls_dsl.search.conductor import Conductor
from a2ls_dsl.search.gates.batch import Gate
from a2ls_dsl.search.patterns import features
from a2ls_dsl.search.rehearsal import rehearse
from a2ls_dsl.search.rungs import Rungs
from a2ls_dsl.search.settings import SearchSettings
from a2ls_dsl.search.study.study import Study

POINTS = 8
SETTINGS = SearchSettings(
    "cartpole-swingup",
    race=0.0,
    population=8,
    generations=3,
    frames=1_000 * POINTS,
    stack=5,
    agent=SacSettings(random_steps=10),
    evaluation=EvaluationSettings(1_000, 2),
)
CASCADE = replace(
    SETTINGS,
    strategy="async",
    gates=("duplicates", "batch"),
    rungs=Rungs(grace=4),
    confirm=3,
    confirm_seeds=4,
)
"""With everything that may stop a candidate, and with confirmation of the best."""

EFFECTS = {"forward dynamics": 120.0, "reward prediction": 40.0, "more actions in the target": -60.0}
"""How much patterns add to the height of a curve: the truth that an analysis should find."""


@dataclass(frozen=True)
class Every:
    """Stands in for a slow gate: stops one loss in `number`."""

    name: str
    number: int

    def stops(self, loss: Loss | None) -> str:
        text = print_loss(loss) if loss else ""
        return "the loss does not fall" if loss and zlib.crc32(text.encode()) % self.number == 0 else ""


def curve(loss: Loss | None, seed: int) -> Sequence[float]:
    """A curve that rises to a height set by the patterns, with noise by seed; one in thirty diverges."""
    text = print_loss(loss) if loss else "none"
    rng = np.random.default_rng(zlib.crc32(f"{text} {seed}".encode()))
    height = 300.0 + rng.normal(0, 25)
    if loss:
        present = features(text)
        assert present is not None
        height += sum(value for name, value in EFFECTS.items() if present[name])
    steps = np.arange(1, POINTS + 1) / POINTS
    returns = height * (1 - np.exp(-3 * steps)) + rng.normal(0, 12, POINTS)
    if loss and rng.random() < 1 / 30:
        returns[int(rng.integers(POINTS))] = np.nan
    return [float(value) for value in returns]


def make(folder: Path, settings: SearchSettings = CASCADE, ticks: int | None = None) -> Path:
    """Search to the end, or for so many ticks."""
    grammar = settings.space()
    with Study(folder, settings, grammar) as study:
        gates: list[Gate] = [Every("duplicates", 11), Every("batch", 7)] if settings.gates else []
        rehearse(Conductor(settings, grammar, study, gates), settings, settings.stack, curve, ticks=ticks)
        study.log("finished", {"seconds": 90.0, "slots": settings.stack, "utilisation": 0.9})
    return folder

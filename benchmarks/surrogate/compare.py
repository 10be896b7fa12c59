"""Tries search strategies on the surrogate table: how good is what they find, for how many frames?

    python benchmarks/surrogate/compare.py --searches 100

Every strategy runs the real conductor and study, with curves out of `curves.csv` in place of training. A
search sees the curves of one seed; what it found is judged by the other seeds, which it has not seen. Printed
are means over search seeds with 95 % bootstrap intervals: of the best candidate by the search's own ranking
its score on unseen seeds, and the frames trained until then.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from make_table import SPACE, TABLE, TRAINING
from numpy.typing import NDArray

from a2ls_dsl.lang.syntax.printer import print_loss
from a2ls_dsl.lang.syntax.tree import Loss
from a2ls_dsl.search.conductor import Conductor, Ended
from a2ls_dsl.search.rehearsal import rehearse
from a2ls_dsl.search.rungs import Rungs
from a2ls_dsl.search.settings import SearchSettings
from a2ls_dsl.search.study import Study

SLOTS = 16
SETTINGS = SearchSettings(
    "cartpole-swingup",
    grammar=str(SPACE),
    population=20,
    generations=5,
    frames=TRAINING.frames,
    stack=SLOTS,
    agent=TRAINING.settings,
    evaluation=TRAINING.evaluation,
)
STRATEGIES = {
    "paper": SETTINGS,
    "random": replace(SETTINGS, strategy="random"),
    "async": replace(SETTINGS, strategy="async"),
    "async + rungs": replace(SETTINGS, strategy="async", rungs=Rungs()),
    "random + rungs": replace(SETTINGS, strategy="random", rungs=Rungs()),
}


@dataclass(frozen=True)
class Table:
    """curves: by text of the loss, (seeds, points)."""

    curves: Mapping[str, NDArray[np.float64]]

    @property
    def seeds(self) -> int:
        """How many seeds every loss has."""
        return min(len(each) for each in self.curves.values())

    def seen(self, loss: Loss | None, search: int) -> Sequence[float]:
        """The curve that a search sees."""
        return [float(each) for each in self.curves[_text(loss)][search % self.seeds]]

    def unseen(self, loss: Loss | None, search: int) -> float:
        """The mean score over the seeds that it doesn't see."""
        return float(np.delete(self.curves[_text(loss)], search % self.seeds, axis=0).mean())


def _text(loss: Loss | None) -> str:
    return print_loss(loss) if loss else "none"


def read() -> Table:
    """The table; losses with fewer seeds than others have the first ones only."""
    rows: dict[str, list[list[float]]] = {}
    with TABLE.open() as file:
        for loss, _, *returns in list(csv.reader(file))[1:]:
            rows.setdefault(loss, []).append([float(each) for each in returns])
    return Table({loss: np.array(each) for loss, each in rows.items()})


def trajectory(settings: SearchSettings, table: Table, search: int) -> list[tuple[int, float]]:
    """After every run that ended: frames trained in all, and the unseen score of the best so far."""
    found: list[tuple[int, float]] = []
    best = -np.inf
    frames, unseen = 0, 0.0

    def on_end(ended: Sequence[Ended]) -> None:
        nonlocal best, frames, unseen
        for each in ended:
            candidate = each.candidate
            if candidate.is_reference:
                continue
            frames += candidate.frames
            if each.status == "scored" and (candidate.score or 0.0) > best:
                best = candidate.score or 0.0
                unseen = table.unseen(each.run.loss, search)
            found.append((frames, unseen))

    with tempfile.TemporaryDirectory() as folder:
        own = replace(settings, seed=search)
        grammar = own.space()
        with Study(Path(folder), own, grammar) as study:
            conductor = Conductor(own, grammar, study)
            rehearse(conductor, own, SLOTS, lambda loss, _: table.seen(loss, search), on_end)
    return found


def after(path: Sequence[tuple[int, float]], frames: float) -> float:
    """The unseen score of the best once so many frames are trained; 0 before anything is scored."""
    return next((score for spent, score in reversed(path) if spent <= frames), 0.0)


def interval(values: NDArray[np.float64], rng: np.random.Generator) -> str:
    """The mean and its 95 % bootstrap interval."""
    means = rng.choice(values, (2_000, len(values))).mean(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return f"{values.mean():6.1f} [{low:5.1f}, {high:5.1f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--searches", type=int, default=100)
    options = parser.parse_args()
    table, rng = read(), np.random.default_rng(0)
    whole = SETTINGS.candidates * SETTINGS.frames
    truth = np.array([each.mean() for each in table.curves.values()])
    print(
        f"{len(truth)} losses, {table.seeds} seeds; scores {truth.min():.1f} to {truth.max():.1f}, ", end=""
    )
    print(f"median {np.median(truth):.1f}; none {table.curves['none'].mean():.1f}")
    one, other = (np.array([each[seed].mean() for each in table.curves.values()]) for seed in (0, 1))
    print(f"correlation of a loss' scores with two seeds: {np.corrcoef(one, other)[0, 1]:.2f}")
    shares = (1 / 6, 1 / 3, 1 / 2, 1.0)
    print(f"\nunseen score of the best, after a share of {whole:,} frames; and the frames of a whole search")
    print(f"{'strategy':16}" + "".join(f"{share:^24.2f}" for share in shares) + "  frames")
    paths = {
        name: [trajectory(settings, table, search) for search in range(options.searches)]
        for name, settings in STRATEGIES.items()
    }
    for name, found in paths.items():
        cells = [interval(np.array([after(path, share * whole) for path in found]), rng) for share in shares]
        frames = np.mean([path[-1][0] for path in found])
        print(f"{name:16}" + "".join(f"{cell:^24}" for cell in cells) + f"{frames:>10,.0f}")


if __name__ == "__main__":
    main()

"""What one seed's score says of a loss, by how it is made: of evaluations, of training episodes, or of both.

    python benchmarks/scores.py results/vectors_64.toml results/searches_64.toml results/transfer_64.toml

For every task of these experiments, over the losses and seeds that have all their runs: how well a score says
what evaluations give with other seeds (the mean over seeds of the correlation, over losses, of a seed's score
with the mean area under the evaluations of the other seeds), and the intraclass correlation of one seed.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from a2ls_dsl.experiment.collect import Collected, collect
from a2ls_dsl.experiment.plan import read
from a2ls_dsl.report.reliability import reliability

Matrix = NDArray[np.float64]
"""(losses, seeds)"""
FRAMES = 50_000
"""Up to which curves are looked at."""


def areas(collected: Collected, env: str) -> tuple[Matrix, Matrix] | None:
    """The areas of evaluations and of training episodes; None with fewer than two losses or seeds."""
    own = [{run.seed: run for run in envs[env]} for envs in collected.results.values() if envs[env]]
    seeds = sorted(set.intersection(*map(set, own))) if own else []
    if min(len(own), len(seeds)) < 2:
        return None
    run = own[0][seeds[0]]
    counted = [run.learning < frames <= FRAMES for frames in run.frames]
    evaluated = np.array([[runs[seed].returns for seed in seeds] for runs in own])[..., counted]
    trained = np.array([[runs[seed].training for seed in seeds] for runs in own])[..., counted]
    return evaluated.mean(axis=-1), np.nanmean(trained, axis=-1)


def foretold(scores: Matrix, evaluated: Matrix) -> float:
    """The mean correlation of a seed's scores with the other seeds' mean evaluations."""
    others = [np.delete(evaluated, seed, axis=1).mean(axis=1) for seed in range(scores.shape[1])]
    return float(np.mean([np.corrcoef(scores[:, seed], other)[0, 1] for seed, other in enumerate(others)]))


def rows(files: list[Path]) -> Iterator[str]:
    """A line of the table for every task."""
    for file in files:
        collected = collect(read(file))
        for env in collected.experiment.envs:
            if (pair := areas(collected, env)) is None:
                continue
            evaluated, trained = pair
            ways = (evaluated, (evaluated + trained) / 2, trained)
            says = ", ".join(f"{foretold(way, evaluated):.2f}" for way in ways)
            alike = ", ".join(f"{reliability(way).icc:.2f}" for way in ways)
            losses, seeds = evaluated.shape
            means = np.corrcoef(evaluated.mean(axis=1), trained.mean(axis=1))[0, 1]
            name = collected.experiment.name
            yield f"| {env}, `{name}` ({losses} losses, {seeds} seeds) | {says} | {alike} | {means:.2f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE.toml")
    print("by the areas of evaluations, of both, of training episodes:\n")
    print("| runs | says of other seeds' evaluations | intraclass correlation | means of both alike |")
    print("|---|---|---|---|")
    for row in rows(parser.parse_args().files):
        print(row)


if __name__ == "__main__":
    main()

"""The benchmark on losses that were all trained before: any table and strategy, with and without race."""

from __future__ import annotations

import csv
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from a2ls_dsl.lang.grammar import load_grammar
from a2ls_dsl.lang.syntax.printer import print_loss
from a2ls_dsl.rl.runs.curve import area
from a2ls_dsl.search.settings import EvolutionSettings
from a2ls_dsl.search.strategies.evolution import first_population
from a2ls_dsl.search.strategies.features import parts
from a2ls_dsl.search.strategies.proposals import training_of
from a2ls_dsl.search.study.reader import StudyReader

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks" / "surrogate"))

import compare
import make_table

SEARCHES = Path(__file__).parents[2] / "results" / "searches"
NOISE = 2.0


def made(path: Path, losses: int, spread: float) -> None:
    """A table over losses of the whole a2ls space, whose scores states in the target raise."""
    grammar, rng = load_grammar("a2ls").restricted(("mse",), False), np.random.default_rng(3)
    drawn = [proposal.loss for proposal in first_population(grammar, losses, EvolutionSettings(), rng)]
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["loss", "seed", 10_000, 20_000, 30_000])
        for loss in (None, *drawn):
            good = sum(n for name, n in parts(loss).items() if name.startswith("target s")) if loss else 0
            for seed in range(2):
                score = 50 + spread * good + rng.normal(0, NOISE)
                writer.writerow(
                    [print_loss(loss) if loss else "none", seed, *(score * share for share in (0.5, 1, 1.5))]
                )


def test_a_table_of_a_space_that_is_not_all_in_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its correlation is that of its runs; model and race name losses near the best."""
    path = tmp_path / "table.csv"
    made(path, 80, 2.0)
    table = compare.read(path)
    first, other = table.scores.T
    assert table.correlation == pytest.approx(np.corrcoef(first, other)[0, 1], abs=0.05)
    assert table.correlation > 0.5
    means, deviations = table.resampled()
    share = means.mean(axis=1).var() / (means.mean(axis=1).var() + deviations.mean(axis=1).var())
    assert share == pytest.approx(table.correlation, abs=0.03)
    asked = ["--table", str(path), "--env", "cheetah-run", "--grammar", "a2ls", "--budget", "40"]
    compare.main([*asked, "--searches", "2", "--strategies", "random", "model"])
    *_, random, model = capsys.readouterr().out.splitlines()
    best, median = table.scores.mean(axis=1).max(), float(np.median(table.scores))
    for line in (random, model):
        values = [float(cell.split()[0]) for cell in line.split("|")[2:5]]
        assert len(values) == 3
        assert all(median < value <= best + 3 * NOISE for value in values)
    assert all(float(cell.split()[0]) > median + 0.5 * (best - median) for cell in model.split("|")[3:5])


def test_a_table_without_signal_has_nothing_to_find(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    made(path, 60, 0.0)
    table = compare.read(path)
    assert table.correlation < 0.3
    means, _ = table.resampled()
    assert np.ptp(means.mean(axis=1)) < 2 * NOISE


def test_a_table_takes_the_search_runs_of_a_study_once(tmp_path: Path) -> None:
    """Its rows have the scores of the study, and a study that trained otherwise is refused."""
    path, study = tmp_path / "table.csv", SEARCHES / "random-0"
    with StudyReader(study) as reader:
        training, candidates = training_of(reader.settings), list(reader.candidates())
    for _ in range(2):
        make_table.take(study, training, path)
    with path.open(newline="") as file:
        head, *rows = csv.reader(file)
    frames = [int(name) for name in head[2:] if name.isdecimal()]
    assert len(rows) == len(candidates) == 82
    for text, seed, *returns in rows:
        (candidate,) = (other for other in candidates if make_table.text_of(other.loss) == text)
        points = list(zip(frames, map(float, returns[: len(frames)]), strict=True))
        assert (seed, area(points, training.learning)) == ("0", pytest.approx(candidate.score, abs=0.01))
    with pytest.raises(SystemExit, match="trained otherwise"):
        make_table.take(study, replace(training, frames=60_000), path)
    make_table.take(study, replace(training, frames=20_000), tmp_path / "shorter.csv")
    with (tmp_path / "shorter.csv").open(newline="") as file:
        assert next(csv.reader(file)) == [
            *("loss", "seed", "10000", "20000"),
            *("10000 in training", "20000 in training"),
        ]

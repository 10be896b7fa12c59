"""Strategies beside each other on real training: which loss does each name?

    python benchmarks/search_for_real.py --strategies model paper random --seeds 1

Runs `a2l evolve --preset laptop` with 100 runs on cheetah-run, the race among them, for every strategy and
search seed. A search leaves in `results/searches/` its candidates (`model-0.csv`), what it says
of patterns (`model-0-patterns.csv`) and the loss that it names (`model-0.a2l`), to be trained with seeds that
no search used. Studies are kept beside them: stop the command whenever you like and repeat it.
Prints a row for every search that has ended.
"""

from __future__ import annotations

import argparse
import csv
import re
import shutil
import subprocess
import sys
from pathlib import Path

ENV, POPULATION, GENERATIONS = "cheetah-run", 20, 5
FOLDER = Path(__file__).parent.parent / "results" / "searches"


def search(strategy: str, seed: int) -> None:
    """Search to the end, from where its study stands, and leave the two files."""
    name = f"{strategy}-{seed}"
    table, study = FOLDER / f"{name}.csv", FOLDER / name
    if table.exists():  # written last
        return
    budget = ["--population", str(POPULATION), "--generations", str(GENERATIONS)]
    how = ["--preset", "laptop", "--strategy", strategy, "--seed", str(seed), *budget]
    a2l = [sys.executable, "-m", "a2ls_dsl"]
    subprocess.run([*a2l, "evolve", "--env", ENV, *how, "--study", str(study)], check=True)
    shutil.copy(min((study / "hall_of_fame").glob("01-*.a2l")), table.with_suffix(".a2l"))
    patterns = str(table.with_name(f"{name}-patterns.csv"))
    subprocess.run(
        [*a2l, "analyze", str(study), "--table", "patterns", "--format", "csv", "-o", patterns], check=True
    )
    subprocess.run([*a2l, "study", "export", str(study), "-o", str(table)], check=True)


def row(table: Path) -> str:
    """What a search named: its one score, its mean over fresh seeds, and the references' over the same."""
    with table.open(newline="", encoding="utf-8") as file:
        candidates = list(csv.DictReader(file))
    (key,) = re.findall("loss found_([0-9a-f]+)", table.with_suffix(".a2l").read_text(encoding="utf-8"))
    best = next(row for row in candidates if row["key"].startswith(key))
    fresh = {row["name"]: row["fresh_score"] for row in candidates if row["origin"] == "reference"}
    figures = [best["score"], best["fresh_score"], fresh["none"], fresh["a2_winner_v"]]
    said = "".join(f"{float(figure):13.1f}" if figure else f"{'-':>13}" for figure in figures)
    return f"{table.stem:<10}{said}{best['fresh_runs']:>7}  {best['loss']}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--strategies", nargs="+", default=["model", "paper", "random"])
    parser.add_argument("--seeds", type=int, default=1, help="searches of each strategy")
    options = parser.parse_args()
    FOLDER.mkdir(exist_ok=True)
    for seed in range(options.seeds):
        for strategy in options.strategies:
            search(strategy, seed)
    print(
        f"{'search':<10}"
        + "".join(f"{name:>13}" for name in ("one run", "fresh", "none", "a2_winner_v"))
        + "  seeds  loss"
    )
    for table in sorted(FOLDER.glob("*-*[0-9].csv")):
        print(row(table))


if __name__ == "__main__":
    main()

"""Strategies beside each other on real training: what do they find, for how many frames?

    python benchmarks/search_for_real.py --seeds 3

The search of the paper, the same number of candidates drawn at random, and `async` with all its gates and a
third of the frames, on cartpole-swingup with small networks. What a search found is its best candidate; it is
trained again with fresh seeds, which judge it. Studies are kept in `studies/for-real/`: the command can be
stopped and repeated. Prints a row a search and appends none twice to `search_for_real.csv` beside this file.
"""

from __future__ import annotations

import argparse
import csv
import time
from dataclasses import replace
from pathlib import Path

from a2ls_dsl.search.candidates import NO_LOSS
from a2ls_dsl.search.events import Event, Progress
from a2ls_dsl.search.presets import quick
from a2ls_dsl.search.reader import StudyReader
from a2ls_dsl.search.run import evolve
from a2ls_dsl.search.rungs import Rungs
from a2ls_dsl.search.settings import SearchSettings

TABLE = Path(__file__).with_suffix(".csv")
COLUMNS = ("strategy", "seed", "candidates", "frames", "score", "fresh", "fresh_error", "none_fresh", "loss")
QUICK = quick("cartpole-swingup")
PAPER = replace(
    QUICK,
    population=20,
    generations=5,
    frames=16_000,
    stack=22,
    confirm=1,
    confirm_seeds=5,
    agent=replace(QUICK.agent, hidden=64, random_steps=250),
    evaluation=replace(QUICK.evaluation, every_frames=2_000),
)
STRATEGIES = {
    "paper": PAPER,
    "async": replace(PAPER, strategy="async", generations=3, gates=("batch",), rungs=Rungs()),
    "random": replace(PAPER, strategy="random"),
}


def searched(name: str, settings: SearchSettings) -> dict[str, object]:
    """Search to the end, from where its study stands; the row of the table."""
    folder = Path("studies") / "for-real" / f"{name}-{settings.seed}"
    said = time.perf_counter()

    def on_event(event: Event) -> None:
        nonlocal said
        if isinstance(event, Progress) and time.perf_counter() - said > 60:
            said = time.perf_counter()
            print(
                f"  {name} {settings.seed}: {event.frames:,} frames, {event.seconds_left / 60:.0f} min to go"
            )

    evolve(settings, folder, on_event)
    with StudyReader(folder) as study:
        board = study.leaderboard()
        best = next(each for each in board if not each.is_reference)
        none = next(each for each in board if each.name == NO_LOSS)
        found = [each for each in study.candidates() if not each.is_reference]
        # What confirms is the same for all strategies, and no part of the search.
        frames = sum(each.frames - each.fresh_runs * settings.frames for each in found)
    values = (name, settings.seed, len(found), frames, best.score, best.fresh_score, best.fresh_error)
    return dict(zip(COLUMNS, (*values, none.fresh_score, best.text), strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    rows: list[dict[str, object]] = []
    for seed in range(options.seeds):
        for name, settings in STRATEGIES.items():
            rows.append(searched(name, replace(settings, seed=seed)))
            print(", ".join(f"{column} {rows[-1][column]}" for column in COLUMNS), flush=True)
            with TABLE.open("w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
                writer.writeheader()
                writer.writerows(rows)


if __name__ == "__main__":
    main()

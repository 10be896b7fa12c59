"""Trains losses and keeps their curves: the table that searches are tried on.

    python benchmarks/surrogate/make_table.py --studies results/searches/random-0 results/searches/model-0
    python benchmarks/surrogate/make_table.py --env walker-walk --to walker.csv

Writes `curves.csv` beside this file, or another: a row a loss and seed, with the return of evaluations and
that of training episodes at each point. Rows that are there are not trained again, so the command can be
stopped and repeated. Runs of studies that trained as the table does, or for longer, are taken into it before.

Losses train at the scale of the task's preset `quick`, at which a score says something. They are drawn from
the part of a grammar that `a2l evolve` searches by default: two in five as a first population, one in five
evenly, the others as children of the best eighth that the table has by then, so that it covers where a search
ends. Every loss has all its seeds before further ones are drawn.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from a2ls_dsl.lang.grammar import Grammar
from a2ls_dsl.lang.load import load_one
from a2ls_dsl.lang.rules.canonical import key
from a2ls_dsl.lang.syntax.printer import print_loss
from a2ls_dsl.lang.syntax.tree import Loss
from a2ls_dsl.rl.runs.curve import Point
from a2ls_dsl.rl.runs.trainer import Evaluation, Plan, Trainer
from a2ls_dsl.rl.runs.training import Training
from a2ls_dsl.search.candidates import Status, parsed
from a2ls_dsl.search.presets import quick
from a2ls_dsl.search.settings import EvolutionSettings, SearchSettings, default_operator
from a2ls_dsl.search.strategies.evolution import best, child_of, first_population
from a2ls_dsl.search.strategies.proposals import training_of
from a2ls_dsl.search.study.reader import StudyReader

TABLE = Path(__file__).parent / "curves.csv"
ENV, GRAMMAR = "cheetah-run", "a2ls"
REFERENCES = ("none", "a2_winner_v")
FIRST, EVENLY, PARENTS = 0.4, 0.2, 1 / 8
"""Of the losses drawn: the share as a first population, and evenly. Of those in the table: the parents."""


@dataclass(frozen=True)
class Row:
    """A run of the table. text: of the loss, "none" without one."""

    text: str
    loss: Loss | None
    seed: int


def text_of(loss: Loss | None) -> str:
    """How the table writes a loss."""
    return print_loss(loss) if loss else "none"


def settings_of(env: str, grammar: str) -> SearchSettings:
    """A search of the preset `quick` in a grammar."""
    return replace(quick(env), grammar=grammar, operator=default_operator(grammar))


def scores(table: Path) -> dict[str, dict[int, float]]:
    """The mean return of each row, by loss and seed."""
    rows: dict[str, dict[int, float]] = {}
    if table.exists():
        with table.open(newline="") as file:
            for loss, seed, *returns in list(csv.reader(file))[1:]:
                rows.setdefault(loss, {})[int(seed)] = float(np.nanmean([float(value) for value in returns]))
    return rows


def write(table: Path, training: Training, curves: Iterable[tuple[Row, Sequence[Point]]]) -> None:
    """Adds rows to the table."""
    begins, every = not table.exists(), training.evaluation.every_frames
    points = range(every, training.frames + 1, every)
    with table.open("a", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if begins:
            writer.writerow(["loss", "seed", *points, *(f"{frames} in training" for frames in points)])
        for row, curve in curves:
            returns = [point.mean_return for point in curve] + [point.training_return for point in curve]
            writer.writerow([row.text, row.seed, *(f"{value:.2f}" for value in returns)])


def take(study: Path, training: Training, table: Path) -> None:
    """Adds the search runs of a study, where the table lacks them."""
    rows = scores(table)
    with StudyReader(study) as reader:
        there = training_of(reader.settings)
        if replace(there, frames=training.frames) != training or there.frames < training.frames:
            raise SystemExit(f"{study}: trained otherwise than the table is")
        ended = [run for run in reader.runs(Status.SCORED) if run.seed == reader.settings.seed]
        missing = {run.id: Row(text_of(run.loss), run.loss, run.seed) for run in ended}
        write(
            table,
            training,
            (
                (row, [point for point in reader.curve(run) if point.frames <= training.frames])
                for run, row in missing.items()
                if row.seed not in rows.get(row.text, ())
            ),
        )


def drawn(grammar: Grammar, rows: Mapping[str, Mapping[int, float]], losses: int, number: int) -> list[Loss]:
    """The next losses of a table that is to hold so many: at most `number`. The same table gives the same."""
    scored = [(loss, float(np.mean(list(rows[text].values())))) for text in rows if (loss := parsed(text))]
    taken = {key(loss) for loss, _ in scored}
    rng, settings = np.random.default_rng(len(rows)), EvolutionSettings()
    proposals: list[Loss] = []
    while len(proposals) < min(number, losses - len(rows)):
        place = (len(rows) + len(proposals)) / losses
        if place < FIRST:
            loss = first_population(grammar, 1, settings, rng, taken)[0].loss
        elif place < FIRST + EVENLY:
            loss = grammar.sample_evenly(rng)
        else:
            parents = best(scored, PARENTS)
            mother = parents.pop(int(rng.integers(len(parents))))
            child = child_of(grammar, [mother, *parents], settings, rng, taken)
            loss = child.loss if child else grammar.sample_evenly(rng)
        if key(loss) not in taken:
            taken.add(key(loss))
            proposals.append(loss)
    return proposals


def stacks(grammar: Grammar, table: Path, losses: int, seeds: int, stack: int) -> Iterator[Sequence[Row]]:
    """What is missing, a stack at a time."""
    references = [None if name == "none" else load_one(name)[1] for name in REFERENCES]
    while True:
        rows = scores(table)
        members = {text_of(loss): loss for loss in references} | {text: parsed(text) for text in rows}
        if all(len(rows.get(text, ())) >= seeds for text in members):
            fresh = drawn(grammar, rows, losses, max(1, stack // seeds))
            members |= {print_loss(loss): loss for loss in fresh}
        missing = [
            Row(text, loss, seed)
            for seed in range(seeds)
            for text, loss in members.items()
            if seed not in rows.get(text, ())
        ]
        if not missing:
            return
        yield missing[:stack]


def train(rows: Sequence[Row], training: Training, device: str) -> Iterator[tuple[Row, Sequence[Point]]]:
    """Trains a stack; the curve of each member."""
    plan = Plan(training, tuple(row.loss for row in rows), tuple(row.seed for row in rows))
    with Trainer(plan, device) as trainer:
        evaluations = [event for event in trainer.run() if isinstance(event, Evaluation)]
    for member, row in enumerate(rows):
        yield row, [evaluation.scores[member].point for evaluation in evaluations]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=Path, nargs="*", default=[], metavar="DIR")
    parser.add_argument("--losses", type=int, default=400, help="in all, the references among them")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--stack", type=int, default=24)
    parser.add_argument("--to", type=Path, default=TABLE, metavar="FILE.csv")
    parser.add_argument("--env", default=ENV)
    parser.add_argument("--grammar", default=GRAMMAR)
    parser.add_argument("--frames", type=int)
    parser.add_argument("--hidden", type=int)
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    search = settings_of(options.env, options.grammar)
    sizes = {"hidden": options.hidden, "batch_size": options.batch_size}
    agent = replace(search.agent, **{name: size for name, size in sizes.items() if size})
    frames, every = options.frames or search.frames, search.evaluation.every_frames
    if frames % every:
        raise SystemExit(f"{frames:,} frames don't end with an evaluation: use a multiple of {every:,}")
    training = training_of(replace(search, agent=agent, frames=frames))
    for study in options.studies:
        take(study, training, options.to)
    begun, ended = time.perf_counter(), 0
    for rows in stacks(search.space(), options.to, options.losses, options.seeds, options.stack):
        write(options.to, training, list(train(rows, training, options.device)))
        ended += len(rows)
        rate = ended / (time.perf_counter() - begun)
        print(f"{sum(map(len, scores(options.to).values()))} rows, {3600 * rate:.0f} an hour", flush=True)


if __name__ == "__main__":
    main()

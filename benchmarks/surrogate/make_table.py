"""Trains losses and keeps their curves: the table that searches are tried on.

    python benchmarks/surrogate/make_table.py --seeds 2
    python benchmarks/surrogate/make_table.py --env cheetah-run --grammar a2ls --losses 400 --to cheetah.csv

Writes `curves.csv` beside this file, or another: a row a loss and seed, with the evaluation return at each
point. Rows that are there are not trained again, so the command can be stopped and repeated.

The first line trains every loss of a small grammar at a scale that is cheap and says nothing of a loss. The
second takes the scale of the task's preset `quick`, at which a score says something, and draws from the part
of a grammar that `a2l evolve` searches by default: two in five losses as a first population, one in five
evenly, the others as children of the best eighth that the table has by then, so that it covers where a search
ends.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from a2ls_dsl.lang.grammar import Grammar
from a2ls_dsl.lang.load import load_one
from a2ls_dsl.lang.rules.canonical import key
from a2ls_dsl.lang.syntax.printer import print_loss
from a2ls_dsl.lang.syntax.tree import Loss
from a2ls_dsl.rl.envs.tasks import find_task
from a2ls_dsl.rl.runs.trainer import Evaluation, Plan, Trainer
from a2ls_dsl.rl.runs.training import Training
from a2ls_dsl.rl.settings import EvaluationSettings, SacSettings
from a2ls_dsl.search.candidates import parsed
from a2ls_dsl.search.presets import quick
from a2ls_dsl.search.settings import EvolutionSettings, SearchSettings, default_operator
from a2ls_dsl.search.strategies.evolution import best, child_of, first_population

HERE = Path(__file__).parent
SPACE, TABLE = HERE / "space.a2g", HERE / "curves.csv"
TRAINING = Training(
    find_task("cartpole-swingup"),
    frames=16_000,
    settings=SacSettings(hidden=64, batch_size=64, random_steps=250),
    evaluation=EvaluationSettings(every_frames=2_000, episodes=1),
)
REFERENCES = ("none", "a2_winner_v")
FIRST, EVENLY, PARENTS = 0.4, 0.2, 1 / 8
"""Of the losses drawn: the share as a first population, and evenly. Of those in the table: the parents."""


@dataclass(frozen=True)
class Run:
    """A row that is missing. text: of the loss, "none" without one."""

    text: str
    loss: Loss | None
    seed: int


def references() -> dict[str, Loss | None]:
    """The references of every study, by their text."""
    losses = [None if name == "none" else load_one(name)[1] for name in REFERENCES]
    return {print_loss(loss) if loss else "none": loss for loss in losses}


def space(grammar: str) -> Grammar:
    """What a search in a grammar draws from by default."""
    return SearchSettings(TRAINING.task.name, grammar=grammar, operator=default_operator(grammar)).space()


def scores(table: Path) -> dict[str, dict[int, float]]:
    """The mean return of each row, by loss and seed."""
    rows: dict[str, dict[int, float]] = {}
    if table.exists():
        with table.open(newline="") as file:
            for loss, seed, *returns in list(csv.reader(file))[1:]:
                rows.setdefault(loss, {})[int(seed)] = float(np.mean([float(value) for value in returns]))
    return rows


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


def stacks(grammar: Grammar, table: Path, options: argparse.Namespace) -> Iterator[Sequence[Run]]:
    """What is missing, a stack at a time."""
    everything = references()
    if options.losses is None:
        everything |= {print_loss(loss): loss for loss in grammar.enumerate()}
        everything = dict(list(everything.items())[: options.most])
    while True:
        rows = scores(table)
        losses = everything | {text: parsed(text) for text in rows}
        if options.losses is not None and all(len(rows.get(text, ())) >= options.seeds for text in losses):
            fresh = drawn(grammar, rows, options.losses, max(1, options.stack // options.seeds))
            losses |= {print_loss(loss): loss for loss in fresh}
        missing = [
            Run(text, loss, seed)
            for seed in range(options.seeds)
            for text, loss in losses.items()
            if seed not in rows.get(text, ())
        ]
        if not missing:
            return
        yield missing[: options.stack]


def train(runs: Sequence[Run], training: Training, table: Path, device: str) -> None:
    """Trains a stack and adds its rows to the table."""
    plan = Plan(training, tuple(run.loss for run in runs), tuple(run.seed for run in runs))
    with Trainer(plan, device) as trainer:
        evaluations = [event for event in trainer.run() if isinstance(event, Evaluation)]
    begins = not table.exists()
    with table.open("a", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if begins:
            every = training.evaluation.every_frames
            writer.writerow(["loss", "seed", *range(every, training.frames + 1, every)])
        for member, run in enumerate(runs):
            returns = [f"{evaluation.mean_return[member]:.2f}" for evaluation in evaluations]
            writer.writerow([run.text, run.seed, *returns])


def setting(options: argparse.Namespace) -> Training:
    """How the losses train: on another task than the default one as in its preset `quick`."""
    base = TRAINING
    if options.env != TRAINING.task.name:
        preset = quick(options.env)
        assert isinstance(preset.agent, SacSettings), "the table holds losses of agents that see vectors"
        base = Training(preset.task, preset.frames, preset.agent, preset.evaluation)
    sizes = {"hidden": options.hidden, "batch_size": options.batch_size}
    settings = replace(base.settings, **{name: size for name, size in sizes.items() if size})
    frames, every = options.frames or base.frames, base.evaluation.every_frames
    if frames % every:
        raise SystemExit(f"{frames:,} frames don't end with an evaluation: use a multiple of {every:,}")
    return replace(base, frames=frames, settings=settings)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--stack", type=int, default=24)
    parser.add_argument("--to", type=Path, default=TABLE, metavar="FILE.csv")
    parser.add_argument("--env", default=TRAINING.task.name)
    parser.add_argument("--grammar", default=str(SPACE))
    parser.add_argument("--losses", type=int, help="draw so many, the references among them; by default all")
    parser.add_argument("--frames", type=int)
    parser.add_argument("--hidden", type=int)
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--most", type=int, help="train no more than the first losses of the space")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    training, begun, ended = setting(options), time.perf_counter(), 0
    for runs in stacks(space(options.grammar), options.to, options):
        train(runs, training, options.to, options.device)
        ended += len(runs)
        rate = ended / (time.perf_counter() - begun)
        rows = sum(map(len, scores(options.to).values()))
        print(f"{rows} rows, {3600 * rate:.0f} an hour", flush=True)


if __name__ == "__main__":
    main()

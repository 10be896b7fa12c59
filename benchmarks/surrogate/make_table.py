"""Trains every loss of the surrogate space and keeps its curve: the table that searches are tried on.

    python benchmarks/surrogate/make_table.py --seeds 2

Writes `curves.csv` beside this file, or another: a row a loss and seed, with the evaluation return at each
point. Rows that are there are not trained again, so the command can be stopped and repeated. By default small
networks and a short budget on cartpole-swingup: a table for comparing search algorithms, not losses.
"""

from __future__ import annotations

import argparse
import csv
import time
from dataclasses import replace
from pathlib import Path

from a2ls_dsl.lang.grammar import load_grammar
from a2ls_dsl.lang.load import load_one
from a2ls_dsl.lang.syntax.printer import print_loss
from a2ls_dsl.lang.syntax.tree import Loss
from a2ls_dsl.rl.envs.tasks import find_task
from a2ls_dsl.rl.settings import EvaluationSettings, SacSettings
from a2ls_dsl.rl.slots import Training
from a2ls_dsl.rl.trainer import Evaluation, Plan, Trainer

HERE = Path(__file__).parent
SPACE, TABLE = HERE / "space.a2g", HERE / "curves.csv"
TRAINING = Training(
    find_task("cartpole-swingup"),
    frames=16_000,
    settings=SacSettings(hidden=64, batch_size=64, random_steps=250),
    evaluation=EvaluationSettings(every_frames=2_000, episodes=1),
)
REFERENCES = ("none", "a2_winner_v")


def losses() -> dict[str, Loss | None]:
    """All losses of the space by their text, and the references of every study."""
    found = dict[str, Loss | None]((print_loss(each), each) for each in load_grammar(SPACE).enumerate())
    for name in REFERENCES:
        loss = None if name == "none" else load_one(name)[1]
        found[print_loss(loss) if loss else "none"] = loss
    return found


def known(table: Path) -> set[tuple[str, int]]:
    """The rows of the table."""
    if not table.exists():
        return set()
    with table.open() as file:
        return {(row["loss"], int(row["seed"])) for row in csv.DictReader(file)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--stack", type=int, default=24)
    parser.add_argument("--to", type=Path, default=TABLE, metavar="FILE.csv")
    parser.add_argument("--env", default=TRAINING.task.name)
    parser.add_argument("--frames", type=int, default=TRAINING.frames)
    parser.add_argument("--hidden", type=int, default=64)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--most", type=int, help="train no more than the first losses of the space")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    settings = replace(TRAINING.settings, hidden=options.hidden, batch_size=options.batch_size)
    training = replace(TRAINING, task=find_task(options.env), frames=options.frames, settings=settings)
    done, begun, table = known(options.to), time.perf_counter(), options.to
    wanted = [
        (text, loss, seed)
        for seed in range(options.seeds)
        for text, loss in list(losses().items())[: options.most]
        if (text, seed) not in done
    ]
    every = training.evaluation.every_frames
    if not table.exists():
        with table.open("w", newline="") as file:
            header = ["loss", "seed", *range(every, training.frames + 1, every)]
            csv.writer(file, lineterminator="\n").writerow(header)
    for start in range(0, len(wanted), options.stack):
        part = wanted[start : start + options.stack]
        plan = Plan(training, tuple(loss for _, loss, _ in part), tuple(seed for _, _, seed in part))
        with Trainer(plan, options.device) as trainer:
            evaluations = [event for event in trainer.run() if isinstance(event, Evaluation)]
        with table.open("a", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            for member, (text, _, seed) in enumerate(part):
                returns = [f"{each.mean_return[member]:.2f}" for each in evaluations]
                writer.writerow([text, seed, *returns])
        ended = start + len(part)
        left = (time.perf_counter() - begun) / ended * (len(wanted) - ended)
        print(f"{ended} of {len(wanted)} trained, about {left / 60:.0f} min to go", flush=True)


if __name__ == "__main__":
    main()

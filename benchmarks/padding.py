"""What buckets of like sizes save a search: stacks of random losses of a grammar, in buckets and in one.

    python benchmarks/padding.py --members 16 --hidden 64 --batch-size 64 --frames 50000

Prints, for several limits to padding (see `StackedLoss`; without one all are as large as the largest loss),
how many buckets there are, processor milliseconds per member-update, their ratio to the first row, and how
many candidates of so many frames of cheetah-run the updates alone allow in an hour of one core. Rows take
turns.
"""

from __future__ import annotations

import argparse
import math
import time

import numpy as np
import torch

from a2ls_dsl.lang.ast import Loss
from a2ls_dsl.lang.grammar import load_grammar
from a2ls_dsl.rl.learner import Learner
from a2ls_dsl.rl.observations import Observations
from a2ls_dsl.rl.settings import Computation, SacSettings

OBSERVATION, ACTION, REPEAT = 17, 6, 4  # cheetah-run
ROWS = 300


def filled(losses: list[Loss], settings: SacSettings, padding: float) -> Learner:
    """A learner of slots that were filled one by one, with random experience."""
    members, rng = len(losses), np.random.default_rng(0)
    learner = Learner(
        *(losses, range(members), Observations((OBSERVATION,)), ACTION, ROWS, settings),
        refill=True,
        computation=Computation(padding=padding),
    )
    every = np.ones(members, np.bool_)
    learner.begin(rng.normal(size=(members, OBSERVATION)).astype(np.float32), every)
    for _ in range(ROWS - 2):
        learner.append(
            rng.uniform(-1, 1, (members, ACTION)).astype(np.float32),
            rng.uniform(size=members).astype(np.float32),
            ~every,
            rng.normal(size=(members, OBSERVATION)).astype(np.float32),
            ~every,
        )
    for member in range(members):
        learner.activate(member)
        learner.update()
    return learner


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--grammar", default="a2ls")
    parser.add_argument("--members", type=int, default=16)
    parser.add_argument("--hidden", type=int, default=64)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--frames", type=int, default=50_000)
    parser.add_argument("--padding", type=float, nargs="+", default=[math.inf, 1.0, 1.3, 2.0])
    parser.add_argument("--repeats", type=int, default=10)
    options = parser.parse_args()
    torch.set_num_threads(1)
    grammar, rng = load_grammar(options.grammar), np.random.default_rng(0)
    losses = [grammar.sample(rng) for _ in range(options.members)]
    settings = SacSettings(batch_size=options.batch_size, hidden=options.hidden)
    learners = [filled(losses, settings, padding) for padding in options.padding]
    seconds = [0.0] * len(learners)
    for _ in range(options.repeats):
        for number, learner in enumerate(learners):
            begin = time.process_time()
            learner.update()
            learner.update()  # one update with the actor's part and one without
            seconds[number] += time.process_time() - begin
    updates = 2 * options.repeats * options.members
    candidate = options.frames // REPEAT - settings.random_steps  # its updates
    print("padding  buckets  ms/member-update   ratio  candidates/hour")
    for padding, learner, spent in zip(options.padding, learners, seconds, strict=True):
        buckets, each = len(learner.stacks[0].auxiliary.buckets), spent / updates
        ratio, hourly = spent / seconds[0], 3600 / (candidate * each)
        print(f"{padding:7}  {buckets:7}  {1e3 * each:16.3f}  {ratio:6.3f}  {hourly:15.1f}")


if __name__ == "__main__":
    main()

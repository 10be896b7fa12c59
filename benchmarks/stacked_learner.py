"""What stacking buys: time per member-update of one stack against the same members one after another.

    python benchmarks/stacked_learner.py --members 1 4 16 --batch-size 128 --device cpu

Prints, for each size of stack, the median milliseconds per member-update, those of separate stacks of one in
the same process, and their ratio. Losses are random ones of the a2ls space, data are random, and warm-up is
not counted. On a GPU use `--device cuda --members 1 8 32 100`.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np
import torch

from a2ls_dsl.lang.grammar import load_grammar
from a2ls_dsl.rl.replay.observations import Observations
from a2ls_dsl.rl.settings import SacSettings
from a2ls_dsl.rl.slots.learner import Learner

OBSERVATION, ACTION = 24, 6  # walker-walk
ROWS = 2000


def milliseconds(members: int, batch_size: int, hidden: int, device: str, exact: bool, repeats: int) -> float:
    """Median time of one update of all members, over the members."""
    rng = np.random.default_rng(0)
    grammar = load_grammar("a2ls").restricted(operators=("mse",), against_batch=False)
    losses = [grammar.sample(rng) for _ in range(members)]
    settings = SacSettings(batch_size=batch_size, hidden=hidden)
    learner = Learner(
        losses, range(members), Observations((OBSERVATION,)), ACTION, ROWS, settings, device, exact
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
    times = []
    for repeat in range(repeats + 4):
        begin = time.perf_counter()
        learner.update()
        learner.update()  # an update with and one without the actor
        if device != "cpu":
            torch.cuda.synchronize()
        if repeat >= 4:
            times.append((time.perf_counter() - begin) / 2)
    return 1e3 * statistics.median(times) / members


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--members", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--hidden", type=int, default=1024)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--repeats", type=int, default=10)
    options = parser.parse_args()
    print(f"batch {options.batch_size}, hidden {options.hidden}, {options.device}, torch {torch.__version__}")
    print("members  stacked ms  separate ms  ratio")
    for members in options.members:
        shared = (members, options.batch_size, options.hidden, options.device)
        stacked = milliseconds(*shared, exact=False, repeats=options.repeats)
        separate = milliseconds(*shared, exact=True, repeats=options.repeats)
        print(f"{members:7}  {stacked:10.3f}  {separate:11.3f}  {separate / stacked:5.2f}")


if __name__ == "__main__":
    main()

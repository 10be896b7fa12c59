"""What a tick of a search costs where slots stand empty: in a stack as wide as it has members, and in one for
all slots.

    OMP_NUM_THREADS=1 python benchmarks/empty_slots.py

Both train the same losses of the paper's space on cheetah-run, at the scale of the preset `quick`, in turns.
Prints the processor time of a tick of each and the ratio of the two.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from a2ls_dsl.rl.runs.training import Member
from a2ls_dsl.rl.slots.parts import Running
from a2ls_dsl.rl.slots.slots import Slots
from a2ls_dsl.search.presets import quick
from a2ls_dsl.search.strategies.proposals import training_of

SETTINGS = quick("cheetah-run")
TRAINING = training_of(SETTINGS)


def opened(members: list[Member], count: int, narrow: bool) -> Slots:
    """Slots in which all have learned, and those behind the first `count` have left."""
    slots = Slots(TRAINING, members, Running(workers=1, refill=True))
    slots.learner.narrows = narrow
    for tick in range(SETTINGS.agent.random_steps + 20):
        slots.tick()
        if tick == SETTINGS.agent.random_steps + 10:
            for slot in range(count, len(members)):
                slots.clear(slot)
    return slots


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slots", type=int, default=6)
    parser.add_argument("--members", type=int, nargs="+", default=[1, 2, 4, 6])
    parser.add_argument("--ticks", type=int, default=30, help="in a turn")
    parser.add_argument("--turns", type=int, default=10)
    options = parser.parse_args()
    grammar, rng = SETTINGS.space(), np.random.default_rng(0)
    drawn = [grammar.sample(rng, SETTINGS.evolution.first_prior) for _ in range(options.slots)]
    members = [Member(loss, seed) for seed, loss in enumerate(drawn)]
    print("members  slots  narrow ms  wide ms  ratio")
    for count in options.members:
        with opened(members, count, True) as narrow, opened(members, count, False) as wide:
            spent = {narrow: list[float](), wide: list[float]()}
            for _ in range(options.turns):
                for slots, times in spent.items():
                    begin = time.process_time()
                    for _ in range(options.ticks):
                        slots.tick()
                    times.append(1e3 * (time.process_time() - begin) / options.ticks)
        first, second = (float(np.median(times)) for times in spent.values())
        print(f"{count:7}{options.slots:7}{first:11.1f}{second:9.1f}{first / second:7.2f}", flush=True)


if __name__ == "__main__":
    main()

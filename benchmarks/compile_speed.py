"""How long the compiler takes: reading and checking a loss, its passes, and the identity of candidates.

python benchmarks/compile_speed.py
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from a2ls_dsl.ir.lower import lower
from a2ls_dsl.ir.passes import optimise
from a2ls_dsl.lang.files import shipped
from a2ls_dsl.lang.grammar.grammar import load_grammar
from a2ls_dsl.lang.load import load_one
from a2ls_dsl.lang.rules.canonical import canonical, key
from a2ls_dsl.lang.syntax.tree import Loss

CANDIDATES = 1_000
REPEATS = 5


def milliseconds(function: Callable[[], object]) -> float:
    """The processor time of the fastest of some calls: other processes on the machine don't count."""
    times = []
    for _ in range(REPEATS):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return 1e3 * min(times)


def main() -> None:
    names = shipped("losses", ".a2l")
    losses = {name: load_one(name)[1] for name in names}
    checked = {name: milliseconds(lambda name=name: load_one(name)) for name in names}
    passed = {name: milliseconds(lambda loss=loss: optimise(lower(loss))) for name, loss in losses.items()}
    total = {name: checked[name] + passed[name] for name in names}
    worst = max(total, key=total.__getitem__)
    mean = sum(total.values()) / len(total)
    print(f"read, check and passes of {len(names)} shipped losses: {mean:.2f} ms a loss in the mean")
    print(f"the slowest is {worst}: {checked[worst]:.2f} ms + {passed[worst]:.2f} ms")
    grammar, rng = load_grammar("a2ls"), np.random.default_rng(0)
    drawn: list[Loss] = [grammar.sample(rng) for _ in range(CANDIDATES)]
    spent = milliseconds(lambda: [key(canonical(loss)) for loss in drawn])
    print(f"canonical form and key of {CANDIDATES:,} candidates of a2ls: {spent:.0f} ms")


if __name__ == "__main__":
    main()

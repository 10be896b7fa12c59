"""What it costs that every member has a count of steps of its own: StackedAdam beside torch's fused Adam.

    python benchmarks/adam.py --members 8 --hidden 128

Prints, for a stack with the networks of SAC, milliseconds a step and the ratio to torch's own optimizer,
which knows one count for all: slots that were filled at once, and one by one.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise

import torch
from torch import nn

from a2ls_dsl.rl.compute.adam import StackedAdam


def shapes(hidden: int, observation: int = 5, features: int = 50, action: int = 1) -> list[tuple[int, int]]:
    """Encoder, actor and two critics."""

    def mlp(*widths: int) -> list[tuple[int, int]]:
        return [shape for n, m in pairwise(widths) for shape in ((m, n), (m, 1))]

    critic = mlp(features + action, hidden, hidden, 1)
    return mlp(observation, hidden, features) + mlp(features, hidden, hidden, 2 * action) + 2 * critic


def milliseconds(step: Callable[[], object], repeats: int) -> float:
    """The best of five runs of that many steps, a step."""
    best = float("inf")
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(repeats):
            step()
        best = min(best, time.perf_counter() - began)
    return 1e3 * best / repeats


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--members", type=int, default=8)
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=100)
    options = parser.parse_args()
    made = [nn.Parameter(0.1 * torch.randn(options.members, *shape)) for shape in shapes(options.hidden)]
    gradients = [torch.randn_like(parameter) for parameter in made]
    for parameter, gradient in zip(made, gradients, strict=True):
        parameter.grad = gradient
    baseline = milliseconds(torch.optim.Adam(made, lr=1e-3, fused=True).step, options.repeats)
    print(f"{'torch.optim.Adam, fused':32}{baseline:8.2f} ms")
    for name, counts in (
        ("slots filled at once", torch.zeros(options.members)),
        ("slots filled one by one", torch.arange(options.members, dtype=torch.float32)),
    ):
        adam = StackedAdam(made, 1e-3)
        adam.steps += counts
        duration = milliseconds(partial(adam.descend, gradients), options.repeats)
        print(f"{name:32}{duration:8.2f} ms{duration / baseline:8.2f}")


if __name__ == "__main__":
    main()

"""A search over known learning curves: what strategies and gates would do, without training.

Conductor and study are those of a real search; instead of slots that train, evaluations come from a table, at
the ticks at which they would have come.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from a2ls_dsl.lang.syntax.tree import Loss
from a2ls_dsl.rl.slots.evaluation import Score
from a2ls_dsl.search.candidates import Run
from a2ls_dsl.search.conductor import Conductor, Ended
from a2ls_dsl.search.settings import SearchSettings

Curve = Callable[[Loss | None, int], Sequence[float]]
"""The mean returns at the evaluations of a loss with a seed, at equal distances; NaN: diverged."""


def rehearse(
    conductor: Conductor,
    settings: SearchSettings,
    slots: int,
    curve: Curve,
    on_end: Callable[[Sequence[Ended]], None] = lambda ended: None,
    ticks: int | None = None,
) -> int:
    """Run a search to its end, or for `ticks` ticks; returns the ticks that it took.

    A tick is the time between two evaluations: all runs are equally fast, as in a stack.
    """
    inside: dict[int, tuple[Run, Sequence[float], int]] = {}
    first = tick = conductor.begin()
    while ticks is None or tick - first < ticks:
        for slot, run in conductor.fill(tick, [slot for slot in range(slots) if slot not in inside]):
            inside[slot] = run, curve(run.loss, run.seed), 0
        if conductor.finished:
            break
        scores = []
        for slot, (run, returns, done) in sorted(inside.items()):
            frames = min((done + 1) * settings.evaluation.every_frames, settings.frames)
            diverged = math.isnan(returns[done])
            value = 0.0 if diverged else returns[done]
            scores.append(Score(frames, (value,), value, slot, done, {}, diverged))
            inside[slot] = run, returns, done + 1
        cleared, ended = conductor.score(tick, scores)
        for slot in cleared:
            inside.pop(slot, None)
        on_end(ended)
        tick += 1
    return tick - first

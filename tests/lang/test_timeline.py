"""`a2l show --timeline`: the grid says what a loss reads."""

from __future__ import annotations

from hypothesis import given, settings
from strategies import any_losses

from a2ls_dsl.lang.rules.canonical import comparisons
from a2ls_dsl.lang.syntax.tree import Loss, Return, Rollout, elements_of
from a2ls_dsl.lang.views.timeline import timeline


@given(any_losses())
@settings(max_examples=30)
def test_a_timeline_calls_nothing_unused_that_is_read(loss: Loss) -> None:
    for grid, (_, term) in zip(timeline(loss).split("\n\n"), comparisons(loss), strict=False):
        unused = {
            (row[0], int(step.removeprefix("t").removeprefix("+") or 0))
            for steps, *rows in _bands(grid)
            for row in rows
            for step, cell in zip(steps, row[1:], strict=True)
            if cell == "."
        }
        assert not unused & {(element.stream.value, element.offset) for element in elements_of(term.items)}
        runs = [item for item in term.items if isinstance(item, Rollout)]
        assert not unused & {
            ("a", run.first + step) for run in runs for step in range(run.length - run.visited)
        }
        sums = [item for item in term.items if isinstance(item, Return)]
        assert not unused & {("r", step) for item in sums for step in range(item.first, item.last_reward + 1)}


def _bands(grid: str) -> list[list[list[str]]]:
    """The lines of each band of a grid, as words; the label of a function's row may hold several."""
    bands: list[list[list[str]]] = []
    for line in grid.split("\n")[1:]:
        words = line.split()
        if words[0] == "t" or words[0].startswith("t+"):
            bands.append([])
        if "(" not in line:
            bands[-1].append(words)
    return bands

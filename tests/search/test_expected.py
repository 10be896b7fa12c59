"""What a search counts memory with."""

from __future__ import annotations

import numpy as np
import pytest

from a2ls_dsl.lang.grammar import load_grammar
from a2ls_dsl.search.expected import states, such_as


@pytest.mark.parametrize("name", ["a2ls", "extended"])
@pytest.mark.parametrize("count", [1, 2, 4])
def test_losses_that_stand_for_many_are_not_smaller_than_these(name: str, count: int) -> None:
    """On average; the largest is among them, and as one of `count` it is all that they have too many."""
    grammar = load_grammar(name)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        drawn = [grammar.sample(rng) for _ in range(64)]
        chosen = such_as(drawn, count)
        sizes, kept = [*map(states, drawn)], [*map(states, chosen)]
        assert len(kept) == count
        assert max(sizes) in kept
        assert np.mean(sizes) <= np.mean(kept) <= np.mean(sizes) + max(sizes) / count

"""Random losses and data for property tests."""

from __future__ import annotations

import torch
from hypothesis import strategies as st

from a2ls_dsl.backend.window import Spaces, Window
from a2ls_dsl.lang.ast import Call, Comparison, Element, Loss, Stream, Weighted
from a2ls_dsl.lang.canonical import canonical, single
from a2ls_dsl.lang.operators import PAPER_OPERATORS


def elements(horizon: int, views: bool = False) -> st.SearchStrategy[tuple[Element, ...]]:
    calls = st.sampled_from([(), (Call("crop"),)]) if views else st.just(())
    one = st.builds(
        lambda stream, offset, calls: Element(stream, offset, calls if stream is Stream.STATE else ()),
        st.sampled_from([Stream.STATE, Stream.ACTION, Stream.REWARD]),
        st.integers(0, horizon),
        calls,
    )
    return st.lists(one, min_size=1, max_size=3 * (horizon + 1)).map(tuple)


def comparisons(horizon: int = 10, views: bool = False) -> st.SearchStrategy[Comparison]:
    """Any comparison of the a2ls space (with `views` also with crops)."""
    with_state = st.tuples(elements(horizon, views), st.integers(0, horizon)).map(
        lambda each: (*each[0], Element(Stream.STATE, each[1]))
    )
    return st.builds(
        Comparison, st.sampled_from(PAPER_OPERATORS), with_state, elements(horizon, views), st.booleans()
    )


def losses(horizon: int = 10, terms: int = 1, views: bool = False) -> st.SearchStrategy[Loss]:
    """Canonical losses; with `terms` > 1 also weighted sums."""
    if terms == 1:
        return comparisons(horizon, views).map(single)
    weighted = st.builds(Weighted, st.sampled_from([0.1, 0.5, 1.0, 2.0]), comparisons(horizon, views))
    return st.lists(weighted, min_size=1, max_size=terms).map(lambda each: canonical(Loss(tuple(each))))


def windows(spaces: Spaces, batch: int, steps: int, seed: int, members: tuple[int, ...] = ()) -> Window:
    """Random windows in float64."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*members, batch, steps, *shape, dtype=torch.float64, generator=generator)

    return Window(normal(spaces.observation), normal(spaces.action).tanh(), normal())

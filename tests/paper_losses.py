"""Random losses of the space of He et al. 2022, with crops and sums, and the shipped ones that are of it."""

from __future__ import annotations

from hypothesis import strategies as st

from a2ls_dsl.ir.lower import is_paper_shaped
from a2ls_dsl.lang.files import shipped
from a2ls_dsl.lang.load import load_one
from a2ls_dsl.lang.rules.canonical import canonical, single
from a2ls_dsl.lang.syntax.tree import Call, Comparison, Element, Loss, Weighted
from a2ls_dsl.words import PAPER_OPERATORS
from a2ls_dsl.words.language import Stream

S, A, R = Stream.STATE, Stream.ACTION, Stream.REWARD


def elements(horizon: int, views: bool = False) -> st.SearchStrategy[tuple[Element, ...]]:
    calls = st.sampled_from([(), (Call("crop"),)]) if views else st.just(())
    element = st.builds(
        lambda stream, offset, calls: Element(stream, offset, calls if stream is S else ()),
        st.sampled_from([S, A, R]),
        st.integers(0, horizon),
        calls,
    )
    return st.lists(element, min_size=1, max_size=3 * (horizon + 1)).map(tuple)


def comparisons(horizon: int = 10, views: bool = False) -> st.SearchStrategy[Comparison]:
    """Any comparison of the a2ls space (with `views` also with crops)."""
    with_state = st.tuples(elements(horizon, views), st.integers(0, horizon)).map(
        lambda pair: (*pair[0], Element(S, pair[1]))
    )
    return st.builds(
        Comparison, st.sampled_from(PAPER_OPERATORS), with_state, elements(horizon, views), st.booleans()
    )


def losses(horizon: int = 10, terms: int = 1, views: bool = False) -> st.SearchStrategy[Loss]:
    """Canonical losses; with `terms` > 1 also weighted sums."""
    if terms == 1:
        return comparisons(horizon, views).map(single)
    weighted = st.builds(Weighted, st.sampled_from([0.1, 0.5, 1.0, 2.0]), comparisons(horizon, views))
    return st.lists(weighted, min_size=1, max_size=terms).map(lambda weights: canonical(Loss(tuple(weights))))


def paper_shaped() -> list[str]:
    """The shipped losses that are of He et al. 2022."""
    return [name for name in shipped("losses", ".a2l") if is_paper_shaped(load_one(name)[1])]

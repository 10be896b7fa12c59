"""The counter-based generator: its arithmetic, its distributions, and independence of its streams."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import stats

from a2ls_dsl.backend.counter_rng import CounterRng, Purpose, _mix

MASK = 2**64 - 1
GOLDEN, MIX_1, MIX_2 = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
INT64 = st.integers(-(2**63), 2**63 - 1)
N = 20_000


def finaliser(x: int) -> int:
    """SplitMix64's output function on unsigned integers (Steele et al. 2014)."""
    x = ((x ^ (x >> 30)) * MIX_1) & MASK
    x = ((x ^ (x >> 27)) * MIX_2) & MASK
    return x ^ (x >> 31)


def reference(seed: int, purpose: int, counter: int, position: int) -> int:
    """The whole key schedule."""
    stream = finaliser((seed * GOLDEN + 1) & MASK)
    key = finaliser((stream + purpose * MIX_1) & MASK)
    key = finaliser((key + counter * MIX_2) & MASK)
    return finaliser((key + (position + 1) * GOLDEN) & MASK)


def unsigned(x: torch.Tensor) -> list[int]:
    return [word & MASK for word in x.flatten().tolist()]


def test_splitmix64_gives_its_published_numbers() -> None:
    """The first outputs of SplitMix64 from the state 1234567, a widely used test vector."""
    states = torch.tensor([[1234567 + (i + 1) * GOLDEN & MASK] for i in range(3)], dtype=torch.uint64)
    assert unsigned(_mix(states.view(torch.int64))) == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
    ]


@given(INT64, st.sampled_from(list(Purpose)), st.integers(0, 2**40))
@example(-1, Purpose.POLICY, 0)
@example(2**63 - 1, Purpose.INIT_ENCODER, 2**40)
def test_bits_are_the_reference(seed: int, purpose: Purpose, counter: int) -> None:
    rng = CounterRng(torch.tensor([seed, 7]))
    expected = [reference(s, purpose, counter, i) for s in (seed, 7) for i in range(3)]
    assert unsigned(rng.bits(purpose, counter, 3)) == expected
    each_its_own = torch.tensor([counter, counter])
    assert unsigned(rng.bits(purpose, each_its_own, 3)) == expected


def test_drawing_changes_nothing() -> None:
    rng = CounterRng(torch.tensor([3, 4]))
    first = rng.normal(Purpose.ACTION, 5, 10)
    rng.uniform(Purpose.ACTION, 6, 100)
    assert torch.equal(rng.normal(Purpose.ACTION, 5, 10), first)
    assert torch.equal(rng.normal(Purpose.ACTION, 5, 4), first[:, :4])


def test_a_member_alone_draws_its_row() -> None:
    rng = CounterRng(torch.tensor([3, 4, 5]))
    counter = torch.tensor([10, 20, 30])
    high = torch.tensor([7, 8, 9])
    for i in range(3):
        alone, at, top = rng.member(i), counter[i : i + 1], high[i : i + 1]
        for name in ("bits", "uniform", "normal"):
            rows = getattr(rng, name)(Purpose.BATCH, counter, 50)
            assert torch.equal(getattr(alone, name)(Purpose.BATCH, at, 50), rows[i : i + 1])
        rows = rng.integers(Purpose.BATCH, counter, 50, high)
        assert torch.equal(alone.integers(Purpose.BATCH, at, 50, top), rows[i : i + 1])
    assert torch.equal(CounterRng(torch.tensor([4])).seeds, rng.member(1).seeds)


@pytest.mark.parametrize("seed", [0, 1, -5])
def test_distributions(seed: int) -> None:
    rng = CounterRng(torch.tensor([seed]))
    uniform = rng.uniform(Purpose.BATCH, 0, N)
    assert (uniform.dtype, uniform.shape) == (torch.float32, (1, N))
    assert uniform.min() >= 0
    assert uniform.max() < 1
    assert stats.kstest(uniform[0].double(), "uniform").pvalue > 1e-3
    normal = rng.normal(Purpose.POLICY, 0, N)[0]
    assert normal.isfinite().all()
    assert stats.kstest(normal.double(), "norm").pvalue > 1e-3


def test_the_smallest_uniform_number_gives_a_finite_normal_one() -> None:
    """Zero comes up once in 2^24 draws, here at a known place; its logarithm must not be taken."""
    rng = CounterRng(torch.tensor([0]))
    assert rng.uniform(Purpose.ACTION, 4792, 1000)[0, 846] == 0
    extreme = rng.normal(Purpose.ACTION, 4792, 1000)[0, 846]
    assert 0 < extreme.abs() <= math.sqrt(2 * 24 * math.log(2))


@pytest.mark.parametrize("vary", ["seed", "purpose", "counter"])
def test_neighbouring_streams_are_uniform_across_and_uncorrelated(vary: str) -> None:
    """The k-th numbers of many streams that differ in one small integer look like one stream."""
    rows = {
        "seed": lambda: CounterRng(torch.arange(2000)).uniform(Purpose.BATCH, 0, 8),
        "counter": lambda: CounterRng(torch.zeros(2000)).uniform(Purpose.BATCH, torch.arange(2000), 8),
        "purpose": lambda: torch.cat(
            [CounterRng(torch.arange(200)).uniform(purpose, 0, 8) for purpose in list(Purpose)[:10]]
        ),
    }[vary]()
    for column in rows.T:
        assert stats.kstest(column.double(), "uniform").pvalue > 1e-3
    correlation = torch.corrcoef(torch.cat([rows[:-1].T, rows[1:].T])) - torch.eye(16)
    assert correlation.abs().max() < 5 / 2000**0.5


def test_all_streams_differ() -> None:
    """No two of (seed, purpose, counter) share a number."""
    rng = CounterRng(torch.arange(50))
    drawn = [rng.bits(purpose, counter, 8) for purpose, counter in itertools.product(Purpose, range(20))]
    numbers = torch.cat(drawn).flatten()
    assert len(numbers.unique()) == len(numbers)


@pytest.mark.parametrize("high", [1, 2, 7, 2**31])
def test_integers_stay_below_their_bound(high: int) -> None:
    drawn = CounterRng(torch.tensor([11])).integers(Purpose.BATCH, 0, N, torch.tensor([high]))
    assert drawn.dtype == torch.int64
    assert drawn.min() >= 0
    assert drawn.max() < high
    if high <= 7:
        counts = torch.bincount(drawn[0], minlength=high)
        assert high == 1 or stats.chisquare(counts).pvalue > 1e-3
    else:
        assert stats.kstest(drawn[0].double() / high, "uniform").pvalue > 1e-3


def test_bounds_are_each_members_own() -> None:
    drawn = CounterRng(torch.arange(3)).integers(Purpose.BATCH, 0, 500, torch.tensor([1, 3, 1000]))
    assert drawn[0].unique().tolist() == [0]
    assert drawn[1].unique().tolist() == [0, 1, 2]
    assert 900 < drawn[2].max() < 1000


def test_numbers_drawn_together_are_those_drawn_one_by_one() -> None:
    """And what was not drawn with them, or is of another counter, is drawn as ever."""
    rng, counter = CounterRng(torch.tensor([3, 8, 8])), torch.tensor([0, 5, 6])
    together = rng.together(counter, [(Purpose.BATCH, 7), (Purpose.POLICY, 12)])
    high = torch.tensor([4, 9, 1000])
    for purpose, n in ((Purpose.BATCH, 7), (Purpose.POLICY, 12), (Purpose.POLICY, 5), (Purpose.NOISE, 3)):
        for now in (counter, counter + 1, 4):
            assert torch.equal(together.bits(purpose, now, n), rng.bits(purpose, now, n))
            assert torch.equal(together.normal(purpose, now, n), rng.normal(purpose, now, n))
            assert torch.equal(together.integers(purpose, now, n, high), rng.integers(purpose, now, n, high))
    rng.reseed(1, 77)
    assert torch.equal(
        rng.together(counter, [(Purpose.BATCH, 7)]).bits(Purpose.BATCH, counter, 7),
        rng.bits(Purpose.BATCH, counter, 7),
    )

"""Random numbers as a pure function of (seed of a member, purpose, counter, position).

A stack needs one independent stream a member, the same whoever shares the stack, and a resumed run must
go on exactly where it was killed. Without hidden state all three hold by construction: nothing is stored,
and the numbers are drawn for all members in one tensor operation. The generator is the finaliser of
SplitMix64 (Steele et al. 2014) over a mixed key.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import IntEnum

import torch
from torch import Tensor

_GOLDEN = -7046029254386353131  # 0x9E3779B97F4A7C15 as a signed 64-bit number
_MIX_1 = -4658895280553007687  # 0xBF58476D1CE4E5B9
_MIX_2 = -7723592293110705685  # 0x94D049BB133111EB
_STEP = 2.0**-24


class Purpose(IntEnum):
    """What numbers are drawn for; each purpose has its own stream. Saved studies depend on these values."""

    INIT_ENCODER = 1
    INIT_ACTOR = 2
    INIT_CRITIC = 3
    INIT_LOSS = 4
    EPISODE = 5
    EVALUATION = 6
    ACTION = 7
    BATCH = 8
    WINDOW = 9
    NEXT_ACTION = 10
    POLICY = 11
    CROP = 12
    NEXT_CROP = 13
    WINDOW_CROP = 14
    VIEW = 15
    NOISE = 16
    TARGET_NOISE = 17
    ACTION_NOISE = 18
    EVALUATION_ACTION = 19
    AUGMENTATION = 20


class CounterRng:
    """Streams of N members. `seeds`: (N,) int64 on the device where numbers are wanted.

    In all methods `counter` (an int or a (N,) int64 tensor) selects a draw of a purpose; the same
    (seed, purpose, counter) always gives the same numbers.
    """

    def __init__(self, seeds: Tensor) -> None:
        self.seeds = _seeded(seeds)
        self._tables: dict[tuple[object, ...], tuple[Tensor, Tensor, Tensor]] = {}

    def together(self, counter: Tensor, wanted: Sequence[tuple[Purpose, int]]) -> CounterRng:
        """The same streams, with the numbers of `counter` for these (purpose, n) drawn at once.

        A draw takes twenty small operations, however many numbers it draws.
        """
        key = self.seeds.device, *wanted
        if key not in self._tables:
            purposes, owner, positions = (table.to(self.seeds.device) for table in _tables(wanted))
            self._tables[key] = purposes, owner, positions
        return _Together(self.seeds, counter, wanted, self._tables[key])

    def reseed(self, index: int, seed: int) -> None:
        """Give one member the streams of another seed, in place."""
        self.seeds[index] = _seeded(torch.tensor(seed))

    def member(self, index: int) -> CounterRng:
        """The streams of one member alone."""
        return self._part(self.seeds[index : index + 1])

    def of(self, members: Tensor | slice) -> CounterRng:
        """The streams of some members, in the order of their (M,) indices."""
        return self._part(self.seeds[members])

    @staticmethod
    def _part(seeds: Tensor) -> CounterRng:
        part = CounterRng.__new__(CounterRng)
        part.seeds = seeds
        return part

    def bits(self, purpose: Purpose, counter: int | Tensor, n: int) -> Tensor:
        """(N, n) int64 tensors of 64 random bits."""
        key = _mix(self.seeds + _signed(int(purpose) * _MIX_1))
        offset = _signed(counter * _MIX_2) if isinstance(counter, int) else counter * _MIX_2
        key = _mix(key + offset)
        positions = torch.arange(1, n + 1, device=self.seeds.device, dtype=torch.int64) * _GOLDEN
        return _mix(key[:, None] + positions)

    def uniform(self, purpose: Purpose, counter: int | Tensor, n: int) -> Tensor:
        """(N, n) float32 in [0, 1)."""
        return _high(self.bits(purpose, counter, n)).float() * _STEP

    def normal(self, purpose: Purpose, counter: int | Tensor, n: int) -> Tensor:
        """(N, n) float32, standard normal (Box and Muller)."""
        bits = self.bits(purpose, counter, n)
        radius = torch.sqrt(-2.0 * torch.log((_high(bits) + 1).float() * _STEP))
        angle = (bits & 0xFFFFFF).float() * (_STEP * 2.0 * math.pi)
        return radius * torch.cos(angle)

    def integers(self, purpose: Purpose, counter: int | Tensor, n: int, high: Tensor) -> Tensor:
        """(N, n) int64 in [0, high); high: (N,) int64, at most 2^31."""
        top = (self.bits(purpose, counter, n) >> 33) & 0x7FFFFFFF
        return (top * high[:, None]) >> 31


class _Together(CounterRng):
    """See `CounterRng.together`."""

    def __init__(
        self,
        seeds: Tensor,
        counter: Tensor,
        wanted: Sequence[tuple[Purpose, int]],
        tables: tuple[Tensor, Tensor, Tensor],
    ) -> None:
        purposes, owner, positions = tables
        self.seeds, self._counter = seeds, counter
        keys = _mix(_mix(seeds[:, None] + purposes) + (counter * _MIX_2)[:, None])
        drawn = _mix(keys.index_select(1, owner).add_(positions))
        self._drawn: dict[tuple[Purpose, int], Tensor] = dict(
            zip(wanted, torch.split(drawn, [n for _, n in wanted], dim=1), strict=True)
        )

    def bits(self, purpose: Purpose, counter: int | Tensor, n: int) -> Tensor:
        if counter is self._counter and (purpose, n) in self._drawn:
            return self._drawn[purpose, n]
        return super().bits(purpose, counter, n)


def _tables(wanted: Sequence[tuple[Purpose, int]]) -> tuple[Tensor, Tensor, Tensor]:
    """For each purpose the offset of its key; for each number the index of its key, and its position."""
    purposes = torch.tensor([_signed(int(purpose) * _MIX_1) for purpose, _ in wanted])
    owner = torch.cat([torch.full((n,), place) for place, (_, n) in enumerate(wanted)])
    positions = torch.cat([torch.arange(1, n + 1) for _, n in wanted]) * _GOLDEN
    return purposes, owner, positions


def _seeded(seeds: Tensor) -> Tensor:
    return _mix(seeds.to(torch.int64) * _GOLDEN + 1)


def _mix(x: Tensor) -> Tensor:
    """The finaliser of SplitMix64. Shifts are arithmetic in torch, so the copied sign bits are masked."""
    x = (x >> 30).bitwise_and_(0x3FFFFFFFF).bitwise_xor_(x).mul_(_MIX_1)
    x = (x >> 27).bitwise_and_(0x1FFFFFFFFF).bitwise_xor_(x).mul_(_MIX_2)
    return (x >> 31).bitwise_and_(0x1FFFFFFFF).bitwise_xor_(x)


def _signed(x: int) -> int:
    """An integer modulo 2^64, as a signed 64-bit number."""
    return (x + 2**63) % 2**64 - 2**63


def _high(bits: Tensor) -> Tensor:
    """The top 24 bits: as many as float32 holds exactly."""
    return (bits >> 40) & 0xFFFFFF

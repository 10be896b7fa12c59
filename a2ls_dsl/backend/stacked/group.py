"""Members whose losses are equal but for their weights, and what their program is evaluated with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from a2ls_dsl.backend.counter_rng import CounterRng, Purpose
from a2ls_dsl.backend.functions import newest_frame
from a2ls_dsl.backend.stacked.agent import StackAgent
from a2ls_dsl.backend.stacked.structure import Structure, forward
from a2ls_dsl.backend.window import StackWindow
from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.lang.syntax.tree import Loss, Schedule, Weight
from a2ls_dsl.words.language import Stream

_CALLS_OF_VIEWS = 1 << 16
"""More than a loss can have: its draws of one update have counters of their own."""


@dataclass(frozen=True)
class Group:
    """Members (G,) of one structure, and each one's place among them. all: whether it is the whole stack.

    weights: (3, G, terms), where a term's weight starts, where it ends, and over how many frames. states:
    (2, G, T), the steps and the draws of the states that it reads.
    """

    structure: Structure
    places: dict[int, int]
    members: Tensor
    all: bool
    weights: Tensor
    states: Tensor


def weights_of(losses: Sequence[Loss | None], like: Tensor) -> Tensor:
    """(3, losses, terms): see `Group`."""

    def triple(weight: Weight) -> tuple[float, float, float]:
        if isinstance(weight, Schedule):
            return weight.start, weight.end, weight.frames
        return weight, weight, 1.0

    rows = [[triple(term.weight) for term in loss.terms] for loss in losses if loss is not None]
    return torch.tensor(rows, dtype=torch.float64, device=like.device).movedim(2, 0)


class GroupContext:
    """What the program of a group is evaluated with: see `interpreter.Context`.

    own: (G, numbers) the parameters of its members.
    """

    def __init__(self, group: Group, own: Tensor, agent: StackAgent, window: StackWindow) -> None:
        self.group, self._agent, self._window = group, agent, window
        self._parameters = group.structure.split(own)
        self._states = _fetched(group, window)
        self._dtype = own.dtype

    def sample(self, stream: Stream, offset: int) -> Tensor:
        window = self._window
        match stream:
            case Stream.STATE:
                # What only crops are cut out of is not read itself.
                return self._states.get((offset, 0), self._window.reward)
            case Stream.RAW:
                return newest_frame(self._states[offset, 0]).to(self._dtype)
            case Stream.ACTION:
                return self._own(window.action)[:, :, offset]
            case Stream.REWARD:
                return self._own(window.reward)[:, :, offset, None]
            case Stream.DONE:
                if window.done is None:
                    raise A2lError("a loss reads `done`, and the windows have none", "sample it, too")
                return self._own(window.done)[:, :, offset, None].to(self._dtype)

    def crop(self, draw: int, offset: int) -> Tensor:
        return self._states[offset, draw]

    def draws(self, draw: int) -> _Draws:
        if self._agent.rng is None or self._agent.counter is None:
            raise A2lError("a loss calls views, and no random numbers were given", "pass rng= and counter=")
        members = self.group.members
        return _Draws(self._agent.rng.of(members), self._agent.counter[members] * _CALLS_OF_VIEWS + draw)

    def head(self, number: int, row: Tensor) -> Tensor:
        return forward(self.group.structure.module.heads[number], self._parameters, f"heads.{number}", row)

    def matrix(self, term: int) -> Tensor | None:
        return self._parameters.get(f"bilinear.{term}")

    def weights(self, given: Sequence[Weight]) -> Sequence[Tensor]:
        start, end, length = self.group.weights
        frames = self._agent.frames
        if frames is None:
            if any(isinstance(weight, Schedule) for weight in given):
                raise A2lError(
                    "a weight of a loss follows a schedule, and no frames were given", "pass frames="
                )
            return list(start.to(self._dtype).unbind(1))
        now = frames[self.group.members, None]
        weights = (start + (end - start) * (now / length).clamp(0, 1)).to(self._dtype)
        return [weights[:, term] for term in range(len(given))]

    def _own(self, values: Tensor) -> Tensor:
        return values if self.group.all else values[self.group.members]


def _fetched(group: Group, window: StackWindow) -> dict[tuple[int, int], Tensor]:
    """The observations that a group reads, (G, B, ...), by step and draw."""
    wanted = group.structure.states
    if not wanted:
        return {}
    step, draw = group.states
    return dict(zip(wanted, window.states(step, draw, group.members).unbind(1), strict=True))


@dataclass(frozen=True)
class _Draws:
    """Random numbers for one view of the members of a group, each from its own streams."""

    rng: CounterRng
    counter: Tensor

    def uniform(self, x: Tensor, *shape: int) -> Tensor:
        return self.rng.uniform(Purpose.AUGMENTATION, self.counter, math.prod(shape)).view(-1, *shape)

    def normal(self, x: Tensor, *shape: int) -> Tensor:
        return self.rng.normal(Purpose.AUGMENTATION, self.counter, math.prod(shape)).view(-1, *shape)

    def member(self, index: int) -> _MemberDraws:
        """Those of one member, without the leading axis."""
        return _MemberDraws(_Draws(self.rng.member(index), self.counter[index : index + 1]))


@dataclass(frozen=True)
class _MemberDraws:
    draws: _Draws

    def uniform(self, x: Tensor, *shape: int) -> Tensor:
        return self.draws.uniform(x, *shape)[0]

    def normal(self, x: Tensor, *shape: int) -> Tensor:
        return self.draws.normal(x, *shape)[0]

"""Members with losses of any structure: those of equal structure are evaluated by one run of their program.

Members whose losses differ in nothing but weights and seeds form a group, with a leading axis of members over
their parameters. Several groups go through their programs side by side, so that the agent's networks, which
are those of all members, are called once a kind. Which members form a group is data: a slot that is given to
another loss moves rows of a tensor, and builds or compiles no code.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from a2ls_dsl.backend.counter_rng import CounterRng, Purpose
from a2ls_dsl.backend.functions import newest_frame
from a2ls_dsl.backend.interpreter import CALLS, Answer, Request, execution
from a2ls_dsl.backend.precision import unrounded
from a2ls_dsl.backend.stacked.structure import Structure, forward, structure_key
from a2ls_dsl.backend.window import Spaces, StackWindow
from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.lang.syntax.printer import print_loss
from a2ls_dsl.lang.syntax.tree import Loss, Schedule, Weight
from a2ls_dsl.words.agent import EMA, ONLINE, VALUE
from a2ls_dsl.words.language import Stream


class StackEncoder(Protocol):
    """The encoders of a stack's members, each with its own parameters."""

    def __call__(self, x: Tensor, members: Tensor | None = None) -> Tensor:
        """(N, M, observation) -> (N, M, features).

        members: (N,) whose encoder row i goes through; None where it is member i's.
        """


class StackValue(Protocol):
    """The values of a stack's members, each by its own networks."""

    def __call__(self, latents: Tensor, observations: Tensor, members: Tensor | None = None) -> Tensor:
        """Latents (N, M, features) and the observations they are of -> estimates (N, M).

        members: as for `StackEncoder`.
        """


_CALLS_OF_VIEWS = 1 << 16
"""More than a loss can have: its draws of one update have counters of their own."""


@dataclass(frozen=True)
class StackAgent:
    """What a stack of losses asks of its agents; members that ask for the same are called at once.

    frames: (members,) environment frames that each has trained. rng, counter: the streams of views, and
    (members,) which draw of them this is.
    """

    encode: StackEncoder
    encode_target: StackEncoder
    value: StackValue | None = None
    frames: Tensor | None = None
    rng: CounterRng | None = None
    counter: Tensor | None = None


class GeneralLosses(nn.Module):
    """The losses of some members of a stack; for the others the loss is 0.

    losses: what slots have to hold; a loss whose parameters are more than those of the largest is refused.
    """

    flat: nn.Parameter
    """(members, numbers): the parameters of a member one behind the other, then zeros."""

    def __init__(self, members: int, spaces: Spaces, losses: Sequence[Loss]) -> None:
        super().__init__()
        self.spaces = spaces
        self.losses: list[Loss | None] = [None] * members
        self._structures: dict[str, Structure] = {}
        self.flat = nn.Parameter(
            torch.zeros(members, max((self.structure(each).size for each in losses), default=0))
        )
        self._groups: list[_Group] | None = None
        self._askers: dict[tuple[int, ...], Tensor] = {}

    def structure(self, loss: Loss) -> Structure:
        """The structure of a loss; built once."""
        key = structure_key(loss)
        if key not in self._structures:
            self._structures[key] = Structure(loss, self.spaces)
        return self._structures[key]

    def holds(self, loss: Loss) -> bool:
        """Whether a slot has room for the parameters of `loss`."""
        return self.structure(loss).size <= self.flat.shape[1]

    def keeps(self, member: int, loss: Loss | None) -> bool:
        """Whether groups stay as they are with `loss` as that of a member: weights change, in place."""
        before = self.losses[member]
        if loss is None or before is None:
            return loss is before
        return structure_key(loss) == structure_key(before)

    def write(self, member: int, loss: Loss | None) -> None:
        """Make `loss` the loss of a member; its parameters stay as they are."""
        if loss is not None and not self.holds(loss):
            raise A2lError(
                f"the loss `{print_loss(loss)}` does not fit into this stack",
                "build the stack with a capacity that covers all of its losses",
            )
        if self.keeps(member, loss):
            self._reweigh(member, loss)
        else:
            self._groups = None
        self.losses[member] = loss

    @torch.no_grad()
    def reset(self, member: int, loss: Loss | None, rng: CounterRng) -> None:
        """Give a member a loss with fresh parameters. rng: the streams of this member."""
        self.write(member, loss)
        self.flat[member] = 0
        if loss is not None:
            structure = self.structure(loss)
            self.flat[member, : structure.size] = structure.start(rng).to(self.flat)

    def places(self, member: int) -> dict[str, slice]:
        """Where the parameters of a member's `CompiledLoss` lie in its row."""
        loss = self.losses[member]
        return self.structure(loss).places if loss is not None else {}

    def member_state(self, member: int) -> dict[str, Tensor]:
        """The parameters of one member as the `state_dict` of its `CompiledLoss`."""
        loss = self.losses[member]
        if loss is None:
            return {}
        split = self.structure(loss).split(self.flat.detach()[member : member + 1])
        return {name: value[0].clone() for name, value in split.items()}

    def forward(
        self, agent: StackAgent, window: StackWindow, among: Callable[[str], bool] = lambda key: True
    ) -> Tensor:
        """The loss of every member, (members,); see `StackedLoss.forward`.

        among: of which structures, by their keys; 0 for members with others.
        """
        if self._groups is None:
            self._groups, self._askers = self._grouped(), {}
        results = self.flat.new_zeros(len(self.losses))
        # The agent's networks compute as they are told to; differences of like numbers, sums over the batch
        # and what a loss learns for itself need all their digits, also under autocast.
        groups = {number: each for number, each in enumerate(self._groups) if among(each.structure.key)}
        if not groups:
            return results
        rows = _TakenApart.apply(self.flat, list(groups.values()))  # type: ignore[no-untyped-call]
        contexts = {
            number: _GroupContext(self, group, own, agent, window)
            for (number, group), own in zip(groups.items(), rows, strict=True)
        }
        with unrounded(self.flat.device):
            runs = {
                number: execution(each.group.structure.program, each) for number, each in contexts.items()
            }
            pending = {number: next(run) for number, run in runs.items()}
            while pending:
                name = min((each.name for each in pending.values()), key=CALLS.index)
                asked = {number: each for number, each in pending.items() if each.name == name}
                for number, answer in self._answers(name, asked, agent).items():
                    try:
                        pending[number] = runs[number].send(answer)
                    except StopIteration as end:
                        del pending[number]
                        results = results.index_put((contexts[number].group.members,), end.value)
        return results

    def _reweigh(self, member: int, loss: Loss | None) -> None:
        for group in self._groups or ():
            if loss is not None and member in group.places:
                group.weights[:, group.places[member]] = _weights([loss], self.flat)[:, 0]

    def _grouped(self) -> list[_Group]:
        members: dict[str, list[int]] = {}
        for member, loss in enumerate(self.losses):
            if loss is not None:
                members.setdefault(structure_key(loss), []).append(member)
        return [
            _Group(
                self._structures[key],
                {member: place for place, member in enumerate(each)},
                torch.tensor(each, device=self.flat.device),
                len(each) == len(self.losses),
                _weights([self.losses[member] for member in each], self.flat),
                self._states(key, len(each)),
            )
            for key, each in members.items()
        ]

    def _states(self, key: str, members: int) -> Tensor:
        wanted = torch.tensor(self._structures[key].states, dtype=torch.int64, device=self.flat.device)
        return wanted.view(-1, 2).T[:, None].expand(2, members, -1)

    def _answers(self, name: str, asked: dict[int, Request], agent: StackAgent) -> dict[int, Answer]:
        """One call of the agent's networks for the requests of several groups."""
        given = {number: torch.cat(each.inputs, dim=1) for number, each in asked.items()}
        seen = {number: torch.cat(each.seen, dim=1) for number, each in asked.items() if each.seen}
        x, whose = self._below_each_other(given), self._who_asks(tuple(asked))
        if name == VALUE:
            if agent.value is None:
                raise A2lError("a loss reads `value(...)`, and no value was given", "pass the agent's value=")
            found = agent.value(x, self._below_each_other(seen), *whose)[..., None]
        elif name == ONLINE:
            found = agent.encode(x, *whose)
        else:
            with torch.no_grad():
                found = (agent.encode_target if name == EMA else agent.encode)(x, *whose)
        found = found.to(self.flat.dtype)
        rows = torch.split(found, [len(each) for each in given.values()])
        return {
            number: own[:, : given[number].shape[1]].chunk(len(each.inputs), dim=1)
            for own, (number, each) in zip(rows, asked.items(), strict=True)
        }

    def _who_asks(self, numbers: tuple[int, ...]) -> tuple[Tensor, ...]:
        """The members of these groups, one group after the other; nothing for the whole stack in order."""
        groups = [(self._groups or [])[number] for number in numbers]
        if len(groups) == 1 and groups[0].all:
            return ()
        if numbers not in self._askers:
            self._askers[numbers] = torch.cat([group.members for group in groups])
        return (self._askers[numbers],)

    def _below_each_other(self, given: dict[int, Tensor]) -> Tensor:
        """(members, M, ...) of what groups ask about, zeros where they ask about less than others."""
        if len(given) == 1:
            return next(iter(given.values()))
        longest = max(each.shape[1] for each in given.values())
        kinds = {each.dtype for each in given.values()}
        kind = kinds.pop() if len(kinds) == 1 else self.flat.dtype
        parts = []
        for each in given.values():
            missing = each.new_zeros(len(each), longest - each.shape[1], *each.shape[2:], dtype=kind)
            parts.append(torch.cat([each.to(kind), missing], dim=1) if missing.numel() else each.to(kind))
        return torch.cat(parts)


@dataclass(frozen=True)
class _Group:
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


def _weights(losses: Sequence[Loss | None], like: Tensor) -> Tensor:
    def triple(weight: Weight) -> tuple[float, float, float]:
        if isinstance(weight, Schedule):
            return weight.start, weight.end, weight.frames
        return weight, weight, 1.0

    rows = [[triple(each.weight) for each in loss.terms] for loss in losses if loss is not None]
    return torch.tensor(rows, dtype=torch.float64, device=like.device).movedim(2, 0)


class _TakenApart(torch.autograd.Function):
    """The parameters of each group, (G, its size), out of those of all members.

    Most members' losses are far smaller than the largest, for which all have room. Gradients of the parts are
    put together once here; torch would make one of the size of the whole for every part.
    """

    @staticmethod
    def forward(ctx: Any, flat: Tensor, groups: Sequence[_Group]) -> tuple[Tensor, ...]:
        ctx.groups, ctx.shape = groups, flat.shape
        return tuple(flat[each.members, : each.structure.size] for each in groups)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        whole = gradients[0].new_zeros(ctx.shape)
        for group, each in zip(ctx.groups, gradients, strict=True):
            whole[group.members, : group.structure.size] = each
        return whole, None


class _GroupContext:
    """What the program of a group is evaluated with: see `interpreter.Context`."""

    def __init__(
        self,
        losses: GeneralLosses,
        group: _Group,
        own: Tensor,
        agent: StackAgent,
        window: StackWindow,
    ) -> None:
        self.group, self._agent, self._window = group, agent, window
        self._parameters = group.structure.split(own)
        self._states = _fetched(group, window)
        self._dtype = losses.flat.dtype

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
            if any(isinstance(each, Schedule) for each in given):
                raise A2lError(
                    "a weight of a loss follows a schedule, and no frames were given", "pass frames="
                )
            return list(start.to(self._dtype).unbind(1))
        now = frames[self.group.members, None]
        weights = (start + (end - start) * (now / length).clamp(0, 1)).to(self._dtype)
        return [weights[:, term] for term in range(len(given))]

    def _own(self, values: Tensor) -> Tensor:
        return values if self.group.all else values[self.group.members]


def _fetched(group: _Group, window: StackWindow) -> dict[tuple[int, int], Tensor]:
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
    one: _Draws

    def uniform(self, x: Tensor, *shape: int) -> Tensor:
        return self.one.uniform(x, *shape)[0]

    def normal(self, x: Tensor, *shape: int) -> Tensor:
        return self.one.normal(x, *shape)[0]

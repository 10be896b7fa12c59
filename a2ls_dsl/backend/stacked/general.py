"""Members with losses of any structure: those of equal structure are evaluated by one run of their program.

Members whose losses differ in nothing but weights and seeds form a group, with a leading axis of members over
their parameters. Several groups go through their programs side by side, so that the agent's networks, which
are those of all members, are called once a kind. Which members form a group is data: a slot that is given to
another loss moves rows of a tensor, and builds or compiles no code.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from a2ls_dsl.backend.counter_rng import CounterRng
from a2ls_dsl.backend.interpreter import CALLS, Answer, Request, execution
from a2ls_dsl.backend.precision import unrounded
from a2ls_dsl.backend.stacked.agent import StackAgent
from a2ls_dsl.backend.stacked.group import Group, GroupContext, weights_of
from a2ls_dsl.backend.stacked.structure import Structure, structure_key
from a2ls_dsl.backend.window import Spaces, StackWindow
from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.lang.syntax.printer import print_loss
from a2ls_dsl.lang.syntax.tree import Loss
from a2ls_dsl.words.agent import EMA, ONLINE, VALUE


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
            torch.zeros(members, max((self.structure(loss).size for loss in losses), default=0))
        )
        self._groups: list[Group] | None = None
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
        groups = {number: group for number, group in enumerate(self._groups) if among(group.structure.key)}
        if not groups:
            return results
        rows = _TakenApart.apply(self.flat, list(groups.values()))  # type: ignore[no-untyped-call]
        contexts = {
            number: GroupContext(group, own, agent, window)
            for (number, group), own in zip(groups.items(), rows, strict=True)
        }
        with unrounded(self.flat.device):
            runs = {
                number: execution(context.group.structure.program, context)
                for number, context in contexts.items()
            }
            pending = {number: next(run) for number, run in runs.items()}
            while pending:
                name = min((request.name for request in pending.values()), key=CALLS.index)
                asked = {number: request for number, request in pending.items() if request.name == name}
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
                group.weights[:, group.places[member]] = weights_of([loss], self.flat)[:, 0]

    def _grouped(self) -> list[Group]:
        members: dict[str, list[int]] = {}
        for member, loss in enumerate(self.losses):
            if loss is not None:
                members.setdefault(structure_key(loss), []).append(member)
        return [
            Group(
                self._structures[key],
                {member: place for place, member in enumerate(alike)},
                torch.tensor(alike, device=self.flat.device),
                len(alike) == len(self.losses),
                weights_of([self.losses[member] for member in alike], self.flat),
                self._states(key, len(alike)),
            )
            for key, alike in members.items()
        ]

    def _states(self, key: str, members: int) -> Tensor:
        wanted = torch.tensor(self._structures[key].states, dtype=torch.int64, device=self.flat.device)
        return wanted.view(-1, 2).T[:, None].expand(2, members, -1)

    def _answers(self, name: str, asked: dict[int, Request], agent: StackAgent) -> dict[int, Answer]:
        """One call of the agent's networks for the requests of several groups."""
        given = {number: torch.cat(request.inputs, dim=1) for number, request in asked.items()}
        seen = {number: torch.cat(request.seen, dim=1) for number, request in asked.items() if request.seen}
        x, whose = self._below_each_other(given), self._who_asks(tuple(asked))
        if name == VALUE:
            if agent.value is None:
                raise A2lError("a loss reads `value(...)`, and no value was given", "pass the agent's value=")
            answers = agent.value(x, self._below_each_other(seen), *whose)[..., None]
        elif name == ONLINE:
            answers = agent.encode(x, *whose)
        else:
            with torch.no_grad():
                answers = (agent.encode_target if name == EMA else agent.encode)(x, *whose)
        rows = torch.split(answers.to(self.flat.dtype), [len(inputs) for inputs in given.values()])
        return {
            number: own[:, : given[number].shape[1]].chunk(len(request.inputs), dim=1)
            for own, (number, request) in zip(rows, asked.items(), strict=True)
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
        longest = max(rows.shape[1] for rows in given.values())
        kinds = {rows.dtype for rows in given.values()}
        kind = kinds.pop() if len(kinds) == 1 else self.flat.dtype
        parts = []
        for rows in given.values():
            missing = rows.new_zeros(len(rows), longest - rows.shape[1], *rows.shape[2:], dtype=kind)
            parts.append(torch.cat([rows.to(kind), missing], dim=1) if missing.numel() else rows.to(kind))
        return torch.cat(parts)


class _TakenApart(torch.autograd.Function):
    """The parameters of each group, (G, its size), out of those of all members.

    Most members' losses are far smaller than the largest, for which all have room. Gradients of the parts are
    put together once here; torch would make one of the size of the whole for every part.
    """

    @staticmethod
    def forward(ctx: Any, flat: Tensor, groups: Sequence[Group]) -> tuple[Tensor, ...]:
        ctx.groups, ctx.shape = groups, flat.shape
        return tuple(flat[group.members, : group.structure.size] for group in groups)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        whole = gradients[0].new_zeros(ctx.shape)
        for group, gradient in zip(ctx.groups, gradients, strict=True):
            whole[group.members, : group.structure.size] = gradient
        return whole, None

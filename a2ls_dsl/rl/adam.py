"""Adam for a stack: a member has a count of steps of its own, and can be started anew beside the others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby

import torch
from torch import Tensor, nn

# With fewer numbers to change than these, waking other threads costs a CPU more than they save. The kernel
# wakes them for any.
_WORTH_THREADS = 2**20
_REGISTER = 16  # numbers in the widest vector register of a CPU


class StackedAdam(nn.Module):
    """Adam (Kingma and Ba 2015) over parameters with a leading slot axis, by torch's fused kernel.

    A member's parameters are updated as `torch.optim.Adam` would update them alone, bias correction included.
    All state lies in buffers that are changed in place, so that a step can be captured as part of a graph.
    together: no member is ever reset, so that one count serves all and a CPU updates tensors as a whole; it
    does so with neighbours of one count in any case.
    members: how many share the slot axis, each with an equal part of it; by default its length.
    """

    steps: Tensor

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        lr: float,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        together: bool = True,
        members: int | None = None,
    ) -> None:
        super().__init__()
        self.trained = list(parameters)
        self.lr, self.betas, self.eps, self.together = lr, betas, eps, together
        for moment in ("first", "second"):
            for number, each in enumerate(self.trained):
                self.register_buffer(f"{moment}_{number}", torch.zeros_like(each, requires_grad=False))
        self.members = len(self.trained[0]) if members is None else members
        device = self.trained[0].device
        self.register_buffer("steps", torch.zeros(self.members, device=device))

    def step(self, losses: Tensor, active: Tensor | None = None) -> Sequence[Tensor]:
        """One step of every active member down its loss, of (members,); gives the gradients."""
        # A parameter that no loss reads at the moment has the gradient 0.
        gradients = torch.autograd.grad(losses.sum(), self.trained, allow_unused=True, materialize_grads=True)
        self.descend(gradients, active)
        return gradients

    @torch.no_grad()
    def descend(self, gradients: Sequence[Tensor], active: Tensor | None = None) -> None:
        """One step along gradients of the trained parameters.

        active: (members,), by default all. Of the others nothing changes by a bit: no parameter, moment or
        count, whatever their gradients are.
        """
        active = torch.ones_like(self.steps, dtype=torch.bool) if active is None else active
        self.steps += active
        # The kernel goes through memory in order, and convolutions give gradients with channels last.
        slopes = [each.contiguous() for each in gradients]
        states = list(zip(self.trained, slopes, self.moments("first"), self.moments("second"), strict=True))
        if self.steps.is_cuda:
            self._descend_on_gpu(states, active)
        else:
            changed = [tensor for parameter, _, *moments in states for tensor in (parameter, *moments)]
            with unchanged_where(~active, changed):
                self._descend_on_cpu(states)

    def _descend_on_gpu(self, states: Sequence[tuple[Tensor, ...]], active: Tensor) -> None:
        """A call of the kernel a member: it can be told to do nothing, but not from where on."""
        cut = [_cut((*each, self.steps), [1] * self.members) for each in states]
        for parts, idle in zip(zip(*cut, strict=True), (~active).to(self.steps).unbind(), strict=True):
            self._update(parts, idle)

    def _descend_on_cpu(self, states: Sequence[tuple[Tensor, ...]]) -> None:
        # Members that stay together have one count, but for those that have stopped.
        steps = self.steps.max().expand(self.members) if self.together else self.steps
        steps = steps.float()
        runs, alone = self._runs(), [1] * self.members
        parts = list[tuple[Tensor, ...]]()
        for each in states:
            # What a vector register does not fill is rounded otherwise: let it be the same in any company.
            fills = self.together or each[0].numel() // self.members % _REGISTER == 0
            parts += _cut((*each, steps), runs if fills else alone)
        with _one_thread():
            self._update([each for each in parts if each[0].numel() < _WORTH_THREADS])
        self._update([each for each in parts if each[0].numel() >= _WORTH_THREADS])

    @torch.no_grad()
    def reset(self, member: int) -> None:
        """Forget all that is known of a member's gradients; not for members that stay together."""
        for state in self.buffers():
            by_member(state, self.members)[member] = 0

    def moments(self, moment: str) -> list[Tensor]:
        """The `first` or `second` moments, in the order of the trained parameters."""
        return [self.get_buffer(f"{moment}_{number}") for number in range(len(self.trained))]

    def _runs(self) -> list[int]:
        """How many neighbours have one count, in order."""
        if self.together:
            return [self.members]
        return [len(list(run)) for _, run in groupby(self.steps.tolist())]

    def _update(self, parts: Sequence[tuple[Tensor, ...]], idle: Tensor | None = None) -> None:
        """Change parameters and their moments: (parameter, gradient, first, second, count of steps) each.

        idle: nothing changes where this number is 1 instead of 0.
        """
        if not parts:
            return
        parameters, slopes, first, second, counts = map(list, zip(*parts, strict=True))
        torch._fused_adam_(
            parameters,
            slopes,
            first,
            second,
            [],
            counts,
            lr=self.lr,
            beta1=self.betas[0],
            beta2=self.betas[1],
            weight_decay=0.0,
            eps=self.eps,
            amsgrad=False,
            maximize=False,
            found_inf=idle,
        )


def _cut(states: tuple[Tensor, ...], runs: list[int]) -> Iterable[tuple[Tensor, ...]]:
    """Tensors of all members, the last with their counts, in runs of so many members, each with one count."""
    if len(runs) == 1:
        return [(*states[:-1], states[-1][0])]
    members = sum(runs)
    cut = [torch.split(by_member(each, members), runs) for each in states[:-1]]
    return zip(*cut, [run[0] for run in torch.split(states[-1], runs)], strict=True)


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def unchanged_where(inactive: Tensor, tensors: Sequence[Tensor]) -> Iterator[None]:
    """Whatever is done to tensors inside, those of the inactive members leave as they came, bit for bit.

    inactive: (members,); tensors are changed in place and have a slot axis first, as in `by_member`.
    """
    members = len(inactive)
    rows = [by_member(each, members) for each in tensors]
    if inactive.device.type == "cpu":  # which may be asked
        where = inactive.nonzero()[:, 0]
        kept = [each[where] for each in rows] if len(where) else []
        yield
        for row, before in zip(rows, kept, strict=False):
            row[where] = before
    else:
        kept = [each.clone() for each in rows]
        yield
        for row, before in zip(rows, kept, strict=True):
            row.copy_(torch.where(inactive.view(-1, *[1] * (row.dim() - 1)), before, row))


def by_member(tensor: Tensor, members: int) -> Tensor:
    """A slot axis that several rows of each member share, as two axes: the members, and their rows."""
    return tensor.view(members, len(tensor) // members, *tensor.shape[1:])

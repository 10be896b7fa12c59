"""Adam for a stack: a member has a count of steps of its own, and can be started anew beside the others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate, groupby
from typing import Any

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
    decay: that of weights, as `torch.optim.AdamW` has it; 0 for none.
    members: how many there are, by default as many as rows. owners: for each parameter whose its rows are,
    (rows,), or None where row i is member i's.
    """

    steps: Tensor

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        lr: float,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        members: int | None = None,
        owners: Sequence[Tensor | None] | None = None,
        decay: float = 0.0,
    ) -> None:
        super().__init__()
        self.decay = decay
        self.trained = list(parameters)
        self.lr, self.betas, self.eps = lr, betas, eps
        for moment in ("first", "second"):
            for number, each in enumerate(self.trained):
                self.register_buffer(f"{moment}_{number}", torch.zeros_like(each, requires_grad=False))
        self.members = len(self.trained[0]) if members is None else members
        self.owners = [None] * len(self.trained) if owners is None else list(owners)
        device = self.trained[0].device if self.trained else None
        self.register_buffer("steps", torch.zeros(self.members, device=device))
        self._pieces = _Pieces()

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
        if self.steps.is_cuda:
            self._descend_on_gpu(slopes, active)
        else:
            self._descend_on_cpu(slopes, active)

    def _descend_on_gpu(self, slopes: Sequence[Tensor], active: Tensor) -> None:
        """A call of the kernel a row: it can be told to do nothing, but not from where on."""
        idle = (~active).to(self.steps)
        states = list(zip(self.trained, slopes, self.moments("first"), self.moments("second"), strict=True))
        for owner in {id(owner): owner for owner in self.owners}.values():
            own = [each for each, whose in zip(states, self.owners, strict=True) if whose is owner]
            counts, idles = (each if owner is None else each[owner] for each in (self.steps, idle))
            for row in range(len(counts)):
                self._update([(*(each[row] for each in state), counts[row]) for state in own], idles[row])

    def _descend_on_cpu(self, slopes: Sequence[Tensor], active: Tensor) -> None:
        """A call of the kernel for all, in pieces of neighbours with one count of steps."""
        counts, running = self.steps.float().unbind(), active.tolist()
        runs = [len(list(run)) for _, run in groupby(zip(self.steps.tolist(), running, strict=True))]
        starts = list(accumulate(runs[:-1], initial=0))
        owned = {id(owner): owner.tolist() for owner in self.owners if owner is not None}
        lengths, members = list[list[int]](), list[int]()  # of the pieces of each parameter, whose they are
        for parameter, owner in zip(self.trained, self.owners, strict=True):
            if owner is not None:
                lengths.append([1] * len(parameter))
                members += owned[id(owner)]
            # What a vector register does not fill is rounded otherwise: let it be the same in any company.
            elif parameter.numel() // self.members % _REGISTER == 0:
                lengths.append(runs)
                members += starts
            else:
                lengths.append([1] * self.members)
                members += range(self.members)
        if self._pieces.lengths != lengths:
            states = self.trained, self.moments("first"), self.moments("second")
            self._pieces = _Pieces(lengths, tuple(_cut(each, lengths) for each in states))
        parameters, first, second = self._pieces.states
        pieces = zip(parameters, _cut(slopes, lengths), first, second, members, strict=True)
        parts = [(*states, counts[member]) for *states, member in pieces if running[member]]
        with _one_thread():
            self._update([each for each in parts if each[0].numel() < _WORTH_THREADS])
        self._update([each for each in parts if each[0].numel() >= _WORTH_THREADS])

    @torch.no_grad()
    def reset(self, member: int) -> None:
        """Forget all that is known of a member's gradients."""
        moments = self.moments("first") + self.moments("second")
        for state, owner in zip(moments, self.owners * 2, strict=True):
            state[member if owner is None else owner == member] = 0
        self.steps[member] = 0

    def moments(self, moment: str) -> list[Tensor]:
        """The `first` or `second` moments, in the order of the trained parameters."""
        return [self.get_buffer(f"{moment}_{number}") for number in range(len(self.trained))]

    def _apply(self, *arguments: Any, **options: Any) -> StackedAdam:
        self._pieces = _Pieces()  # what is moved or converted lies elsewhere
        super()._apply(*arguments, **options)  # type: ignore[no-untyped-call]
        return self

    def _update(self, parts: Sequence[tuple[Tensor, ...]], idle: Tensor | None = None) -> None:
        """Change parameters and their moments: (parameter, gradient, first, second, count of steps) each.

        idle: nothing changes where this number is 1 instead of 0.
        """
        if not parts:
            return
        parameters, slopes, first, second, counts = map(list, zip(*parts, strict=True))
        kernel = torch._fused_adamw_ if self.decay else torch._fused_adam_
        kernel(
            parameters,
            slopes,
            first,
            second,
            [],
            counts,
            lr=self.lr,
            beta1=self.betas[0],
            beta2=self.betas[1],
            weight_decay=self.decay,
            eps=self.eps,
            amsgrad=False,
            maximize=False,
            found_inf=idle,
        )


@dataclass(frozen=True)
class _Pieces:
    """Parameters and moments in pieces of so many rows: views, which take longer to make than to use."""

    lengths: list[list[int]] | None = None
    states: tuple[list[Tensor], ...] = ()


def _cut(tensors: Sequence[Tensor], lengths: Sequence[list[int]]) -> list[Tensor]:
    pieces = list[Tensor]()
    for tensor, each in zip(tensors, lengths, strict=True):
        pieces += [tensor] if len(each) == 1 else torch.split(tensor, each)
    return pieces


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

    inactive: (members,); tensors are changed in place and have a slot axis first.
    """
    if inactive.device.type == "cpu":  # which may be asked
        where = inactive.nonzero()[:, 0]
        kept = [each[where] for each in tensors] if len(where) else []
        yield
        for row, before in zip(tensors, kept, strict=False):
            row[where] = before
    else:
        kept = [each.clone() for each in tensors]
        yield
        for row, before in zip(tensors, kept, strict=True):
            row.copy_(torch.where(inactive.view(-1, *[1] * (row.dim() - 1)), before, row))
